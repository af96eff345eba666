//! The whole suite: pictures for prompts from every split, beside the real pictures (the ceiling) and other prompts'
//! pictures (the floor).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Instant;

use data::{Dataset, Kind, Record, Split, premultiplied_square, share_of_colour};
use engine::{CancelToken, Engine, Options, Request};
use kernels::Cpu;
use serde::Serialize;

use super::judge::Judge;
use super::metrics::{diversity, is_copy, kernel_distance, retrieval, share};
use super::ridge::Ridge;
use crate::TrainError;

/// Numbers of sampler steps that are compared; the last is the reference.
pub const STEPS: [u32; 5] = [1, 2, 4, 8, 25];
/// Candidates of retrieval beside the own caption.
const DISTRACTORS: usize = 99;
/// Of them, those that share the object, and those that share colour and style.
const SHARING: usize = 33;
/// Side of the pictures that copies are looked for in.
const SMALL: usize = 16;
/// A picture has a colour when this share of its covered area is near it.
const COLOURED: f32 = 0.3;
/// Questions whose pictures are drawn with several seeds, and the seeds.
const SEEDED: usize = 12;
const SEEDS: u32 = 8;

/// What is known of a set of pictures for one group of questions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// Share of pictures nearer to their own caption than to 99 hard distractors.
    pub retrieval: f64,
    /// Share of pictures in the style asked for, by a linear classifier on the judge's vectors; none where no question
    /// names a style.
    pub style: Option<f64>,
    /// Share of single objects with the colour asked for; none where no question names one.
    pub colour: Option<f64>,
    /// Kernel distance to the real pictures (of one half of these to the other, for the real ones).
    pub kernel_distance: f64,
    /// Share of pictures that copy a training picture (all of the real ones do where they are training pictures).
    pub copies: f64,
}

/// Scores of one group of questions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// A split's name, or `composed`: several objects, from all held-out splits.
    pub name: String,
    /// Questions.
    pub questions: usize,
    /// Questions that name a colour of a single object.
    pub coloured: usize,
    /// Scores by number of sampler steps.
    pub generated: BTreeMap<u32, Scores>,
    /// Scores of the real pictures.
    pub real: Scores,
    /// Scores of the real pictures of other questions.
    pub shuffled: Scores,
}

/// Everything the suite finds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The model's name.
    pub model: String,
    /// SHA-256 of its file.
    pub model_sha256: String,
    /// Training pictures it has seen.
    pub pictures_seen: u64,
    /// Side of the pictures it was asked for.
    pub size: u32,
    /// Groups of questions.
    pub groups: Vec<Group>,
    /// Mean distance of the judge's vectors over eight seeds of one prompt.
    pub diversity: f64,
    /// The same of real pictures of one object in one style.
    pub real_diversity: f64,
    /// Median seconds of a picture by number of sampler steps.
    pub seconds: BTreeMap<u32, f64>,
}

/// One picture asked for.
struct Question {
    caption: String,
    record: Record,
    /// The real picture, premultiplied, at the judge's side and small.
    real: [Vec<u8>; 2],
}

/// How the suite is run.
#[derive(Debug, Clone)]
pub struct SuiteOptions {
    /// Questions of each group.
    pub questions: usize,
    /// Numbers of sampler steps.
    pub steps: Vec<u32>,
    /// Groups to ask, by name; empty = all.
    pub groups: Vec<String>,
    /// Guidance, sampler and schedule of every picture; what else is in it is left aside.
    pub settings: Request,
}

impl Default for SuiteOptions {
    fn default() -> Self {
        Self { questions: 200, steps: STEPS.to_vec(), groups: Vec::new(), settings: Request::default() }
    }
}

/// Runs the suite on the model at `model` with the data in `folder` and the judge at `judge`. `progress` hears the finished
/// share.
pub fn full(
    cpu: &Cpu,
    model: &str,
    folder: &Path,
    judge: &Path,
    suite: &SuiteOptions,
    progress: &mut dyn FnMut(f64),
) -> Result<Report, TrainError> {
    let model = engine::store::open(model)?;
    let options = Options { isa: Some(cpu.isa), threads: Some(cpu.pool.threads()), ..Options::default() };
    let mut engine = Engine::new(&model, &options)?;
    let mut judge = Judge::open(cpu, judge)?;
    let bench = Bench::new(&mut judge, folder)?;
    let mut groups = questions(folder, judge.side(), suite.questions)?;
    groups.retain(|(name, _)| suite.groups.is_empty() || suite.groups.contains(name));
    let all: usize = groups.iter().map(|(_, questions)| questions.len()).sum();
    let seeded_questions = groups.first().map_or(0, |(_, questions)| questions.len().min(SEEDED));
    let work = (all * suite.steps.len() + seeded_questions * SEEDS as usize) as f64;
    let mut done = 0.0;
    let mut draw = |engine: &mut Engine, side: usize, request: &Request| -> Result<(Vec<Drawn>, f64), TrainError> {
        let begin = Instant::now();
        let images = engine.generate(request, &mut |_| {}, &CancelToken::new())?;
        let seconds = begin.elapsed().as_secs_f64();
        done += f64::from(request.count);
        progress(done / work);
        let shrink = |image: &engine::Image| {
            let (width, height) = (image.size.width as usize, image.size.height as usize);
            [side, SMALL].map(|side| premultiplied_square(&image.pixels, width, height, side))
        };
        Ok((images.iter().map(shrink).collect(), seconds))
    };
    let mut report = Report {
        model: model.info.name.clone(),
        model_sha256: model.sha256.clone(),
        pictures_seen: model.info.pictures_seen,
        size: model.info.image_size,
        groups: Vec::new(),
        diversity: 0.0,
        real_diversity: bench.real_diversity,
        seconds: BTreeMap::new(),
    };
    let lists: Vec<Vec<Vec<String>>> = groups
        .iter()
        .map(|(_, questions)| questions.iter().enumerate().map(|(i, q)| bench.candidates(q, i)).collect())
        .collect();
    let captions: BTreeSet<&str> = lists.iter().flatten().flatten().map(String::as_str).collect();
    let captions: Vec<&str> = captions.into_iter().collect();
    let vectors: HashMap<&str, Vec<f32>> = captions.iter().copied().zip(judge.captions(&captions)?).collect();
    let mut seconds: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for ((name, questions), lists) in groups.iter().zip(&lists) {
        let candidates: Vec<Vec<&[f32]>> =
            lists.iter().map(|list| list.iter().map(|caption| &vectors[caption.as_str()][..]).collect()).collect();
        let real: Vec<Drawn> = questions.iter().map(|q| q.real.clone()).collect();
        let mut shuffled = real.clone();
        shuffled.rotate_left(1);
        let mut generated = BTreeMap::new();
        for &steps in &suite.steps {
            let mut drawn = Vec::with_capacity(questions.len());
            for (i, question) in questions.iter().enumerate() {
                let request = Request {
                    prompt: question.caption.clone(),
                    steps,
                    seed: i as u64,
                    enlarge: Some(1),
                    ..suite.settings.clone()
                };
                let (mut one, time) = draw(&mut engine, judge.side(), &request)?;
                drawn.append(&mut one);
                seconds.entry(steps).or_default().push(time);
            }
            generated.insert(steps, bench.score(&mut judge, questions, &candidates, &drawn, &real)?);
        }
        let middle = real.len() / 2;
        let mut ceiling = bench.score(&mut judge, questions, &candidates, &real, &real)?;
        let both = embed(&mut judge, &real)?;
        ceiling.kernel_distance = kernel_distance(&both[..middle], &both[middle..2 * middle]);
        report.groups.push(Group {
            name: name.clone(),
            questions: questions.len(),
            coloured: questions.iter().filter(|q| q.colour().is_some()).count(),
            generated,
            real: ceiling,
            shuffled: bench.score(&mut judge, questions, &candidates, &shuffled, &real)?,
        });
    }
    let mut seeded = Vec::new();
    for question in groups.first().map_or(&[][..], |(_, questions)| &questions[..seeded_questions]) {
        let request = Request {
            prompt: question.caption.clone(),
            count: SEEDS,
            seed: 1000,
            enlarge: Some(1),
            steps: suite.steps.last().copied().unwrap_or(suite.settings.steps),
            ..suite.settings.clone()
        };
        let drawn = draw(&mut engine, judge.side(), &request)?.0;
        seeded.push(embed(&mut judge, &drawn)?);
    }
    report.diversity = diversity(&seeded);
    report.seconds = seconds.into_iter().map(|(steps, times)| (steps, median(times))).collect();
    Ok(report)
}

/// A picture, premultiplied, at the judge's side and small.
type Drawn = [Vec<u8>; 2];

fn embed(judge: &mut Judge, pictures: &[Drawn]) -> Result<Vec<Vec<f32>>, TrainError> {
    judge.pictures(&pictures.iter().map(|picture| &picture[0][..]).collect::<Vec<_>>())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

impl Question {
    /// The colour that a single object was asked to have.
    fn colour(&self) -> Option<&str> {
        let colour = self.record.colour.as_deref()?;
        (self.record.kind != Kind::Composed && self.record.background.is_none() && self.caption.contains(colour))
            .then_some(colour)
    }
}

/// The groups of questions: records in an order that depends on their names alone.
fn questions(folder: &Path, side: usize, count: usize) -> Result<Vec<(String, Vec<Question>)>, TrainError> {
    let mut groups = Vec::new();
    let mut composed = Vec::new();
    for split in Split::ALL {
        let Ok(large) = Dataset::open(folder, side, split) else { continue };
        let small = Dataset::open(folder, SMALL, split)?;
        let mut order: Vec<usize> = (0..large.len()).collect();
        order.sort_by_cached_key(|&i| formats::digest::sha256_bytes(large.record(i).key.as_bytes()));
        let ask = |i: usize| {
            let record = large.record(i).clone();
            let real = [large.pixels(i).to_vec(), small.pixels(i).to_vec()];
            Question { caption: caption(&record), record, real }
        };
        let held_out = !matches!(split, Split::Train | Split::HeldOutCaptions);
        let (several, single): (Vec<usize>, Vec<usize>) =
            order.into_iter().partition(|&i| large.record(i).kind == Kind::Composed);
        groups.push((split.name().to_owned(), single.into_iter().take(count).map(ask).collect::<Vec<_>>()));
        composed.extend(several.into_iter().filter(|_| held_out).take(count.div_ceil(3)).map(ask));
    }
    composed.truncate(count);
    groups.push(("composed".to_owned(), composed));
    groups.retain(|(_, questions)| questions.len() > 1);
    Ok(groups)
}

/// The caption that is asked: one that says style and colour if there is one.
fn caption(record: &Record) -> String {
    let says = |caption: &&String| {
        caption.contains(&record.style) && record.colour.as_ref().is_none_or(|colour| caption.contains(colour))
    };
    record.captions.iter().find(says).or(record.captions.first()).cloned().unwrap_or_default()
}

/// A single object's caption and what it says.
struct Entry {
    caption: String,
    object: String,
    look: (String, Option<String>),
}

/// What pictures are measured with.
struct Bench {
    entries: Vec<Entry>,
    by_object: HashMap<String, Vec<usize>>,
    by_look: HashMap<(String, Option<String>), Vec<usize>>,
    styles: Vec<String>,
    style: Ridge,
    /// Small training pictures.
    training: Dataset,
    real_diversity: f64,
}

impl Bench {
    fn new(judge: &mut Judge, folder: &Path) -> Result<Self, TrainError> {
        let mut entries = Vec::new();
        for split in Split::ALL {
            let Ok(dataset) = Dataset::open(folder, SMALL, split) else { continue };
            for record in dataset.records().iter().filter(|record| record.kind != Kind::Composed) {
                entries.push(Entry {
                    caption: caption(record),
                    object: record.concept.clone(),
                    look: (record.style.clone(), record.colour.clone()),
                });
            }
        }
        let (mut by_object, mut by_look) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        for (i, entry) in entries.iter().enumerate() {
            by_object.entry(entry.object.clone()).or_default().push(i);
            by_look.entry(entry.look.clone()).or_default().push(i);
        }
        // The style classifier and the diversity of real pictures, from training pictures of single objects.
        const FITTED: usize = 6000;
        let large = Dataset::open(folder, judge.side(), Split::Train)?;
        let single = |i: &usize| large.record(*i).kind != Kind::Composed && !large.record(*i).style.is_empty();
        let all: Vec<usize> = (0..large.len()).filter(single).collect();
        let chosen: Vec<usize> = all.iter().copied().step_by(all.len().div_ceil(FITTED).max(1)).collect();
        let vectors = judge.pictures(&chosen.iter().map(|&i| large.pixels(i)).collect::<Vec<_>>())?;
        let mut styles: Vec<String> = chosen.iter().map(|&i| large.record(i).style.clone()).collect();
        styles.sort();
        styles.dedup();
        let index = |i: usize| styles.binary_search(&large.record(i).style).unwrap_or(0);
        let labels: Vec<usize> = chosen.iter().map(|&i| index(i)).collect();
        let style = Ridge::fit(&vectors, &labels, styles.len(), 1e-4);
        let mut same: BTreeMap<(&str, &str), Vec<Vec<f32>>> = BTreeMap::new();
        for (&i, vector) in chosen.iter().zip(vectors) {
            let record = large.record(i);
            same.entry((&record.concept, &record.style)).or_default().push(vector);
        }
        let real_diversity = diversity(&same.into_values().filter(|group| group.len() > 1).collect::<Vec<_>>());
        let training = Dataset::open(folder, SMALL, Split::Train)?;
        Ok(Self { entries, by_object, by_look, styles, style, training, real_diversity })
    }

    /// The question's caption, then its distractors: of the same object in another look, of other objects in the same
    /// look, and any others.
    fn candidates(&self, question: &Question, number: usize) -> Vec<String> {
        let record = &question.record;
        let look = (record.style.clone(), record.colour.clone());
        let differs = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if a != b);
        let none = Vec::new();
        let (object, alike) =
            (self.by_object.get(&record.concept).unwrap_or(&none), self.by_look.get(&look).unwrap_or(&none));
        let mut list = vec![question.caption.clone()];
        let mut take = |indices: &mut dyn Iterator<Item = usize>, most: usize| {
            for i in indices {
                if list.len() > most {
                    break;
                }
                let entry = &self.entries[i];
                let other = entry.object != record.concept || entry.look.0 != look.0 || differs(&entry.look.1, &look.1);
                if other && !list.contains(&entry.caption) {
                    list.push(entry.caption.clone());
                }
            }
        };
        // Each question begins elsewhere in the lists.
        let turn = |list: &[usize]| {
            let start = number * 7919 % list.len().max(1);
            list[start..].iter().chain(&list[..start]).copied().collect::<Vec<_>>().into_iter()
        };
        take(&mut turn(object), SHARING);
        take(&mut turn(alike).filter(|&i| self.entries[i].object != record.concept), 2 * SHARING);
        let all = self.entries.len();
        take(&mut (0..all).map(|i| (i * 104_729 + number * 7919) % all), DISTRACTORS);
        list
    }

    /// Scores of `pictures`, one for each question.
    fn score(
        &self,
        judge: &mut Judge,
        questions: &[Question],
        candidates: &[Vec<&[f32]>],
        pictures: &[Drawn],
        real: &[Drawn],
    ) -> Result<Scores, TrainError> {
        let (vectors, real) = (embed(judge, pictures)?, embed(judge, real)?);
        let asked = |q: &Question| !q.record.style.is_empty() && q.caption.contains(&q.record.style);
        let styled = questions.iter().zip(&vectors).filter(|(q, _)| asked(q));
        let coloured = questions.iter().zip(pictures).filter_map(|(q, picture)| Some((q.colour()?, picture)));
        let is_coloured =
            |(colour, picture): (&str, &Drawn)| share_of_colour(&picture[0], colour).is_some_and(|s| s >= COLOURED);
        let small = |i: usize| self.training.pixels(i);
        Ok(Scores {
            retrieval: retrieval(&vectors, candidates),
            style: (styled.clone().count() > 0)
                .then(|| share(styled.map(|(q, vector)| self.styles[self.style.class(vector)] == q.record.style))),
            colour: (coloured.clone().count() > 0).then(|| share(coloured.map(is_coloured))),
            kernel_distance: kernel_distance(&vectors, &real),
            copies: share(pictures.iter().map(|p| is_copy(&p[1], (0..self.training.len()).map(small)))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_that_were_kept_back_are_asked() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        std::fs::create_dir_all(&own).unwrap();
        for name in ["one", "two", "three"] {
            formats::picture::write(&own.join(format!("{name}.png")), 16, 16, &[200; 16 * 16 * 4], &[]).unwrap();
            let captions: Vec<String> = (0..6).map(|i| format!("{name} in words {i}")).collect();
            std::fs::write(own.join(format!("{name}.txt")), captions.join("\n")).unwrap();
        }
        let recipe = dir.path().join("recipe.toml");
        let text = "name = 'own'\nsize = 16\n[splits]\ncaptions = 1.0\nstyles = 0.0\ncolours = 0.0\nconcepts = 0.0\n\
                    [[source]]\nname = 'own'\nkind = 'folder'\npath = 'own'\n";
        std::fs::write(&recipe, text).unwrap();
        let folder = dir.path().join("data");
        data::build(&recipe, &data::BuildOptions::default(), &folder, &mut |_| {}).unwrap();
        let train = Dataset::open(&folder, 16, Split::Train).unwrap();
        let groups = questions(&folder, 16, 10).unwrap();
        let (_, asked) = groups.iter().find(|(name, _)| name == Split::HeldOutCaptions.name()).unwrap();
        assert_eq!(asked.len(), 3);
        for question in asked {
            assert!(question.caption.contains("in words"), "{}", question.caption);
            assert!(train.records().iter().all(|record| !record.captions.contains(&question.caption)));
        }
    }
}
