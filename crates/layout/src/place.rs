//! Where things stand: frames in shares of the canvas.

use analysis::Rect;
use serde::{Deserialize, Serialize};

/// A place on the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// From the anchor's left or right edge inward, in shares of the canvas' width; from the middle for middle anchors.
    pub x: f64,
    /// From the anchor's upper or lower edge inward, in shares of the canvas' height; from the middle for middle anchors.
    pub y: f64,
    /// Shares of the canvas' width.
    pub width: f64,
    /// Shares of the canvas' height.
    pub height: f64,
    /// The point of the canvas from which x and y count.
    #[serde(default)]
    pub anchor: Anchor,
}

/// A point of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Anchor {
    #[default]
    TopLeft,
    Top,
    TopRight,
    Left,
    Centre,
    Right,
    BottomLeft,
    Bottom,
    BottomRight,
}

impl Anchor {
    /// 0, ½ or 1 across and down.
    pub(crate) fn shares(self) -> (f64, f64) {
        use Anchor::*;
        let across = match self {
            TopLeft | Left | BottomLeft => 0.0,
            Top | Centre | Bottom => 0.5,
            TopRight | Right | BottomRight => 1.0,
        };
        let down = match self {
            TopLeft | Top | TopRight => 0.0,
            Left | Centre | Right => 0.5,
            BottomLeft | Bottom | BottomRight => 1.0,
        };
        (across, down)
    }
}

/// The direction in which a template may be turned around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// Left and right change places.
    Across,
    /// Top and bottom change places.
    Down,
}

impl Anchor {
    fn turned(self, axis: Axis) -> Self {
        use Anchor::*;
        match (axis, self) {
            (Axis::Across, TopLeft) => TopRight,
            (Axis::Across, TopRight) => TopLeft,
            (Axis::Across, Left) => Right,
            (Axis::Across, Right) => Left,
            (Axis::Across, BottomLeft) => BottomRight,
            (Axis::Across, BottomRight) => BottomLeft,
            (Axis::Down, TopLeft) => BottomLeft,
            (Axis::Down, BottomLeft) => TopLeft,
            (Axis::Down, Top) => Bottom,
            (Axis::Down, Bottom) => Top,
            (Axis::Down, TopRight) => BottomRight,
            (Axis::Down, BottomRight) => TopRight,
            (_, same) => same,
        }
    }
}

impl Frame {
    /// The place on the other side. Offsets count inward from the anchor, so that only those from the middle change.
    pub(crate) fn turned(&self, axis: Axis) -> Self {
        let (across, down) = self.anchor.shares();
        let mut turned = Self { anchor: self.anchor.turned(axis), ..*self };
        if axis == Axis::Across && across == 0.5 {
            turned.x = -self.x;
        }
        if axis == Axis::Down && down == 0.5 {
            turned.y = -self.y;
        }
        turned
    }

    /// Whether it lies on the canvas: sizes in (0, 1], everything finite and inside.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { x, y, width, height, .. } = *self;
        let inside = |at: f64, size: f64, share: f64| {
            let start = if share == 0.5 { at + 0.5 - size / 2.0 } else { at };
            (-1e-9..=1.0 + 1e-9).contains(&start) && (start + size) <= 1.0 + 1e-6
        };
        let (across, down) = self.anchor.shares();
        let sized = |size: f64| size > 0.0 && size <= 1.0;
        (!(sized(width) && sized(height) && inside(x, width, across) && inside(y, height, down)))
            .then(|| format!("x {x}, y {y}, width {width}, height {height} leave the canvas (shares of 0..=1)"))
    }

    /// In pixels of a canvas; at least one pixel.
    pub(crate) fn on(&self, width: u32, height: u32) -> Rect {
        let (across, down) = self.anchor.shares();
        let along = |at: f64, size: f64, share: f64, of: u32| {
            let start = if share == 0.5 {
                0.5 + at - size / 2.0
            } else if share == 1.0 {
                1.0 - at - size
            } else {
                at
            };
            let from = ((start * f64::from(of)).round().max(0.0) as u32).min(of - 1);
            let to = (((start + size) * f64::from(of)).round().max(0.0) as u32).clamp(from + 1, of);
            (from, to - from)
        };
        let (x, width) = along(self.x, self.width, across, width);
        let (y, height) = along(self.y, self.height, down, height);
        Rect { x, y, width, height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_count_inward() {
        let frame = |anchor| Frame { x: 0.1, y: 0.0, width: 0.2, height: 0.5, anchor };
        let rect = |anchor| frame(anchor).on(100, 40);
        assert_eq!(rect(Anchor::TopLeft), Rect { x: 10, y: 0, width: 20, height: 20 });
        assert_eq!(rect(Anchor::BottomRight), Rect { x: 70, y: 20, width: 20, height: 20 });
        assert_eq!(rect(Anchor::Centre), Rect { x: 50, y: 10, width: 20, height: 20 });
        assert_eq!(frame(Anchor::Centre).on(1, 1), Rect { x: 0, y: 0, width: 1, height: 1 });
    }

    #[test]
    fn turned_frames_are_mirror_images() {
        use Anchor::*;
        for anchor in [TopLeft, Top, TopRight, Left, Centre, Right, BottomLeft, Bottom, BottomRight] {
            let frame = Frame { x: 0.1, y: 0.05, width: 0.2, height: 0.3, anchor };
            let rect = frame.on(1000, 1000);
            let across = frame.turned(Axis::Across).on(1000, 1000);
            assert_eq!((across.x, across.y), (1000 - rect.x - rect.width, rect.y), "{anchor:?}");
            let down = frame.turned(Axis::Down).on(1000, 1000);
            assert_eq!((down.x, down.y), (rect.x, 1000 - rect.y - rect.height), "{anchor:?}");
            assert_eq!(frame.turned(Axis::Down).turned(Axis::Down), frame);
        }
    }

    #[test]
    fn frames_off_the_canvas_are_named() {
        let fault = |x, width| Frame { x, y: 0.0, width, height: 1.0, anchor: Anchor::TopLeft }.fault();
        assert!(fault(0.5, 0.5).is_none());
        assert!(
            [(0.6, 0.5), (-0.1, 0.5), (0.0, 0.0), (f64::NAN, 0.5), (0.0, f64::INFINITY)]
                .into_iter()
                .all(|(x, width)| fault(x, width).is_some())
        );
    }
}
