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
use train::evaluate::Ridge;

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

/// Rows of the pooled vectors, scaled to unit variance, and of the mean token states.
fn features(encoder: &TextEncoder, side: &[(String, String)]) -> Result<[Vec<Vec<f32>>; 2], text::TextError> {
    const TOKENS: usize = 24;
    let width = encoder.width();
    let scale = (width as f32).sqrt();
    let (mut pooled, mut mean) = (Vec::new(), Vec::new());
    for chunk in side.chunks(32) {
        let texts: Vec<&str> = chunk.iter().map(|(_, caption)| caption.as_str()).collect();
        let states = encoder.encode(&texts, TOKENS)?;
        let tokens = states.states.len() / width / texts.len();
        for (i, &length) in states.lengths.iter().enumerate() {
            pooled.push(states.pooled[i * width..][..width].iter().map(|x| x * scale).collect());
            let rows = &states.states[i * tokens * width..][..length as usize * width];
            let mut sum = vec![0.0; width];
            for row in rows.chunks_exact(width) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x / length);
            }
            mean.push(sum);
        }
    }
    Ok([pooled, mean])
}

/// Share of the test rows whose class is found.
fn accuracy(fit: &[Vec<f32>], fit_y: &[usize], test: &[Vec<f32>], test_y: &[usize], classes: usize) -> f64 {
    let map = Ridge::fit(fit, fit_y, classes, RIDGE);
    test.iter().zip(test_y).filter(|(x, y)| map.class(x) == **y).count() as f64 / test.len().max(1) as f64
}
