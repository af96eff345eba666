//! Can a linear map read style, colour, count and object from what the text encoder gives? `probe DATASET`
//!
//! Ridge regression to one-hot labels on (a) the pooled vector and (b) the mean of the token states. The captions it is
//! tested on are of concepts that it was not fitted on; for objects, of the same concepts in styles it was not fitted on.
//! Only captions that say the label are used.

use std::collections::BTreeMap;
use std::path::Path;

use data::{Dataset, Record, Split};
use engine::Options;
use text::TextEncoder;

/// Captions of each side.
const MOST: usize = 6000;
const RIDGE: f64 = 1e-3;

/// A caption's label, if it says one.
type Label = fn(&Record, &str) -> Option<String>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: probe DATASET")?;
    let (cpu, precision) = Options::default().resolve()?;
    let encoder = engine::open_text_encoder(&cpu, precision)?.0;
    let labels: [(&str, Split, Label); 4] = [
        ("style", Split::HeldOutConcepts, |record, caption| said(caption, &record.style)),
        ("colour", Split::HeldOutConcepts, |record, caption| said(caption, record.colour.as_deref()?)),
        ("count", Split::HeldOutConcepts, |record, caption| {
            let words = ["one", "two", "three", "four", "five", "six"];
            let word = words[record.count.filter(|n| (2..=6).contains(n))? as usize - 1];
            said(caption, word)
        }),
        ("object", Split::HeldOutStyles, |record, caption| said(caption, &record.concept)),
    ];
    println!(
        "{:<8}{:>9}{:>9}{:>9}{:>10}{:>10}{:>10}",
        "label", "classes", "fitted", "tested", "chance", "pooled", "tokens"
    );
    for (name, tested, label) in labels {
        let mut fit = captions(Path::new(&folder), Split::Train, label)?;
        let mut test = captions(Path::new(&folder), tested, label)?;
        // Classes that both sides have, and that were fitted on at least a few captions.
        let counts = |side: &[(String, String)]| {
            side.iter().fold(BTreeMap::new(), |mut counts, (label, _)| {
                *counts.entry(label.clone()).or_insert(0usize) += 1;
                counts
            })
        };
        let (fitted, asked) = (counts(&fit), counts(&test));
        let classes: Vec<String> =
            fitted.iter().filter(|(l, n)| **n >= 4 && asked.contains_key(*l)).map(|(l, _)| l.clone()).collect();
        for side in [&mut fit, &mut test] {
            side.retain(|(label, _)| classes.contains(label));
            let step = side.len().div_ceil(MOST).max(1);
            *side = std::mem::take(side).into_iter().step_by(step).collect();
        }
        let index = |side: &[(String, String)]| -> Vec<usize> {
            side.iter().map(|(label, _)| classes.binary_search(label).expect("kept")).collect()
        };
        let (fit_y, test_y) = (index(&fit), index(&test));
        let chance = (0..classes.len()).map(|c| test_y.iter().filter(|y| **y == c).count()).max().unwrap_or(0);
        let (fit_x, test_x) = (features(&encoder, &fit)?, features(&encoder, &test)?);
        let accuracy = |which: usize| accuracy(&fit_x[which], &fit_y, &test_x[which], &test_y, classes.len());
        println!(
            "{name:<8}{:>9}{:>9}{:>9}{:>9.1}%{:>9.1}%{:>9.1}%",
            classes.len(),
            fit.len(),
            test.len(),
            100.0 * chance as f64 / test.len().max(1) as f64,
            100.0 * accuracy(0),
            100.0 * accuracy(1)
        );
    }
    Ok(())
}

/// The label, if the caption says it.
fn said(caption: &str, label: &str) -> Option<String> {
    (!label.is_empty() && format!(" {caption} ").replace(',', " ").contains(&format!(" {label} ")))
        .then(|| label.to_owned())
}

/// Label and caption of every record of a split that says its label.
fn captions(folder: &Path, split: Split, label: Label) -> Result<Vec<(String, String)>, train::TrainError> {
    let dataset = Dataset::open(folder, 16, split)?;
    let mut pairs = Vec::new();
    for record in dataset.records() {
        for caption in &record.captions {
            if let Some(label) = label(record, caption) {
                pairs.push((label, caption.clone()));
            }
        }
    }
    Ok(pairs)
}

/// Rows of the pooled vectors and of the mean token states, each with a constant 1.
fn features(encoder: &TextEncoder, side: &[(String, String)]) -> Result<[Vec<Vec<f64>>; 2], text::TextError> {
    const TOKENS: usize = 24;
    let width = encoder.width();
    let (mut pooled, mut mean) = (Vec::new(), Vec::new());
    for chunk in side.chunks(32) {
        let texts: Vec<&str> = chunk.iter().map(|(_, caption)| caption.as_str()).collect();
        let states = encoder.encode(&texts, TOKENS)?;
        let tokens = states.states.len() / width / texts.len();
        for (i, &length) in states.lengths.iter().enumerate() {
            let scale = (width as f64).sqrt();
            pooled
                .push(states.pooled[i * width..][..width].iter().map(|&x| f64::from(x) * scale).chain([1.0]).collect());
            let rows = &states.states[i * tokens * width..][..length as usize * width];
            let mut sum = vec![0.0; width];
            for row in rows.chunks_exact(width) {
                sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x) / f64::from(length));
            }
            sum.push(1.0);
            mean.push(sum);
        }
    }
    Ok([pooled, mean])
}

/// Share of the test rows whose largest regression output is their class.
fn accuracy(fit: &[Vec<f64>], fit_y: &[usize], test: &[Vec<f64>], test_y: &[usize], classes: usize) -> f64 {
    let Some(n) = fit.first().map(Vec::len) else { return 0.0 };
    let mut gram = vec![vec![0.0; n]; n];
    let mut right = vec![vec![0.0; classes]; n];
    for (x, &y) in fit.iter().zip(fit_y) {
        for i in 0..n {
            right[i][y] += x[i];
            for j in 0..=i {
                gram[i][j] += x[i] * x[j];
            }
        }
    }
    for (i, row) in gram.iter_mut().enumerate() {
        row[i] += RIDGE * fit.len() as f64;
    }
    cholesky_solve(&mut gram, &mut right);
    let hit = |x: &[f64], y: usize| {
        let score = |c: usize| x.iter().zip(&right).map(|(x, w)| x * w[c]).sum::<f64>();
        (0..classes).map(|c| (score(c), c)).max_by(|a, b| a.0.total_cmp(&b.0)).is_some_and(|(_, c)| c == y)
    };
    test.iter().zip(test_y).filter(|(x, y)| hit(x, **y)).count() as f64 / test.len().max(1) as f64
}

/// Solves `a · x = b` for symmetric positive `a` (its lower half); `b` becomes `x`.
fn cholesky_solve(a: &mut [Vec<f64>], b: &mut [Vec<f64>]) {
    let n = a.len();
    for i in 0..n {
        for j in 0..=i {
            let sum = a[i][j] - (0..j).map(|k| a[i][k] * a[j][k]).sum::<f64>();
            a[i][j] = if i == j { sum.sqrt() } else { sum / a[j][j] };
        }
    }
    for c in 0..b[0].len() {
        for i in 0..n {
            b[i][c] = (b[i][c] - (0..i).map(|k| a[i][k] * b[k][c]).sum::<f64>()) / a[i][i];
        }
        for i in (0..n).rev() {
            b[i][c] = (b[i][c] - (i + 1..n).map(|k| a[k][i] * b[k][c]).sum::<f64>()) / a[i][i];
        }
    }
}
