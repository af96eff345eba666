//! Looking at a dataset: a summary of what is in it and in what proportion it is drawn, and a sheet of
//! randomly drawn pictures with their captions.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use font8x8::legacy::BASIC_LEGACY;

use crate::dataset::Dataset;
use crate::error::DataError;
use crate::picture::Picture;
use crate::record::Record;
use crate::shard::{self, INDEX, Skipped};
use crate::split::{Split, mix};

/// Side of a picture on the sheet, the width of a cell and the height of its text, in pixels.
const SIDE: usize = 128;
const CELL: usize = 200;
const LINES: usize = 6;
const GAP: usize = 8;

/// Number of records and share of the training draws of everything with one name.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Part {
    /// Records in all splits.
    pub records: usize,
    /// Share of draws in training, in `0..=1`.
    pub mass: f64,
}

/// What a dataset holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Number of records.
    pub records: usize,
    /// Different concepts.
    pub concepts: usize,
    /// By split.
    pub splits: BTreeMap<String, Part>,
    /// By kind.
    pub kinds: BTreeMap<String, Part>,
    /// By style.
    pub styles: BTreeMap<String, Part>,
    /// By subject.
    pub groups: BTreeMap<String, Part>,
    /// By source.
    pub sources: BTreeMap<String, Part>,
    /// By licence.
    pub licences: BTreeMap<String, Part>,
    /// Files that could not be used.
    pub skipped: Vec<Skipped>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} records of {} concepts, {} files skipped",
            self.name,
            self.records,
            self.concepts,
            self.skipped.len()
        )?;
        for (title, parts) in [
            ("split", &self.splits),
            ("kind", &self.kinds),
            ("style", &self.styles),
            ("subject", &self.groups),
            ("source", &self.sources),
            ("licence", &self.licences),
        ] {
            writeln!(f, "\n{title:<28} {:>8} {:>8}", "records", "drawn")?;
            for (name, part) in parts {
                let name = if name.is_empty() { "(none)" } else { name };
                writeln!(f, "  {name:<26} {:>8} {:>7.1}%", part.records, 100.0 * part.mass)?;
            }
        }
        Ok(())
    }
}

/// Summarises a dataset or a folder of captioned pictures, from its records; pictures are not decoded.
pub fn inspect(dataset: &Path) -> Result<Summary, DataError> {
    let (name, records, skipped) = if dataset.join(INDEX).is_file() {
        let index = shard::read_index(dataset)?;
        let mut skipped = index.skipped;
        let mut records = Vec::with_capacity(index.records);
        for entry in &index.shards {
            records.extend(shard::read(dataset, entry, &mut skipped)?.into_iter().map(|(record, _)| record));
        }
        (index.name, records, skipped)
    } else {
        let (pairs, skipped) = crate::sources::folder::list(dataset)?;
        let name = dataset.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        (name, pairs.into_iter().map(|p| p.record).collect(), skipped)
    };
    let mass: f64 = records.iter().filter(|r| r.split == Split::Train).map(|r| f64::from(r.weight)).sum();
    let parts = |name: &dyn Fn(&Record) -> String| {
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        for record in &records {
            let part = parts.entry(name(record)).or_default();
            part.records += 1;
            if record.split == Split::Train && mass > 0.0 {
                part.mass += f64::from(record.weight) / mass;
            }
        }
        parts
    };
    let mut splits = parts(&|r| r.split.name().to_owned());
    let held = records.iter().filter(|r| !r.held_out_captions.is_empty()).count();
    if held > 0 {
        splits.insert(Split::HeldOutCaptions.name().to_owned(), Part { records: held, mass: 0.0 });
    }
    Ok(Summary {
        name,
        records: records.len(),
        concepts: parts(&|r| r.concept.clone()).len(),
        splits,
        kinds: parts(&|r| r.kind.name().to_owned()),
        styles: parts(&|r| r.style.clone()),
        groups: parts(&|r| r.group.clone()),
        sources: parts(&|r| r.source.clone()),
        licences: parts(&|r| r.licence.clone()),
        skipped,
    })
}

/// A sheet of `count` training pictures drawn as training draws them, each over a checkerboard with the
/// caption training would see.
pub fn sheet(dataset: &Path, seed: u64, count: usize) -> Result<Picture, DataError> {
    let data = Dataset::open(dataset, SIDE, Split::Train)?;
    let count = count.clamp(1, 400);
    let columns = count.min(8);
    let rows = count.div_ceil(columns);
    let cell_height = SIDE + LINES * 10 + GAP;
    let (width, height) = (columns * CELL + GAP, rows * cell_height + GAP);
    let mut picture = Picture { width, height, pixels: [255u8, 255, 255, 255].repeat(width * height) };
    for n in 0..count {
        let u = mix(seed ^ mix(n as u64));
        let i = data.sample(u);
        let (left, top) = (GAP + (n % columns) * CELL, GAP + (n / columns) * cell_height);
        paste(&mut picture, data.pixels(i), left, top);
        for (line, text) in wrap(&data.caption(i, mix(u)), (CELL - GAP) / 8).iter().take(LINES).enumerate() {
            write(&mut picture, text, left, top + SIDE + 3 + line * 10);
        }
    }
    Ok(picture)
}

/// Draws a premultiplied square of [`SIDE`] over a checkerboard.
fn paste(picture: &mut Picture, pixels: &[u8], left: usize, top: usize) {
    for y in 0..SIDE {
        for x in 0..SIDE {
            let from = &pixels[(y * SIDE + x) * 4..][..4];
            let board = if (x / 8 + y / 8) % 2 == 0 { 255u32 } else { 232 };
            let to = &mut picture.pixels[((top + y) * picture.width + left + x) * 4..][..3];
            for c in 0..3 {
                to[c] = (u32::from(from[c]) + board * (255 - u32::from(from[3])) / 255).min(255) as u8;
            }
        }
    }
}

fn write(picture: &mut Picture, text: &str, left: usize, top: usize) {
    for (n, c) in text.chars().enumerate() {
        let glyph = BASIC_LEGACY[if c.is_ascii() { c as usize } else { '?' as usize }];
        for (y, row) in glyph.iter().enumerate() {
            for x in (0..8).filter(|x| row & (1 << x) != 0) {
                let (px, py) = (left + n * 8 + x, top + y);
                if px < picture.width && py < picture.height {
                    picture.pixels[(py * picture.width + px) * 4..][..3].fill(0);
                }
            }
        }
    }
}

/// Breaks a text into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_words() {
        assert_eq!(wrap("a red apple on a table", 11), ["a red apple", "on a table"]);
    }
}
