//! SVG to pictures with resvg: the drawn part is scaled to fill most of the square, on nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use resvg::tiny_skia::{Pixmap, Rect, Transform};
use resvg::usvg::{Options, Tree};

use crate::error::DataError;
use crate::picture::Square;

/// Share of the square that the longer side of a drawing fills.
pub(crate) const FIT: f32 = 0.92;

/// SVG texts longer than this are left out: they take seconds to render.
const MAX_BYTES: usize = 400_000;

/// Renders an SVG text into a square; its drawn part fills [`FIT`] of the longer side.
pub(crate) fn render(text: &[u8], size: usize) -> Result<Square, DataError> {
    if text.len() > MAX_BYTES {
        return Err(DataError::Picture(format!("the SVG is larger than {MAX_BYTES} bytes")));
    }
    // The renderer is robust, but a picture set of ten thousand files finds its rare panics.
    catch_unwind(AssertUnwindSafe(|| render_tree(text, size)))
        .unwrap_or_else(|_| Err(DataError::Picture("the SVG renderer gave up".into())))
}

fn render_tree(text: &[u8], size: usize) -> Result<Square, DataError> {
    let tree = Tree::from_data(text, &Options::default()).map_err(|e| DataError::Picture(e.to_string()))?;
    let canvas = Rect::from_xywh(0.0, 0.0, tree.size().width(), tree.size().height());
    let drawn = tree.root().abs_layer_bounding_box().to_rect();
    let area = canvas
        .and_then(|canvas| intersection(canvas, drawn))
        .ok_or_else(|| DataError::Picture("nothing is drawn inside the canvas".into()))?;
    let scale = FIT * size as f32 / area.width().max(area.height());
    let half = size as f32 / 2.0;
    let (x, y) = (area.left() + area.width() / 2.0, area.top() + area.height() / 2.0);
    let transform = Transform::from_row(scale, 0.0, 0.0, scale, half - scale * x, half - scale * y);
    let mut pixmap = Pixmap::new(size as u32, size as u32).ok_or_else(|| DataError::Picture("no memory".into()))?;
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    Ok(Square { size, pixels: pixmap.take() })
}

fn intersection(a: Rect, b: Rect) -> Option<Rect> {
    Rect::from_ltrb(a.left().max(b.left()), a.top().max(b.top()), a.right().min(b.right()), a.bottom().min(b.bottom()))
        .filter(|r| r.width() > 0.0 && r.height() > 0.0)
}

/// The covered part of a picture, scaled to fill [`FIT`] of a square of `size`.
pub(crate) fn fit(picture: Square, size: usize) -> Square {
    let n = picture.size;
    let covered = |x: usize, y: usize| picture.pixels[(y * n + x) * 4 + 3] > 8;
    let rows: Vec<usize> = (0..n).filter(|&y| (0..n).any(|x| covered(x, y))).collect();
    let columns: Vec<usize> = (0..n).filter(|&x| (0..n).any(|y| covered(x, y))).collect();
    let (Some(&top), Some(&bottom), Some(&left), Some(&right)) =
        (rows.first(), rows.last(), columns.first(), columns.last())
    else {
        return Square::new(size);
    };
    let (w, h) = (right - left + 1, bottom - top + 1);
    let side = ((w.max(h) as f32 / FIT).round() as usize).max(w.max(h));
    let mut square = Square::new(side);
    square.draw(
        &picture,
        (side as isize - w as isize) / 2 - left as isize,
        (side as isize - h as isize) / 2 - top as isize,
    );
    square.resized(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_drawing_is_enlarged_and_centred() {
        let svg = br##"<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"><rect x="2" y="3" width="10" height="5" fill="#f00"/></svg>"##;
        let picture = render(svg, 50).expect("renders");
        assert_eq!(picture.pixel(25, 25), [255, 0, 0, 255]);
        assert_eq!(picture.pixel(3, 25)[3], 255);
        assert_eq!(picture.pixel(25, 10)[3], 0);
    }

    #[test]
    fn fitting_does_the_same_for_pixels() {
        let mut picture = Square::new(200);
        picture.draw(&Square { size: 92, pixels: [9u8, 9, 9, 255].repeat(92 * 92) }, 100, 5);
        let fitted = fit(picture, 50);
        assert_eq!(fitted.pixel(25, 25), [9, 9, 9, 255]);
        assert_eq!(fitted.pixel(0, 0), [0; 4]);
        assert!(fitted.coverage() > 0.75);
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(render(b"<svg", 16).is_err());
        let nothing = render(br#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>"#, 16);
        assert!(nothing.is_ok_and(|picture| picture.coverage() == 0.0));
    }
}
