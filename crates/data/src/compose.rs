//! Several pictures in one: copies, two things beside or above each other, patterns.

use crate::picture::Square;
use crate::split::Choices;

/// How two things stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// The first is left of the second.
    LeftOf,
    /// The first is above the second.
    Above,
}

/// Number words as captions use them.
pub(crate) fn number(n: usize) -> &'static str {
    ["no", "one", "two", "three", "four", "five", "six"][n.min(6)]
}

/// Centres, in shares of the square, and side of `n` copies; there are one or two arrangements of each number.
pub(crate) fn places(n: usize, choices: &mut Choices) -> (Vec<(f32, f32)>, f32) {
    let first = choices.below(2) == 0;
    match n {
        2 if first => (vec![(0.26, 0.5), (0.74, 0.5)], 0.47),
        2 => (vec![(0.29, 0.31), (0.71, 0.69)], 0.5),
        3 if first => (vec![(0.18, 0.5), (0.5, 0.5), (0.82, 0.5)], 0.33),
        3 => (vec![(0.5, 0.27), (0.26, 0.73), (0.74, 0.73)], 0.46),
        4 => (vec![(0.26, 0.26), (0.74, 0.26), (0.26, 0.74), (0.74, 0.74)], 0.46),
        5 => (vec![(0.2, 0.27), (0.5, 0.27), (0.8, 0.27), (0.35, 0.73), (0.65, 0.73)], 0.31),
        _ => (vec![(0.2, 0.28), (0.5, 0.28), (0.8, 0.28), (0.2, 0.72), (0.5, 0.72), (0.8, 0.72)], 0.31),
    }
}

/// Draws copies of `one` with their centres at `places`.
pub(crate) fn copies(one: &Square, places: &[(f32, f32)], size: usize) -> Square {
    let mut out = Square::new(size);
    for &(x, y) in places {
        let half = one.size as f32 / 2.0;
        out.draw(one, (x * size as f32 - half).round() as isize, (y * size as f32 - half).round() as isize);
    }
    out
}

/// Draws `a` left of or above `b`.
pub(crate) fn pair(a: &Square, b: &Square, relation: Relation, size: usize) -> Square {
    let mut out = Square::new(size);
    let near = (size / 4) as isize - (a.size / 2) as isize;
    let far = (3 * size / 4) as isize - (b.size / 2) as isize;
    let (middle_a, middle_b) = ((size as isize - a.size as isize) / 2, (size as isize - b.size as isize) / 2);
    match relation {
        Relation::LeftOf => {
            out.draw(a, near, middle_a);
            out.draw(b, far, middle_b);
        }
        Relation::Above => {
            out.draw(a, middle_a, near);
            out.draw(b, middle_b, far);
        }
    }
    out
}

/// A grid of `rows` × `rows` copies that fills the square; every second row may be shifted by half a step.
pub(crate) fn pattern(one: &Square, rows: usize, shifted: bool, size: usize) -> Square {
    let mut out = Square::new(size);
    let step = size as f32 / rows as f32;
    for row in 0..rows {
        let shift = if shifted && row % 2 == 1 { step / 2.0 } else { 0.0 };
        for column in -1..=rows as isize {
            let x = (column as f32 + 0.5) * step + shift - one.size as f32 / 2.0;
            let y = (row as f32 + 0.5) * step - one.size as f32 / 2.0;
            out.draw(one, x.round() as isize, y.round() as isize);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_lie_inside_and_apart() {
        for n in 2..=6 {
            for seed in ["a", "b", "c", "d"] {
                let (places, side) = places(n, &mut Choices::new(&[seed]));
                assert_eq!(places.len(), n);
                let half = side / 2.0;
                for (i, &(x, y)) in places.iter().enumerate() {
                    assert!(x - half >= -0.01 && x + half <= 1.01 && y - half >= -0.01 && y + half <= 1.01, "{n}");
                    for &(u, v) in &places[..i] {
                        assert!((x - u).abs().max((y - v).abs()) > side * 0.78, "{n}: copies overlap");
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_of_a_pair_is_left_or_above() {
        let dot = |v: u8| Square { size: 4, pixels: [v, 0, 0, 255].repeat(16) };
        let beside = pair(&dot(1), &dot(2), Relation::LeftOf, 16);
        assert_eq!((beside.pixel(4, 8)[0], beside.pixel(12, 8)[0]), (1, 2));
        let above = pair(&dot(1), &dot(2), Relation::Above, 16);
        assert_eq!((above.pixel(8, 4)[0], above.pixel(8, 12)[0]), (1, 2));
    }
}
