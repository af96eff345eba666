//! Reading: a dataset, or a user's own folder of pictures with captions, decoded into memory once.

use std::fs;
use std::path::Path;

use rayon::prelude::*;

use crate::error::{DataError, io};
use crate::picture::Square;
use crate::record::{Kind, Record};
use crate::shard::{self, INDEX, Skipped};
use crate::sources::folder;
use crate::split::{Split, hash, mix};

/// Share of training captions that name the style only, and the object only.
const STYLE_ONLY: f64 = 0.05;
const OBJECT_ONLY: f64 = 0.05;

/// All pictures of one split in memory, at one resolution.
#[derive(Debug)]
pub struct Dataset {
    resolution: usize,
    split: Split,
    records: Vec<Record>,
    /// Whether a record may be mirrored.
    two_sided: Vec<bool>,
    /// `[records, resolution, resolution, 4]` u8, premultiplied.
    pixels: Vec<u8>,
    /// Running sums of the weights.
    cumulative: Vec<f64>,
    skipped: Vec<Skipped>,
}

impl Dataset {
    /// Opens a built dataset, or a folder of pictures with a `.txt` of the same name beside each (one caption
    /// a line; all of it is [`Split::Train`]), and decodes every picture of `split` at `resolution` pixels.
    pub fn open(dir: &Path, resolution: usize, split: Split) -> Result<Self, DataError> {
        if !(8..=1024).contains(&resolution) {
            return Err(DataError::Resolution(resolution));
        }
        let parts = if dir.join(INDEX).is_file() {
            open_shards(dir, resolution, split)?
        } else {
            open_folder(dir, resolution, split)?
        };
        let mut dataset = Dataset {
            resolution,
            split,
            records: Vec::new(),
            two_sided: Vec::new(),
            pixels: Vec::with_capacity(parts.iter().map(|p| p.pixels.len()).sum()),
            cumulative: Vec::new(),
            skipped: Vec::new(),
        };
        for part in parts {
            dataset.records.extend(part.records);
            dataset.pixels.extend(part.pixels);
            dataset.skipped.extend(part.skipped);
        }
        dataset.two_sided = dataset.records.par_iter().map(Record::is_two_sided).collect();
        let mut sum = 0.0;
        for record in &dataset.records {
            sum += f64::from(record.weight);
            dataset.cumulative.push(sum);
        }
        if sum <= 0.0 {
            return Err(DataError::Empty { path: dir.to_owned(), split });
        }
        Ok(dataset)
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record; never true of a dataset that opened.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Side of the pictures in pixels.
    pub fn resolution(&self) -> usize {
        self.resolution
    }

    /// Record `i`; `i` must be below [`Dataset::len`].
    pub fn record(&self, i: usize) -> &Record {
        &self.records[i]
    }

    /// All records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Picture `i`: `[resolution, resolution, 4]` u8, RGBA premultiplied.
    pub fn pixels(&self, i: usize) -> &[u8] {
        let bytes = self.resolution * self.resolution * 4;
        &self.pixels[i * bytes..(i + 1) * bytes]
    }

    /// Whether the captions of record `i` are as true of its mirrored picture ([`Record::is_two_sided`]).
    pub fn is_two_sided(&self, i: usize) -> bool {
        self.two_sided[i]
    }

    /// Pictures that could not be used, with the reason.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The record that the random number `u` draws, with probability proportional to its weight.
    /// Depends on the low bits of `u` as much as on the high ones.
    pub fn sample(&self, u: u64) -> usize {
        let total = self.cumulative[self.cumulative.len() - 1];
        let at = (mix(u) >> 11) as f64 / (1_u64 << 53) as f64 * total;
        self.cumulative.partition_point(|&sum| sum <= at).min(self.records.len() - 1)
    }

    /// The caption of record `i` that the random number `u` chooses: mostly one of its paraphrases; in the
    /// split `Train` 5 % name the style only (of pictures as their authors drew them) and 5 % the object only
    /// (of pictures without background). Depends on `i` and `u` only.
    pub fn caption(&self, i: usize, u: u64) -> String {
        let record = &self.records[i];
        let r = mix(u ^ hash(&[&record.key]));
        let at = (r >> 40) as f64 / (1_u64 << 24) as f64;
        if self.split == Split::Train {
            // A style alone means a picture as its author drew it, an object alone no background.
            if at < STYLE_ONLY && !record.style.is_empty() && record.kind == Kind::Original {
                return record.style.clone();
            }
            if (STYLE_ONLY..STYLE_ONLY + OBJECT_ONLY).contains(&at)
                && !record.object.is_empty()
                && record.background.is_none()
            {
                return record.object.clone();
            }
        }
        record.captions[(mix(r) % record.captions.len() as u64) as usize].clone()
    }
}

/// What one shard, or one stretch of a folder, contributes.
struct Part {
    records: Vec<Record>,
    pixels: Vec<u8>,
    skipped: Vec<Skipped>,
}

impl Part {
    /// Decodes `(file, record, bytes of the picture)`; what is broken is skipped under the file's name.
    fn decode(items: Vec<(String, Record, Vec<u8>)>, skipped: Vec<Skipped>, resolution: usize) -> Part {
        let mut part = Part { records: Vec::new(), pixels: Vec::new(), skipped };
        for (file, record, bytes) in items {
            match Square::decode(&bytes, resolution) {
                Ok(square) => {
                    part.pixels.extend(square.pixels);
                    part.records.push(record);
                }
                Err(error) => part.skipped.push(Skipped { file, reason: error.to_string() }),
            }
        }
        part
    }
}

fn open_shards(dir: &Path, resolution: usize, split: Split) -> Result<Vec<Part>, DataError> {
    let index = shard::read_index(dir)?;
    index
        .shards
        .par_iter()
        .map(|entry| {
            let mut skipped = Vec::new();
            let items = shard::read(dir, entry, &mut skipped)?
                .into_iter()
                .filter_map(|(mut record, png)| {
                    if split == Split::HeldOutCaptions {
                        if record.split != Split::Train || record.held_out_captions.is_empty() {
                            return None;
                        }
                        record.captions = std::mem::take(&mut record.held_out_captions);
                    } else if record.split != split {
                        return None;
                    }
                    Some((format!("{}/{}.png", entry.file, record.key), record, png))
                })
                .collect();
            Ok(Part::decode(items, skipped, resolution))
        })
        .collect()
}

fn open_folder(dir: &Path, resolution: usize, split: Split) -> Result<Vec<Part>, DataError> {
    fs::read_dir(dir).map_err(io(dir))?;
    if split != Split::Train {
        return Err(DataError::Empty { path: dir.to_owned(), split });
    }
    let (pairs, skipped) = folder::list(dir)?;
    let mut parts = vec![Part { records: Vec::new(), pixels: Vec::new(), skipped }];
    let decoded: Vec<Part> = pairs
        .par_chunks(64)
        .map(|pairs| {
            let mut skipped = Vec::new();
            let mut items = Vec::new();
            for pair in pairs {
                match fs::read(&pair.picture) {
                    Ok(bytes) => items.push((display(&pair.picture), pair.record.clone(), bytes)),
                    Err(e) => skipped.push(Skipped { file: display(&pair.picture), reason: e.to_string() }),
                }
            }
            Part::decode(items, skipped, resolution)
        })
        .collect();
    parts.extend(decoded);
    Ok(parts)
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("temporary folder");
        let png = Square { size: 16, pixels: [200u8, 0, 0, 255].repeat(256) }.to_png().expect("encodes");
        fs::write(dir.path().join("red.png"), &png).expect("writes");
        fs::write(dir.path().join("red.txt"), "a red square\n\nsquare, red\n").expect("writes");
        fs::write(dir.path().join("alone.png"), &png).expect("writes");
        fs::write(dir.path().join("broken.png"), b"not a picture").expect("writes");
        fs::write(dir.path().join("broken.txt"), "something").expect("writes");
        dir
    }

    #[test]
    fn a_folder_of_pictures_opens_and_names_what_it_skips() {
        let dir = own_folder();
        let dataset = Dataset::open(dir.path(), 8, Split::Train).expect("opens");
        assert_eq!(dataset.len(), 1);
        assert_eq!(dataset.record(0).captions, ["a red square", "square, red"]);
        assert_eq!(dataset.pixels(0), [200u8, 0, 0, 255].repeat(64));
        assert_eq!(dataset.skipped().len(), 2);
        assert!(matches!(Dataset::open(dir.path(), 8, Split::HeldOutConcepts), Err(DataError::Empty { .. })));
        assert!(matches!(Dataset::open(dir.path(), 4, Split::Train), Err(DataError::Resolution(4))));
    }

    #[test]
    fn draws_follow_the_weights_and_captions_the_shares() {
        let record = |key: &str, weight| Record {
            key: key.into(),
            style: "line icon".into(),
            object: "a dot".into(),
            captions: vec!["one".into(), "two".into()],
            weight,
            ..Record::default()
        };
        let dataset = Dataset {
            resolution: 8,
            split: Split::Train,
            records: vec![record("a", 3.0), record("b", 0.0), record("c", 1.0)],
            two_sided: vec![true; 3],
            pixels: vec![0; 3 * 256],
            cumulative: vec![3.0, 3.0, 4.0],
            skipped: Vec::new(),
        };
        let mut drawn = [0; 3];
        let mut kinds = [0; 4];
        for u in 0..10_000 {
            let i = dataset.sample(u);
            drawn[i] += 1;
            match dataset.caption(i, u).as_str() {
                "one" => kinds[0] += 1,
                "two" => kinds[1] += 1,
                "line icon" => kinds[2] += 1,
                _ => kinds[3] += 1,
            }
        }
        assert!((7300..7700).contains(&drawn[0]) && drawn[1] == 0, "{drawn:?}");
        assert!((4200..4800).contains(&kinds[0]) && (4200..4800).contains(&kinds[1]), "{kinds:?}");
        assert!((400..600).contains(&kinds[2]) && (400..600).contains(&kinds[3]), "{kinds:?}");
    }
}
