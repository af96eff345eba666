//! From a recipe to a dataset folder: list the sources, plan the pictures, draw and caption them, weigh them,
//! write shards.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;

use crate::colour::Palette;
use crate::draw::Studio;
use crate::error::{DataError, io};
use crate::plan::{self, Job};
use crate::recipe::{self, Recipe};
use crate::record::Record;
use crate::shard::{self, INDEX, Index, Skipped};
use crate::sources;
use crate::split::{Split, hash};
use crate::usual::Usual;
use crate::weight;

/// Pictures drawn between two reports of progress.
const BATCH: usize = 256;

/// Threads of a build; pictures are independent, so the result does not depend on it.
const THREADS: usize = 2;

/// A record with its PNG bytes, nothing when its caption would not be true, or what went wrong.
type Drawn = Result<Option<(Record, Vec<u8>)>, Skipped>;

/// How far a build is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildProgress {
    /// What is being done: `listing`, `drawing` or `writing`.
    pub stage: &'static str,
    /// Pictures done.
    pub done: usize,
    /// Pictures to do, or 0 while that is unknown.
    pub total: usize,
}

/// What a build made.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildReport {
    /// Number of records.
    pub records: usize,
    /// Records by source.
    pub sources: BTreeMap<String, usize>,
    /// Records by style.
    pub styles: BTreeMap<String, usize>,
    /// Records by split.
    pub splits: BTreeMap<String, usize>,
    /// Records by kind.
    pub kinds: BTreeMap<String, usize>,
    /// Files that could not be used.
    pub skipped: Vec<Skipped>,
    /// Variants that were planned and dropped because their caption would not have been true.
    pub dropped: usize,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// What of a recipe is built, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// The folder that `recipes/install-sources.sh` filled; by default `~/.cache/calotype/sources`.
    pub sources: Option<PathBuf>,
    /// Another side of the stored pictures than the recipe's, 16 to 1024 pixels.
    pub size: Option<usize>,
    /// Draw no more pictures than this: a fair sample of them.
    pub limit: Option<usize>,
}

/// Builds the dataset of `recipe` into the new folder `out`.
pub fn build(
    recipe: &Path,
    options: &BuildOptions,
    out: &Path,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuildReport, DataError> {
    let start = Instant::now();
    let (mut parsed, text) = Recipe::read(recipe)?;
    parsed.size = options.size.unwrap_or(parsed.size);
    parsed.check_size(recipe)?;
    if out.join(INDEX).exists() {
        return Err(DataError::OutputExists(out.to_owned()));
    }
    let root = options.sources.clone().unwrap_or_else(recipe::default_sources);
    let mut skipped = Vec::new();
    progress(BuildProgress { stage: "listing", done: 0, total: 0 });
    let bases = sources::list(&parsed, recipe, &root, &mut skipped)?;
    let mut jobs = plan::plan(&bases, &parsed);
    if let Some(limit) = options.limit {
        jobs.sort_by_cached_key(|job| {
            let base = &bases[job.base];
            hash(&["limit", &format!("{:?} {}", job.treatment, job.round), &base.source, &base.id])
        });
        jobs.truncate(limit);
    }

    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(THREADS)
        .build()
        .map_err(|e| DataError::Picture(format!("no threads: {e}")))?;
    let palette = Palette::default();
    let usual = pool.install(|| Usual::measure(&bases, &parsed, &palette));
    let studio = Studio { bases: &bases, size: parsed.size, palette, usual };
    let (mut items, mut dropped) = (Vec::with_capacity(jobs.len()), 0);
    for (number, batch) in jobs.chunks(BATCH).enumerate() {
        progress(BuildProgress { stage: "drawing", done: number * BATCH, total: jobs.len() });
        let drawn: Vec<Drawn> = pool.install(|| batch.par_iter().map(|job| draw(job, &studio, &parsed)).collect());
        for result in drawn {
            match result {
                Ok(Some(item)) => items.push(item),
                Ok(None) => dropped += 1,
                // Variants of a broken file fail like the file itself; it is named once.
                Err(reason) if skipped.contains(&reason) => {}
                Err(reason) => skipped.push(reason),
            }
        }
    }
    if items.is_empty() {
        return Err(DataError::Empty { path: out.to_owned(), split: Split::Train });
    }
    weigh(&mut items, &parsed);
    // Shards in an order that mixes sources, so that any few of them are a fair sample.
    items.sort_by_cached_key(|(record, _)| (hash(&["order", &record.key]), record.key.clone()));

    fs::create_dir_all(out).map_err(io(out))?;
    let mut shards = Vec::new();
    for (number, records) in items.chunks(parsed.records_per_shard).enumerate() {
        progress(BuildProgress { stage: "writing", done: number * parsed.records_per_shard, total: items.len() });
        shards.push(shard::write(out, number, records)?);
    }
    let count = |name: &dyn Fn(&Record) -> String| {
        let mut counts = BTreeMap::new();
        for (record, _) in &items {
            *counts.entry(name(record)).or_insert(0) += 1;
        }
        counts
    };
    let index = Index {
        version: 1,
        name: parsed.name.clone(),
        size: parsed.size,
        records: items.len(),
        sources: count(&|r| r.source.clone()),
        styles: count(&|r| r.style.clone()),
        splits: count(&|r| r.split.name().to_owned()),
        kinds: count(&|r| r.kind.name().to_owned()),
        skipped,
        shards,
        recipe: text,
    };
    shard::write_index(out, &index)?;
    progress(BuildProgress { stage: "writing", done: items.len(), total: items.len() });
    Ok(BuildReport {
        records: index.records,
        sources: index.sources,
        styles: index.styles,
        splits: index.splits,
        kinds: index.kinds,
        skipped: index.skipped,
        dropped,
        seconds: start.elapsed().as_secs_f64(),
    })
}

fn draw(job: &Job, studio: &Studio<'_>, recipe: &Recipe) -> Drawn {
    let base = &studio.bases[job.base];
    let skip = |e: DataError| Skipped { file: format!("{}/{}", base.source, base.id), reason: e.to_string() };
    let Some((mut record, picture)) = studio.draw(job).map_err(skip)? else { return Ok(None) };
    let concepts: Vec<&str> = record.concept.split(" + ").collect();
    record.split = recipe.splits.split(&concepts, &record.style, record.colour.as_deref());
    if record.split == Split::Train && recipe.splits.holds_captions(&record.key) && record.captions.len() >= 5 {
        let at = record.captions.len() - 2;
        let mut order: Vec<usize> = (0..record.captions.len()).collect();
        order.sort_by_key(|i| hash(&["kept back", &record.key, &record.captions[*i]]));
        let kept: Vec<usize> = order[at..].to_vec();
        let all = std::mem::take(&mut record.captions);
        for (i, caption) in all.into_iter().enumerate() {
            if kept.contains(&i) { record.held_out_captions.push(caption) } else { record.captions.push(caption) }
        }
    }
    let png = picture.to_png().map_err(skip)?;
    Ok(Some((record, png)))
}

/// Weighs each split by itself, training by the recipe's mix.
fn weigh(items: &mut [(Record, Vec<u8>)], recipe: &Recipe) {
    for split in Split::ALL {
        let mut records: Vec<&mut Record> = items.iter_mut().map(|(r, _)| r).filter(|r| r.split == split).collect();
        weight::assign(&mut records, &recipe.mix, &recipe.caps);
    }
}
