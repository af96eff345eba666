//! Where the subject is and where words may stand, on a grid of at most 96 fields a side.
//!
//! * Unrest of a field: standard deviation of luma inside it, plus the mean step to its neighbours (gradient energy); both
//!   0..=255 and independent of the picture's size. Quietness is `exp(-unrest / 16)`.
//! * Saliency: alpha, when the picture is a cut-out. Else the OKLab distance from the colours along the border (Wei et al.,
//!   "Geodesic saliency using background priors", ECCV 2012: the border is background; the middle of the lower edge is left
//!   out, as people and products stand there), 0.7 of the whole, with unrest as the rest, slightly favouring the middle.
//! * Copy space: quietness, reduced near the subject; the best rectangle of an aspect by integral images over all places.

use crate::colour::{linear, oklab_of_linear, squared};
use crate::picture::luma;
use crate::{Picture, Rect};

/// Most fields along the longer side.
const SIDE: usize = 96;
/// Unrest at which quietness falls to 1/e.
const UNREST: f32 = 16.0;
/// OKLab distance from the border that counts as wholly salient.
const FAR_COLOUR: f64 = 0.25;
/// Saliency from which a field belongs to the subject.
const SUBJECT: f32 = 0.5;
/// Distance from a named point within which things belong to it, in shares of the picture's sides.
const REACH: f64 = 0.15;
/// Distance from the subject, in shares of the shorter side, from which it no longer disturbs words.
const CLEAR: f32 = 0.12;

/// Values on the grid, 0..=1, `[height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Fields across.
    pub width: usize,
    /// Fields down.
    pub height: usize,
    /// Rows from the top.
    pub values: Vec<f32>,
}

/// Where the subject is, in shares of the picture's width and height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Focus {
    /// Centre of the subject from the left, 0..=1.
    pub x: f64,
    /// Centre of the subject from the top, 0..=1.
    pub y: f64,
    /// Left, top, right and bottom edge of the subject, 0..=1.
    pub bounds: [f64; 4],
}

/// A place for words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CopySpace {
    /// Where, in pixels.
    pub rect: Rect,
    /// Mean quietness there, 0..=1; above about 0.6 words read well without help.
    pub quiet: f64,
}

/// What was seen of a picture: computed once, asked often.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    pub(crate) size: (u32, u32),
    saliency: Map,
    quiet: Map,
    focus: Focus,
}

impl Look {
    /// Looks at a picture.
    pub fn of(picture: &Picture) -> Self {
        let (width, height, fields) = picture.fields(SIDE);
        let unrest = unrest(picture, width, height);
        let calm: Vec<f32> = unrest.iter().map(|u| (-u / UNREST).exp()).collect();
        let visible = fields.iter().map(|field| f64::from(field[3]) / 255.0).sum::<f64>() / fields.len() as f64;
        let saliency = if (0.005..0.97).contains(&visible) {
            fields.iter().map(|field| field[3] / 255.0).collect()
        } else {
            salient_colours(&fields, &calm, width, height)
        };
        let focus = focus(&saliency, width, height);
        let near = nearness(&saliency, width, height);
        let quiet = calm.iter().zip(&near).map(|(calm, near)| calm * (1.0 - 0.8 * near)).collect();
        let map = |values| Map { width, height, values };
        Self { size: (picture.width(), picture.height()), saliency: map(saliency), quiet: map(quiet), focus }
    }

    /// Pixels of the picture, across and down.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// The same with the subject where somebody says it is: `x` and `y` in shares of the picture, 0..=1. Crops keep what is
    /// around that point.
    pub fn with_focus(mut self, x: f64, y: f64) -> Self {
        let (x, y) = (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
        let edge = |at: f64, by: f64| (at + by).clamp(0.0, 1.0);
        let bounds = [edge(x, -REACH), edge(y, -REACH), edge(x, REACH), edge(y, REACH)];
        self.focus = Focus { x, y, bounds };
        let (width, height) = (self.saliency.width, self.saliency.height);
        for (at, value) in self.saliency.values.iter_mut().enumerate() {
            let off = |at: usize, of: usize, focus: f64| ((at as f64 + 0.5) / of as f64 - focus) / REACH;
            let (dx, dy) = (off(at % width, width, x), off(at / width, height, y));
            *value = (-(dx * dx + dy * dy) / 2.0).exp() as f32;
        }
        self
    }

    /// How much each field draws the eye.
    pub fn saliency(&self) -> &Map {
        &self.saliency
    }

    /// How well words would stand on each field.
    pub fn quiet(&self) -> &Map {
        &self.quiet
    }

    /// The subject; the middle when nothing stands out.
    pub fn focus(&self) -> Focus {
        self.focus
    }

    /// The best rectangle of an aspect (width by height, in pixels) that covers at least `least` of the picture's area (0..=1);
    /// none when no rectangle of that aspect is so large. Large, quiet places away from the subject win: the score is
    /// quietness³ × √area × (1 − share of the subject inside)⁴, and the upper left one of two equal places.
    pub fn copy_space(&self, aspect: f64, least: f64) -> Option<CopySpace> {
        if !(aspect > 0.0 && aspect.is_finite()) {
            return None;
        }
        let (width, height) = (self.quiet.width, self.quiet.height);
        let fields = (width * height) as f64;
        // A field is this much wider than high, in pixels.
        let field = f64::from(self.size.0) / width as f64 / (f64::from(self.size.1) / height as f64);
        let quiet = Sums::of(&self.quiet);
        let subject = Sums::of(&self.saliency);
        let mass = subject.within(0, 0, width, height).max(1e-9);
        let mut best: Option<(f64, [usize; 4])> = None;
        for down in (1..=height).rev() {
            let across = ((down as f64 * aspect / field).round() as usize).max(1);
            let share = (across * down) as f64 / fields;
            if across > width || share < least {
                continue;
            }
            for y in 0..=height - down {
                for x in 0..=width - across {
                    let calm = quiet.within(x, y, across, down) / (across * down) as f64;
                    let clear = 1.0 - subject.within(x, y, across, down) / mass;
                    let score = calm.powi(3) * share.sqrt() * clear.max(0.0).powi(4);
                    if best.is_none_or(|(least, _)| score > least) {
                        best = Some((score, [x, y, across, down]));
                    }
                }
            }
        }
        let (_, [x, y, across, down]) = best?;
        let scaled = |at: usize, fields: usize, pixels: u32| (at as u64 * u64::from(pixels) / fields as u64) as u32;
        let (left, right) = (scaled(x, width, self.size.0), scaled(x + across, width, self.size.0));
        let (top, bottom) = (scaled(y, height, self.size.1), scaled(y + down, height, self.size.1));
        let rect = Rect { x: left, y: top, width: (right - left).max(1), height: (bottom - top).max(1) };
        Some(CopySpace { rect, quiet: quiet.within(x, y, across, down) / (across * down) as f64 })
    }

    /// Mean of a map inside a part of the picture, whose edges are shares: left, top, right, bottom.
    pub(crate) fn mean(map: &Map, [left, top, right, bottom]: [f64; 4]) -> f64 {
        let (sum, count) = Self::sum(map, [left, top, right, bottom]);
        sum / count.max(1) as f64
    }

    /// Sum and count of the fields whose centres lie inside a part of the picture.
    pub(crate) fn sum(map: &Map, [left, top, right, bottom]: [f64; 4]) -> (f64, usize) {
        let inside = |at: usize, of: usize, from: f64, to: f64| {
            let centre = (at as f64 + 0.5) / of as f64;
            centre >= from && centre < to
        };
        let (mut sum, mut count) = (0.0, 0);
        for y in (0..map.height).filter(|&y| inside(y, map.height, top, bottom)) {
            for x in (0..map.width).filter(|&x| inside(x, map.width, left, right)) {
                sum += f64::from(map.values[y * map.width + x]);
                count += 1;
            }
        }
        (sum, count)
    }
}

/// Standard deviation of luma in each field, plus the mean step of the fields' means to their neighbours.
fn unrest(picture: &Picture, across: usize, down: usize) -> Vec<f32> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut sums = vec![[0.0_f64; 3]; across * down];
    for y in 0..height {
        let row = y * down / height * across;
        for x in 0..width {
            let v = f64::from(luma(picture.rgba()[y * width + x]));
            for (sum, value) in sums[row + x * across / width].iter_mut().zip([1.0, v, v * v]) {
                *sum += value;
            }
        }
    }
    let mean = |at: usize| sums[at][1] / sums[at][0];
    (0..across * down)
        .map(|at| {
            let (x, y) = (at % across, at / across);
            let variance = (sums[at][2] / sums[at][0] - mean(at).powi(2)).max(0.0);
            let mut step = (0.0, 0);
            let mut add = |inside: bool, other: usize| {
                if inside {
                    step = (step.0 + (mean(other) - mean(at)).abs(), step.1 + 1);
                }
            };
            add(x > 0, at.wrapping_sub(1));
            add(x + 1 < across, at + 1);
            add(y > 0, at.wrapping_sub(across));
            add(y + 1 < down, at + across);
            (variance.sqrt() + step.0 / step.1.max(1) as f64) as f32
        })
        .collect()
}

/// Saliency of an opaque picture from the distance to the colours of its border.
fn salient_colours(fields: &[[f32; 4]], calm: &[f32], width: usize, height: usize) -> Vec<f32> {
    let colours: Vec<[f64; 3]> = fields
        .iter()
        .map(|&[r, g, b, a]| {
            oklab_of_linear([r, g, b].map(|v| linear((v + 255.0 - a).round().clamp(0.0, 255.0) as u8)))
        })
        .collect();
    let ring = (width.min(height) / 24).max(1);
    let mut means = [([0.0_f64; 3], 0_usize); 12];
    let mut add = |segment: usize, colour: [f64; 3]| {
        for (sum, value) in means[segment].0.iter_mut().zip(colour) {
            *sum += value;
        }
        means[segment].1 += 1;
    };
    for y in 0..height {
        for x in 0..width {
            let colour = colours[y * width + x];
            let (column, row) = (x * 3 / width, y * 3 / height);
            if y < ring {
                add(column, colour);
            }
            if x < ring {
                add(3 + row, colour);
            }
            if x + ring >= width {
                add(6 + row, colour);
            }
            if y + ring >= height && column != 1 {
                add(9 + column, colour);
            }
        }
    }
    let border: Vec<[f64; 3]> =
        means.iter().filter(|(_, count)| *count > 0).map(|(sum, count)| sum.map(|v| v / *count as f64)).collect();
    let raw: Vec<f32> = colours
        .iter()
        .enumerate()
        .map(|(at, colour)| {
            let far = border.iter().map(|mean| squared(*colour, *mean)).fold(f64::INFINITY, f64::min).sqrt();
            let from_middle = |at: usize, of: usize| (at as f64 + 0.5) / of as f64 - 0.5;
            let (dx, dy) = (from_middle(at % width, width), from_middle(at / width, height));
            let middle = 0.6 + 0.4 * (-(dx * dx + dy * dy) / (2.0 * 0.3 * 0.3)).exp();
            ((0.7 * (far / FAR_COLOUR).min(1.0) + 0.3 * f64::from(1.0 - calm[at])) * middle) as f32
        })
        .collect();
    let smooth = blurred(&raw, width, height);
    let peak = smooth.iter().copied().fold(0.0, f32::max);
    // Below this nothing stands out, and scaling it up would invent a subject.
    if peak < 0.05 { vec![0.0; smooth.len()] } else { smooth.iter().map(|v| v / peak).collect() }
}

/// Mean of each field and its neighbours.
fn blurred(values: &[f32], width: usize, height: usize) -> Vec<f32> {
    (0..width * height)
        .map(|at| {
            let (x, y) = (at % width, at / width);
            let (mut sum, mut count) = (0.0, 0.0);
            for row in y.saturating_sub(1)..(y + 2).min(height) {
                for column in x.saturating_sub(1)..(x + 2).min(width) {
                    sum += values[row * width + column];
                    count += 1.0;
                }
            }
            sum / count
        })
        .collect()
}

fn focus(saliency: &[f32], width: usize, height: usize) -> Focus {
    let mut columns = vec![0.0_f64; width];
    let mut rows = vec![0.0_f64; height];
    for (at, &value) in saliency.iter().enumerate().filter(|(_, value)| **value >= SUBJECT) {
        columns[at % width] += f64::from(value);
        rows[at / width] += f64::from(value);
    }
    let total: f64 = columns.iter().sum();
    if total <= 0.0 {
        return Focus { x: 0.5, y: 0.5, bounds: [0.4, 0.4, 0.6, 0.6] };
    }
    let centre = |sums: &[f64]| {
        sums.iter().enumerate().map(|(i, v)| (i as f64 + 0.5) * v).sum::<f64>() / total / sums.len() as f64
    };
    // What lies between the 3rd and the 97th percentile: lone fields far away are not the subject.
    let range = |sums: &[f64]| {
        let mut seen = 0.0;
        let edge = |sum: &f64| {
            seen += sum;
            seen >= 0.03 * total
        };
        let first = sums.iter().position(edge).unwrap_or(0);
        let mut seen = 0.0;
        let edge = |sum: &f64| {
            seen += sum;
            seen >= 0.03 * total
        };
        let last = sums.iter().rposition(edge).unwrap_or(sums.len() - 1);
        (first as f64 / sums.len() as f64, (last + 1) as f64 / sums.len() as f64)
    };
    let ((left, right), (top, bottom)) = (range(&columns), range(&rows));
    Focus { x: centre(&columns), y: centre(&rows), bounds: [left, top, right, bottom] }
}

/// 1 on the subject, falling to 0 at [`CLEAR`] from it (chamfer distances, 3–4).
fn nearness(saliency: &[f32], width: usize, height: usize) -> Vec<f32> {
    let far = 1e9_f32;
    let mut distance: Vec<f32> = saliency.iter().map(|v| if *v >= SUBJECT { 0.0 } else { far }).collect();
    let mut relax = |at: usize, steps: &[(isize, isize, f32)]| {
        let (x, y) = ((at % width) as isize, (at / width) as isize);
        for &(dx, dy, length) in steps {
            let (x, y) = (x + dx, y + dy);
            if x >= 0 && y >= 0 && x < width as isize && y < height as isize {
                distance[at] = distance[at].min(distance[y as usize * width + x as usize] + length);
            }
        }
    };
    let diagonal = 4.0 / 3.0;
    for at in 0..width * height {
        relax(at, &[(-1, 0, 1.0), (0, -1, 1.0), (-1, -1, diagonal), (1, -1, diagonal)]);
    }
    for at in (0..width * height).rev() {
        relax(at, &[(1, 0, 1.0), (0, 1, 1.0), (1, 1, diagonal), (-1, 1, diagonal)]);
    }
    let clear = (CLEAR * width.min(height) as f32).max(1.0);
    distance.iter().map(|d| (1.0 - d / clear).max(0.0)).collect()
}

/// Integral image.
struct Sums {
    width: usize,
    sums: Vec<f64>,
}

impl Sums {
    fn of(map: &Map) -> Self {
        let width = map.width + 1;
        let mut sums = vec![0.0; width * (map.height + 1)];
        for y in 0..map.height {
            for x in 0..map.width {
                sums[(y + 1) * width + x + 1] =
                    f64::from(map.values[y * map.width + x]) + sums[y * width + x + 1] + sums[(y + 1) * width + x]
                        - sums[y * width + x];
            }
        }
        Self { width, sums }
    }

    fn within(&self, x: usize, y: usize, across: usize, down: usize) -> f64 {
        let at = |x: usize, y: usize| self.sums[y * self.width + x];
        at(x + across, y + down) - at(x, y + down) - at(x + across, y) + at(x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scene(width: u32, height: u32, at: (f64, f64), radius: f64, alpha: bool) -> Picture {
        let pixels = (0..width * height)
            .flat_map(|i| {
                let (x, y) = (f64::from(i % width), f64::from(i / width));
                let inside =
                    (x / f64::from(width) - at.0).hypot((y - at.1 * f64::from(height)) / f64::from(width)) < radius;
                match inside {
                    true => [190, if (i % width / 4 + i / width / 4).is_multiple_of(2) { 60 } else { 110 }, 40, 255],
                    false if alpha => [0; 4],
                    false => [180, 200, (200 + i / width / 8).min(255) as u8, 255],
                }
            })
            .collect();
        Picture::new(width, height, pixels).unwrap()
    }

    #[test]
    fn the_subject_is_found_with_and_without_alpha() {
        for alpha in [false, true] {
            for at in [(0.25, 0.4), (0.5, 0.5), (0.75, 0.6)] {
                let focus = Look::of(&scene(240, 180, at, 0.12, alpha)).focus();
                assert!((focus.x - at.0).abs() < 0.03 && (focus.y - at.1).abs() < 0.03, "{alpha} {at:?} {focus:?}");
                assert!((focus.bounds[2] - focus.bounds[0] - 0.24).abs() < 0.06, "{focus:?}");
            }
        }
    }

    #[test]
    fn words_go_beside_the_subject() {
        let look = Look::of(&scene(240, 180, (0.75, 0.5), 0.15, false));
        let space = look.copy_space(0.8, 0.1).unwrap();
        assert!(space.rect.x + space.rect.width <= 160 && space.quiet > 0.8, "{space:?}");
        assert!(space.rect.width * space.rect.height > 240 * 180 / 4, "{space:?}");
        assert!((space.rect.aspect() - 0.8).abs() < 0.05, "{space:?}");
        assert_eq!(look.copy_space(50.0, 0.5), None);
        assert_eq!(look.copy_space(f64::NAN, 0.1), None);
    }

    #[test]
    fn nothing_stands_out_of_a_flat_picture() {
        let look = Look::of(&Picture::filled(50, 40, [90, 90, 90, 255]).unwrap());
        assert_eq!((look.focus().x, look.focus().y), (0.5, 0.5));
        assert!(look.copy_space(1.25, 0.9).unwrap().quiet > 0.99);
    }

    proptest! {
        #[test]
        fn answers_stay_inside(width in 1_u32..80, height in 1_u32..80, seed in any::<u32>(), aspect in 0.1_f64..10.0) {
            let pixels = (0..width * height * 4).map(|i| (i.wrapping_mul(seed | 1) >> 13) as u8).collect();
            let look = Look::of(&Picture::new(width, height, pixels).unwrap());
            let focus = look.focus();
            prop_assert!((0.0..=1.0).contains(&focus.x) && (0.0..=1.0).contains(&focus.y));
            for map in [look.saliency(), look.quiet()] {
                prop_assert!(map.values.iter().all(|v| (0.0..=1.0).contains(v)));
            }
            if let Some(space) = look.copy_space(aspect, 0.0) {
                prop_assert!(space.rect.x + space.rect.width <= width && space.rect.y + space.rect.height <= height);
            }
        }
    }
}
