//! Tiles of a picture: they overlap, and where they do one fades into the other along a straight line.

/// Part of a length that a tile covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) len: usize,
}

/// Spans of `tile` that cover `length`, each at least a quarter of a tile over the one before; the last ends with the length.
pub(super) fn spans(length: usize, tile: usize) -> Vec<Span> {
    let tile = tile.clamp(1, length.max(1));
    let step = (tile - tile / 4).max(1);
    let count = 1 + (length - tile).div_ceil(step);
    (0..count).map(|i| Span { start: (i * step).min(length - tile), len: tile }).collect()
}

/// A picture `[H, W, C]` that is put together from tiles.
pub(super) struct Mosaic {
    width: usize,
    height: usize,
    channels: usize,
    sums: Vec<f32>,
    weights: Vec<f32>,
}

impl Mosaic {
    pub(super) fn new(height: usize, width: usize, channels: usize) -> Self {
        let cells = height * width;
        Self { width, height, channels, sums: vec![0.0; cells * channels], weights: vec![0.0; cells] }
    }

    /// Adds a tile `[rows.len, columns.len, C]`.
    pub(super) fn add(&mut self, rows: Span, columns: Span, tile: &[f32]) {
        let (across, down) = (fade(columns, self.width), fade(rows, self.height));
        for (y, row) in tile.chunks_exact(columns.len * self.channels).enumerate() {
            let at = (rows.start + y) * self.width + columns.start;
            for (x, values) in row.chunks_exact(self.channels).enumerate() {
                let weight = down[y] * across[x];
                self.weights[at + x] += weight;
                let sums = &mut self.sums[(at + x) * self.channels..][..self.channels];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
            }
        }
    }

    /// The picture.
    pub(super) fn finish(mut self) -> Vec<f32> {
        for (values, weight) in self.sums.chunks_exact_mut(self.channels).zip(&self.weights) {
            values.iter_mut().for_each(|value| *value /= weight);
        }
        self.sums
    }
}

/// Weights of a span's cells: they rise over a quarter of the tile from an edge inside the picture, never to zero.
fn fade(span: Span, length: usize) -> Vec<f32> {
    let ramp = (span.len / 4).max(1);
    let weight =
        |from_edge: usize, inside: bool| if inside { ((from_edge + 1) as f32 / ramp as f32).min(1.0) } else { 1.0 };
    (0..span.len)
        .map(|i| weight(i, span.start > 0).min(weight(span.len - 1 - i, span.start + span.len < length)))
        .collect()
}

/// The tile of x `[H, W, C]`.
pub(super) fn cut(x: &[f32], width: usize, channels: usize, rows: Span, columns: Span) -> Vec<f32> {
    let row = |y: usize| &x[(y * width + columns.start) * channels..][..columns.len * channels];
    (rows.start..rows.start + rows.len).flat_map(row).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_and_overlap() {
        for (length, tile) in [(64, 64), (65, 64), (128, 64), (200, 64), (7, 16), (1, 1), (96, 16)] {
            let spans = spans(length, tile);
            assert_eq!((spans[0].start, spans.last().map(|s| s.start + s.len)), (0, Some(length)));
            for pair in spans.windows(2) {
                assert!(pair[0].start < pair[1].start && pair[0].start + pair[0].len >= pair[1].start + tile / 4);
            }
        }
    }

    #[test]
    fn tiles_of_one_picture_give_it_back() {
        let (height, width, channels) = (20, 33, 2);
        let picture: Vec<f32> = (0..height * width * channels).map(|i| (i as f32 * 0.37).sin()).collect();
        let mut mosaic = Mosaic::new(height, width, channels);
        for rows in spans(height, 12) {
            for columns in spans(width, 16) {
                mosaic.add(rows, columns, &cut(&picture, width, channels, rows, columns));
            }
        }
        for (got, want) in mosaic.finish().iter().zip(&picture) {
            assert!((got - want).abs() <= 1e-6);
        }
    }
}
