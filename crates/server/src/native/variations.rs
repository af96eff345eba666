//! Grids: a prompt with slots `{red|blue} {car|bike}`, times styles, presets and seeds.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use engine::PresetName;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{MAX_WAITING_BATCH, Priority};
use utoipa::ToSchema;

use super::jobs::JobRequest;
use super::planning::plan;
use super::views::JobView;
use crate::app::{App, Draft, MAX_PICTURES, Once, Owner};
use crate::error::ApiError;
use crate::extract::RawJson;

/// Most seeds of a cell; each run of neighbouring seeds is one job.
const MAX_SEEDS: usize = 64;

/// A grid.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GridRequest {
    /// What all pictures share. Its prompt may have slots: `a {red|blue} {car|bike}`.
    pub base: JobRequest,
    /// Seeds, the same for every cell. Default: `seed_count` neighbours, from the base's seed or a random one.
    pub seeds: Vec<u64>,
    /// How many neighbouring seeds, 1 to 64; default 1.
    pub seed_count: Option<u32>,
    /// Styles: each is put after the prompt, or where `{prompt}` stands in it the other way round.
    pub styles: Vec<String>,
    /// Presets.
    #[schema(value_type = Vec<String>)]
    pub presets: Vec<PresetName>,
    /// Only say how many pictures, seconds and how much money.
    pub dry_run: bool,
}

/// A cell of a grid: one prompt, style and preset with its seeds.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Cell {
    /// The prompt as it is drawn.
    prompt: String,
    /// What stands in its slots.
    slots: Vec<String>,
    /// Its style.
    style: Option<String>,
    /// Its preset.
    #[schema(value_type = Option<String>)]
    preset: Option<PresetName>,
    /// Its seeds.
    seeds: Vec<u64>,
    /// Ids of its jobs; empty in a dry run.
    jobs: Vec<String>,
}

/// What a grid is and takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct GridView {
    /// What its jobs share; absent in a dry run.
    batch: Option<String>,
    /// Pictures.
    pictures: u32,
    /// Seconds of drawing.
    seconds: f64,
    /// What they cost.
    cost: f64,
    /// What costs are in.
    currency: String,
    /// The cells: slots vary slowest, then styles, then presets.
    cells: Vec<Cell>,
    /// The jobs; empty in a dry run.
    jobs: Vec<JobView>,
}

/// Draw a grid, or (with `dry_run`) say what it takes. Its jobs are queued together or not at all.
#[utoipa::path(post, path = "/api/v1/variations", tag = "jobs", request_body = GridRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 200 visible characters")),
    responses((status = 200, body = GridView, description = "a dry run"), (status = 202, body = GridView), (status = 400),
    (status = 429)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(owner): Extension<Owner>,
    headers: HeaderMap,
    RawJson(request, bytes): RawJson<GridRequest>,
) -> Result<(StatusCode, Json<GridView>), ApiError> {
    let once = Once::from_header(&headers, "variations", &bytes)?;
    let (mut cells, drafts) = expand(&request)?;
    let pictures: u32 = drafts.iter().map(|(_, draft)| draft.order.count).sum();
    // Every cell of a preset takes about as long: one of each is predicted.
    let (mut seconds, mut currency, mut cost) = (0.0, String::new(), 0.0);
    let mut known: Vec<(PresetName, u32, super::planning::PlanView)> = Vec::new();
    for (_, draft) in &drafts {
        let (preset, count) = (draft.order.preset, draft.order.count);
        let kept = known.iter().find(|(known, images, _)| (*known, *images) == (preset, count));
        let one = match kept {
            Some((_, _, plan)) => plan.clone(),
            None => {
                let plan = plan(&app, draft.clone()).await?;
                known.push((preset, count, plan.clone()));
                plan
            }
        };
        seconds += one.seconds;
        cost += one.cost;
        currency = one.currency;
    }
    if request.dry_run {
        let view = GridView { batch: None, pictures, seconds, cost, currency, cells, jobs: Vec::new() };
        return Ok((StatusCode::OK, Json(view)));
    }
    let batch = store::new_id();
    let (places, drafts): (Vec<usize>, Vec<Draft>) =
        drafts.into_iter().map(|(cell, draft)| (cell, Draft { batch: Some(batch.clone()), ..draft })).unzip();
    let jobs = app.submit(&owner, once, drafts).await?;
    for (cell, job) in places.into_iter().zip(&jobs) {
        cells[cell].jobs.push(job.id.clone());
    }
    // A repeated request has the batch of the first.
    let batch = jobs.first().and_then(|job| job.batch.clone());
    let views = app.blocking(move |app| JobView::all(app, &jobs)).await?;
    Ok((StatusCode::ACCEPTED, Json(GridView { batch, pictures, seconds, cost, currency, cells, jobs: views })))
}

/// A job with the number of its cell.
type Placed = (usize, Draft);

/// The cells of a grid, and its jobs.
fn expand(request: &GridRequest) -> Result<(Vec<Cell>, Vec<Placed>), ApiError> {
    let seeds = seeds(request)?;
    let styles: Vec<Option<&str>> = or_none(request.styles.iter().map(String::as_str));
    let presets: Vec<Option<PresetName>> = or_none(request.presets.iter().copied());
    let prompts = slots(&request.base.prompt)?;
    let cells = prompts.len() * styles.len() * presets.len();
    let jobs = cells * runs(&seeds).len();
    if jobs > MAX_WAITING_BATCH || cells * seeds.len() > MAX_PICTURES as usize {
        return Err(ApiError::bad(format!(
            "the grid has {jobs} jobs and {} pictures; at most {MAX_WAITING_BATCH} jobs (cells times runs of seeds) and \
             {MAX_PICTURES} pictures can be queued together",
            cells * seeds.len()
        )));
    }
    let mut all = Vec::with_capacity(cells);
    let mut drafts = Vec::with_capacity(jobs);
    for (prompt, slots) in &prompts {
        for style in &styles {
            let prompt = style.map_or_else(|| prompt.clone(), |style| styled(prompt, style));
            for preset in &presets {
                let label = json!({ "slots": slots, "style": style, "preset": preset });
                for (seed, count) in runs(&seeds) {
                    let job = JobRequest {
                        prompt: prompt.clone(),
                        seed: Some(seed),
                        count: Some(count),
                        preset: preset.or(request.base.preset),
                        steps: request.base.steps.filter(|_| preset.is_none()),
                        priority: request.base.priority.or(Some(Priority::Batch)),
                        ..request.base.clone()
                    };
                    drafts.push((all.len(), Draft { label: Some(label.to_string()), ..job.draft() }));
                }
                all.push(Cell {
                    prompt: prompt.clone(),
                    slots: slots.clone(),
                    style: style.map(str::to_owned),
                    preset: *preset,
                    seeds: seeds.clone(),
                    jobs: Vec::new(),
                });
            }
        }
    }
    Ok((all, drafts))
}

fn or_none<T>(items: impl Iterator<Item = T>) -> Vec<Option<T>> {
    let items: Vec<Option<T>> = items.map(Some).collect();
    if items.is_empty() { vec![None] } else { items }
}

fn seeds(request: &GridRequest) -> Result<Vec<u64>, ApiError> {
    let count = ApiError::in_range("seed_count", request.seed_count.unwrap_or(1), 1..=MAX_SEEDS as u32)?;
    if request.base.count.is_some() {
        return Err(ApiError::field("base.count", "a grid counts by seeds: give seed_count or seeds"));
    }
    if request.seeds.is_empty() {
        let first = request.base.seed.unwrap_or_else(crate::app::random_seed);
        return (0..u64::from(count))
            .map(|i| first.checked_add(i).ok_or_else(|| ApiError::field("base.seed", "seed + seed_count is too large")))
            .collect();
    }
    if request.seeds.len() > MAX_SEEDS {
        return Err(ApiError::field("seeds", format!("{} seeds; at most {MAX_SEEDS}", request.seeds.len())));
    }
    let mut seeds = request.seeds.clone();
    seeds.sort_unstable();
    seeds.dedup();
    Ok(seeds)
}

/// Runs of neighbouring seeds: the first, and how many.
fn runs(seeds: &[u64]) -> Vec<(u64, u32)> {
    let neighbours = seeds.chunk_by(|a, b| a.checked_add(1) == Some(*b));
    neighbours.map(|run| (run[0], run.len() as u32)).collect()
}

/// A prompt in a style.
pub fn styled(prompt: &str, style: &str) -> String {
    if style.contains("{prompt}") {
        return style.replace("{prompt}", prompt);
    }
    if prompt.is_empty() { style.to_owned() } else { format!("{prompt}, {style}") }
}

/// Every prompt that the slots make, with what stands in them. The last slot varies fastest.
fn slots(prompt: &str) -> Result<Vec<(String, Vec<String>)>, ApiError> {
    let wrong = |message: &str| ApiError::field("base.prompt", message);
    let mut all = vec![(String::new(), Vec::new())];
    let mut rest = prompt;
    while let Some(open) = rest.find(['{', '}']) {
        if rest[open..].starts_with('}') {
            return Err(wrong("has a } without a {"));
        }
        let close = rest[open..].find('}').ok_or_else(|| wrong("has a { without a }"))? + open;
        let inside = &rest[open + 1..close];
        if inside.contains('{') {
            return Err(wrong("has a slot inside a slot"));
        }
        let options: Vec<&str> = inside.split('|').map(str::trim).collect();
        if all.len() * options.len() > MAX_WAITING_BATCH {
            return Err(wrong(&format!("its slots make more than {MAX_WAITING_BATCH} prompts")));
        }
        let before = &rest[..open];
        all = all
            .into_iter()
            .flat_map(|(text, chosen): (String, Vec<String>)| {
                options.iter().map(move |option| {
                    let mut chosen = chosen.clone();
                    chosen.push((*option).to_owned());
                    (format!("{text}{before}{option}"), chosen)
                })
            })
            .collect();
        rest = &rest[close + 1..];
    }
    for (text, _) in &mut all {
        text.push_str(rest);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_multiply() {
        let prompts: Vec<String> =
            slots("a {red|blue} {car|bike}!").unwrap().into_iter().map(|(text, _)| text).collect();
        assert_eq!(prompts, ["a red car!", "a red bike!", "a blue car!", "a blue bike!"]);
        assert_eq!(slots("plain").unwrap(), [("plain".to_owned(), vec![])]);
        assert_eq!(slots("").unwrap().len(), 1);
        assert_eq!(slots("a {}b").unwrap()[0].0, "a b");
        let many = "{a|b|c|d|e|f|g|h}{a|b|c|d|e|f|g|h}";
        for bad in ["a {b", "a } b", "a {b {c}}", many] {
            assert_eq!(slots(bad).unwrap_err().field.as_deref(), Some("base.prompt"), "{bad}");
        }
    }

    #[test]
    fn neighbouring_seeds_are_one_job() {
        assert_eq!(runs(&[1, 2, 3, 7, u64::MAX]), [(1, 3), (7, 1), (u64::MAX, 1)]);
        let base = JobRequest { prompt: "{a|b}".into(), ..JobRequest::default() };
        let request =
            GridRequest { base, seeds: vec![3, 1, 2, 9, 2], styles: vec!["x".into()], ..GridRequest::default() };
        let (cells, drafts) = expand(&request).unwrap();
        assert_eq!((cells.len(), drafts.len()), (2, 4));
        assert_eq!(cells[0].prompt, "a, x");
        assert_eq!(cells[0].seeds, [1, 2, 3, 9]);
        assert_eq!(drafts[1].1.order.seed, 9);
    }

    #[test]
    fn grids_that_are_too_large_are_refused() {
        let base = JobRequest { seed: Some(u64::MAX), ..JobRequest::default() };
        let request = GridRequest { base, seed_count: Some(2), ..GridRequest::default() };
        assert_eq!(expand(&request).unwrap_err().field.as_deref(), Some("base.seed"));
        for count in [0, 65] {
            let request = GridRequest { seed_count: Some(count), ..GridRequest::default() };
            assert_eq!(expand(&request).unwrap_err().field.as_deref(), Some("seed_count"));
        }
        let request = GridRequest { styles: vec!["x".into(); 49], ..GridRequest::default() };
        assert!(expand(&request).is_err());
    }

    #[test]
    fn styles_go_after_or_around() {
        assert_eq!(styled("a fox", "3d render"), "a fox, 3d render");
        assert_eq!(styled("a fox", "a 3d render of {prompt}"), "a 3d render of a fox");
        assert_eq!(styled("", "3d render"), "3d render");
    }
}
