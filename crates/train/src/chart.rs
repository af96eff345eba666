//! The loss curve as a picture.

use formats::canvas::{Canvas, GRID, INK, WHITE};

/// One point of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Training pictures seen.
    pub pictures: u64,
    /// Mean loss since the point before.
    pub loss: f32,
}

const RAW: [u8; 3] = [176, 200, 232];
const SMOOTH: [u8; 3] = [24, 92, 180];
const LEFT: i64 = 64;
const TOP: i64 = 36;
const WIDTH: i64 = 780;
const HEIGHT: i64 = 340;

/// Draws loss (logarithmic) over pictures seen; the dark line is a running mean.
pub fn draw(title: &str, points: &[Point]) -> Canvas {
    let mut canvas = Canvas::new(880, 430, WHITE);
    canvas.text(LEFT, 12, 1, INK, title);
    let finite: Vec<Point> = points.iter().copied().filter(|p| p.loss.is_finite() && p.loss > 0.0).collect();
    let Some(last) = finite.last() else {
        canvas.text(LEFT, TOP, 1, INK, "no steps yet");
        return canvas;
    };
    let logs = || finite.iter().map(|p| f64::from(p.loss).log10());
    let (low, high) = logs().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)));
    let (low, high) = (low - 0.05, high + 0.05);
    let end = last.pictures.max(1) as f64;
    let x = |pictures: f64| LEFT as f64 + pictures / end * WIDTH as f64;
    let y = |log: f64| TOP as f64 + (high - log) / (high - low) * HEIGHT as f64;
    for i in 0..=4 {
        let log = low + (high - low) * f64::from(i) / 4.0;
        let row = y(log);
        canvas.line((LEFT as f64, row), ((LEFT + WIDTH) as f64, row), GRID);
        canvas.text(4, row as i64 - 4, 1, INK, &format!("{:.3}", 10f64.powf(log)));
        let pictures = end * f64::from(i) / 4.0;
        canvas.line((x(pictures), TOP as f64), (x(pictures), (TOP + HEIGHT) as f64), GRID);
        canvas.text(x(pictures) as i64 - 24, TOP + HEIGHT + 8, 1, INK, &count(pictures));
    }
    canvas.text(LEFT + WIDTH / 2 - 100, TOP + HEIGHT + 28, 1, INK, "training pictures seen");
    let line = |canvas: &mut Canvas, logs: &[f64], colour| {
        for (pair, values) in finite.windows(2).zip(logs.windows(2)) {
            let from = (x(pair[0].pictures as f64), y(values[0]));
            canvas.line(from, (x(pair[1].pictures as f64), y(values[1])), colour);
        }
    };
    let raw: Vec<f64> = logs().collect();
    line(&mut canvas, &raw, RAW);
    let window = (raw.len() / 40).max(1);
    let smooth: Vec<f64> = (0..raw.len())
        .map(|i| {
            let part = &raw[i.saturating_sub(window)..(i + window + 1).min(raw.len())];
            part.iter().sum::<f64>() / part.len() as f64
        })
        .collect();
    line(&mut canvas, &smooth, SMOOTH);
    canvas
}

/// A count with a unit: 1.2 M, 35 k.
fn count(n: f64) -> String {
    match n {
        n if n >= 1e6 => format!("{:.2} M", n / 1e6),
        n if n >= 1e3 => format!("{:.0} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_for_none_one_and_many_points() {
        let points: Vec<Point> = (1..500).map(|i| Point { pictures: i * 128, loss: 1.0 / i as f32 }).collect();
        for part in [&points[..0], &points[..1], &points[..]] {
            let canvas = draw("loss", part);
            let drawn = canvas.pixels.chunks(4).filter(|p| p[..3] == SMOOTH).count();
            assert_eq!(drawn > 500, part.len() > 1, "{drawn}");
        }
        assert!(draw("x", &[Point { pictures: 1, loss: f32::NAN }]).width > 0);
        assert_eq!((count(1_234_567.0), count(35_200.0), count(7.0)), ("1.23 M".into(), "35 k".into(), "7".into()));
    }
}
