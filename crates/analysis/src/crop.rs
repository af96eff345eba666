//! The best crop of an aspect: it keeps the subject and leaves room for words on the wished side.

use serde::{Deserialize, Serialize};

use crate::{Look, Rect};

/// Places that are tried along the free direction.
const STEPS: u32 = 64;
/// Share of the crop that the wished side takes.
const SIDE_SHARE: f64 = 0.45;
/// Space above a subject that is cut below, in shares of the crop's height.
const HEADROOM: f64 = 0.06;

/// Where words will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Nowhere in particular: the subject goes to the middle.
    #[default]
    Any,
    /// On the left.
    Left,
    /// On the right.
    Right,
    /// Above.
    Top,
    /// Below.
    Bottom,
}

/// A crop and what it keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crop {
    /// Where, in pixels.
    pub rect: Rect,
    /// Share of the saliency that is kept, 0..=1.
    pub kept: f64,
    /// Mean quietness of the wished side (of the whole crop for [`Side::Any`]), 0..=1.
    pub quiet: f64,
}

impl Look {
    /// The largest crop of an aspect (width by height) at the best place. The subject stays whole where it fits; of one that is
    /// too wide the centre stays, of one that is too tall the upper end, where heads are. An aspect that is not a positive number gives the whole picture.
    pub fn crop(&self, aspect: f64, side: Side) -> Crop {
        let (width, height) = self.size;
        let own = f64::from(width) / f64::from(height);
        let aspect = if aspect > 0.0 && aspect.is_finite() { aspect } else { own };
        let scaled = |length: f64, most: u32| (length.round() as u32).clamp(1, most);
        let (across, down) = if aspect < own {
            (scaled(f64::from(height) * aspect, width), height)
        } else {
            (width, scaled(f64::from(width) / aspect, height))
        };
        let focus = self.focus();
        let xs = places(width, across, focus.x, focus.bounds[0], focus.bounds[2]);
        let top = focus.bounds[1] * f64::from(height);
        let ys = if (focus.bounds[3] - focus.bounds[1]) * f64::from(height) > f64::from(down) {
            vec![((top - HEADROOM * f64::from(down)).max(0.0) as u32).min(height - down)]
        } else {
            places(height, down, focus.y, focus.bounds[1], focus.bounds[3])
        };
        let mut best: Option<(f64, Crop)> = None;
        for &y in &ys {
            for &x in &xs {
                let rect = Rect { x, y, width: across, height: down };
                let (score, crop) = self.judged(rect, side);
                if best.is_none_or(|(least, _)| score > least) {
                    best = Some((score, crop));
                }
            }
        }
        best.map_or(Crop { rect: Rect { x: 0, y: 0, width, height }, kept: 1.0, quiet: 0.0 }, |(_, crop)| crop)
    }

    fn judged(&self, rect: Rect, side: Side) -> (f64, Crop) {
        let share = |at: u32, of: u32| f64::from(at) / f64::from(of);
        let (left, right) = (share(rect.x, self.size.0), share(rect.x + rect.width, self.size.0));
        let (top, bottom) = (share(rect.y, self.size.1), share(rect.y + rect.height, self.size.1));
        let whole = [left, top, right, bottom];
        let all = Look::sum(self.saliency(), [0.0, 0.0, 1.0, 1.0]).0;
        let kept = if all > 0.0 { Look::sum(self.saliency(), whole).0 / all } else { 1.0 };
        let (w, h) = ((right - left) * SIDE_SHARE, (bottom - top) * SIDE_SHARE);
        let words = match side {
            Side::Any => whole,
            Side::Left => [left, top, left + w, bottom],
            Side::Right => [right - w, top, right, bottom],
            Side::Top => [left, top, right, top + h],
            Side::Bottom => [left, bottom - h, right, bottom],
        };
        let quiet = Look::mean(self.quiet(), words);
        let focus = self.focus();
        let off = |at: f64, from: f64, to: f64, wished: f64| ((at - from) / (to - from).max(1e-9) - wished).abs();
        // Opposite the words stands the subject, on a line of thirds.
        let (x, y) = match side {
            Side::Any => (0.5, 0.5),
            Side::Left => (2.0 / 3.0, 0.5),
            Side::Right => (1.0 / 3.0, 0.5),
            Side::Top => (0.5, 2.0 / 3.0),
            Side::Bottom => (0.5, 1.0 / 3.0),
        };
        let placed = 1.0 - off(focus.x, left, right, x) - off(focus.y, top, bottom, y);
        let score = 2.0 * kept + placed + if side == Side::Any { 0.0 } else { 1.5 * quiet };
        (score, Crop { rect, kept, quiet })
    }
}

/// Offsets to try for a window in a length, so that the subject stays inside.
fn places(length: u32, window: u32, focus: f64, from: f64, to: f64) -> Vec<u32> {
    let free = length - window;
    if free == 0 {
        return vec![0];
    }
    let (length, size) = (f64::from(length), f64::from(window));
    let (low, high) = if (to - from) * length <= size {
        (to * length - size, from * length)
    } else {
        (focus * length - size, focus * length)
    };
    let low = (low.ceil().max(0.0) as u32).min(free);
    let high = (high.floor().max(0.0) as u32).min(free).max(low);
    let steps = STEPS.min(high - low).max(1);
    let mut offsets: Vec<u32> =
        (0..=steps).map(|i| low + (u64::from(high - low) * u64::from(i) / u64::from(steps)) as u32).collect();
    offsets.dedup();
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Picture;
    use proptest::prelude::*;

    fn ball(width: u32, height: u32, cx: f64, cy: f64) -> Picture {
        let radius = f64::from(width.min(height)) * 0.18;
        let pixels = (0..width * height)
            .flat_map(|i| {
                let inside = (f64::from(i % width) - cx).hypot(f64::from(i / width) - cy) < radius;
                if inside { [20, 40, 120, 255] } else { [225, 220, 205, 255] }
            })
            .collect();
        Picture::new(width, height, pixels).unwrap()
    }

    #[test]
    fn words_get_the_wished_side() {
        let look = Look::of(&ball(320, 180, 160.0, 90.0));
        let centre = |side| {
            let rect = look.crop(1.0, side).rect;
            assert_eq!((rect.width, rect.height), (180, 180));
            (160.0 - f64::from(rect.x)) / 180.0
        };
        assert!((centre(Side::Any) - 0.5).abs() < 0.03);
        assert!(centre(Side::Left) > 0.6 && centre(Side::Right) < 0.4);
        let look = Look::of(&ball(180, 320, 90.0, 160.0));
        let rect = look.crop(1.0, Side::Top).rect;
        assert!((160.0 - f64::from(rect.y)) / 180.0 > 0.6);
    }

    #[test]
    fn a_standing_subject_keeps_its_head() {
        // A tall bar from a quarter of the height down to the lower edge.
        let pixels = (0..200 * 300)
            .flat_map(|i| {
                if (80..120).contains(&(i % 200)) && i / 200 >= 75 { [150, 40, 30, 255] } else { [225, 225, 225, 255] }
            })
            .collect();
        let rect = Look::of(&Picture::new(200, 300, pixels).unwrap()).crop(2.0, Side::Any).rect;
        assert!((58..76).contains(&rect.y) && rect.height == 100, "{rect:?}");
    }

    #[test]
    fn sizes_and_aspects_at_the_limits() {
        let look = Look::of(&Picture::filled(1, 1, [5, 5, 5, 255]).unwrap());
        assert_eq!(look.crop(16.0, Side::Left).rect, Rect { x: 0, y: 0, width: 1, height: 1 });
        let look = Look::of(&Picture::filled(8192, 2, [5, 5, 5, 255]).unwrap());
        assert_eq!(look.crop(1.0, Side::Any).rect.width, 2);
        for aspect in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
            assert_eq!(look.crop(aspect, Side::Any).rect, Rect { x: 0, y: 0, width: 8192, height: 2 });
        }
    }

    proptest! {
        #[test]
        fn the_subject_stays(x in 0.2_f64..0.8, y in 0.2_f64..0.8, aspect in 0.4_f64..2.5, side in 0_usize..5) {
            let side = [Side::Any, Side::Left, Side::Right, Side::Top, Side::Bottom][side];
            let look = Look::of(&ball(160, 120, x * 160.0, y * 120.0));
            let crop = look.crop(aspect, side);
            let rect = crop.rect;
            prop_assert!(rect.x + rect.width <= 160 && rect.y + rect.height <= 120);
            prop_assert!((rect.aspect() / aspect - 1.0).abs() < 0.03);
            let (fx, fy) = (look.focus().x * 160.0, look.focus().y * 120.0);
            prop_assert!(fx >= f64::from(rect.x) && fx <= f64::from(rect.x + rect.width));
            prop_assert!(fy >= f64::from(rect.y) && fy <= f64::from(rect.y + rect.height));
            prop_assert!(crop.kept > 0.5);
        }
    }
}
