//! How much of a picture a layer shows, and where: all that can be seen of an object on transparent ground, a crop of anything else.

use analysis::{Picture, Rect};

use crate::canvas::Mask;
use crate::place::Frame;
use crate::template::{Content, Fit, Template};

/// Room that is left around an object in its place, in shares of the shorter side.
const ROOM: f64 = 0.08;

/// The rectangle that a picture goes into, and whether it is all there (else it fills the rectangle). `rect` is the layer's own.
pub(crate) fn goal(fit: Fit, cut_out: Option<Frame>, rect: Rect, size: (u32, u32), is_cut_out: bool) -> (Rect, bool) {
    let rect = match cut_out {
        Some(frame) if is_cut_out => frame.on(size.0, size.1),
        None if is_cut_out && fit == Fit::Auto => inside(rect),
        _ => rect,
    };
    (rect, fit == Fit::Contain || (fit == Fit::Auto && is_cut_out))
}

/// The rectangle without the room around it.
fn inside(rect: Rect) -> Rect {
    let room = (f64::from(rect.width.min(rect.height)) * ROOM) as u32;
    Rect { x: rect.x + room, y: rect.y + room, width: rect.width - 2 * room, height: rect.height - 2 * room }
}

/// How many times a picture is as large in its place in a template, at a size; below 1 it is made smaller.
pub fn enlargement(template: &Template, picture: &Picture, size: (u32, u32)) -> f64 {
    let is_cut_out = is_cut_out(picture);
    let times = template.layers.iter().filter_map(|layer| {
        let Content::Picture { fit, cut_out, .. } = layer.content else { return None };
        let (rect, contain) = goal(fit, cut_out, layer.frame.on(size.0, size.1), size, is_cut_out);
        let part = if contain { visible(picture) } else { picture.rect() };
        let share = |needed: u32, has: u32| f64::from(needed) / f64::from(has);
        let (across, down) = (share(rect.width, part.width), share(rect.height, part.height));
        Some(if contain { across.min(down) } else { across.max(down) })
    });
    times.fold(0.0, f64::max)
}

/// The largest place of a picture's aspect in a rectangle, at `share` (0..=1) of the room that is left.
pub(crate) fn contained(picture: &Picture, rect: Rect, (across, down): (f64, f64)) -> Rect {
    let scale =
        (f64::from(rect.width) / f64::from(picture.width())).min(f64::from(rect.height) / f64::from(picture.height()));
    let size = |length: u32, most: u32| ((f64::from(length) * scale).round() as u32).clamp(1, most);
    let (width, height) = (size(picture.width(), rect.width), size(picture.height(), rect.height));
    let off = |room: u32, share: f64| (f64::from(room) * share).round() as u32;
    Rect { x: rect.x + off(rect.width - width, across), y: rect.y + off(rect.height - height, down), width, height }
}

/// Whether the picture is an object on transparent ground.
pub(crate) fn is_cut_out(picture: &Picture) -> bool {
    let pixels = picture.pixels().as_chunks::<4>().0;
    let through = pixels.iter().filter(|pixel| pixel[3] < 16).count();
    through * 33 > pixels.len()
}

/// The smallest rectangle around what can be seen.
pub(crate) fn visible(picture: &Picture) -> Rect {
    let mask = Mask {
        width: picture.width(),
        height: picture.height(),
        values: picture.pixels().as_chunks::<4>().0.iter().map(|pixel| pixel[3] / 9).collect(),
    };
    mask.bounds().unwrap_or(picture.rect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_room_around_it_and_is_enlarged_by_its_own_size() {
        // An object of 40 x 20 in the middle of nothing.
        let mut pixels = vec![0; 4 * 100 * 100];
        (40..60).for_each(|y| pixels[4 * (100 * y + 30)..4 * (100 * y + 70)].fill(255));
        let object = Picture::new(100, 100, pixels).unwrap();
        let rect = Rect { x: 10, y: 0, width: 300, height: 100 };
        let (inside, contain) = goal(Fit::Auto, None, rect, (400, 100), is_cut_out(&object));
        assert_eq!((inside, contain), (Rect { x: 18, y: 8, width: 284, height: 84 }, true));
        assert_eq!(goal(Fit::Auto, None, rect, (400, 100), false), (rect, false));
        assert_eq!(goal(Fit::Contain, None, rect, (400, 100), true), (rect, true));
        let banner = Template::built_in("overlay.square").unwrap();
        let (times, whole) =
            (enlargement(banner, &object, (1000, 1000)), Picture::filled(100, 100, [9, 9, 9, 255]).unwrap());
        assert!((times - 759.0 / 40.0).abs() < 0.1, "{times}");
        assert_eq!(enlargement(banner, &whole, (1000, 1000)), 10.0);
    }
}
