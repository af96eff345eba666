//! How much of a picture a layer shows, and where: all that can be seen of an object on transparent ground, a crop of anything else.

use analysis::{Picture, Rect};

use crate::canvas::Mask;
use crate::place::Frame;
use crate::template::{Content, Fit, Template};

/// The rectangle that a picture goes into, and whether it is all there (else it fills the rectangle). `rect` is the layer's own.
pub(crate) fn goal(fit: Fit, cut_out: Option<Frame>, rect: Rect, size: (u32, u32), is_cut_out: bool) -> (Rect, bool) {
    let rect = cut_out.filter(|_| is_cut_out).map_or(rect, |frame| frame.on(size.0, size.1));
    (rect, fit == Fit::Contain || (fit == Fit::Auto && is_cut_out))
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
