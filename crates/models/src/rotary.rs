//! Two-dimensional rotary position tables (Su et al., arXiv 2104.09864; Heo et al., arXiv 2403.13298).
//!
//! The first half of a head's rotation pairs turns with the patch's row, the second half with its
//! column. Positions are centred and scaled by the longer side to span [-8, 8] at every resolution.
//! Frequencies fall geometrically from 1 to 1/100 radian per unit. Text tokens are not rotated
//! (position 0, the centre), which is how the network learns absolute positions.

/// Length of the range that the longer side of the picture spans.
const SPAN: f64 = 16.0;
/// Ratio of the fastest to the slowest frequency (exclusive).
const BASE: f64 = 100.0;

/// Cosines and sines, each `[rows·columns, head_size/2]`; `head_size` is a multiple of 4.
pub fn tables(rows: usize, columns: usize, head_size: usize) -> (Vec<f32>, Vec<f32>) {
    let quarter = head_size / 4;
    let unit = SPAN / rows.max(columns) as f64;
    let centred = |index: usize, count: usize| (index as f64 + 0.5 - 0.5 * count as f64) * unit;
    let mut cos = Vec::with_capacity(rows * columns * 2 * quarter);
    let mut sin = Vec::with_capacity(cos.capacity());
    for row in 0..rows {
        for column in 0..columns {
            for position in [centred(row, rows), centred(column, columns)] {
                for k in 0..quarter {
                    let angle = position * BASE.powf(-(k as f64) / quarter as f64);
                    cos.push(angle.cos() as f32);
                    sin.push(angle.sin() as f32);
                }
            }
        }
    }
    (cos, sin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_resolutions_span_the_same_range() {
        // 4x4 patches: centres at -6, -2, 2, 6; 8x8: -7, -5, .. 7.
        let (cos, sin) = tables(4, 4, 8);
        assert_eq!(cos.len(), 16 * 4);
        assert!((f64::from(sin[0]) - (-6.0_f64).sin()).abs() <= 1e-7);
        // Token 1 = row 0, column 1: the column's first frequency is entry 2 of its row.
        assert!((f64::from(sin[4 + 2]) - (-2.0_f64).sin()).abs() <= 1e-7);
        assert!((f64::from(sin[4 + 3]) - (-0.2_f64).sin()).abs() <= 1e-7);
        let (_, fine) = tables(8, 8, 8);
        assert!((f64::from(fine[0]) - (-7.0_f64).sin()).abs() <= 1e-7);
    }

    #[test]
    fn the_longer_side_sets_the_scale() {
        let (_, sin) = tables(1, 4, 4);
        assert_eq!(sin[0], 0.0);
        assert!((f64::from(sin[1]) - (-6.0_f64).sin()).abs() <= 1e-7);
    }
}
