//! Rows of a campaign.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use campaign::{Brief, ReviewState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{RowFilter, TaskState};
use utoipa::{IntoParams, ToSchema};

use super::candidates::CandidateView;
use super::page;
use crate::app::App;
use crate::campaigns::{CampaignPlan, Extent, Work, add_rows, predict};
use crate::error::ApiError;
use crate::extract::Query;
use crate::native::csv_body::read_csv;

/// Most rows of a dry run.
pub const MAX_FIRST: u32 = 200;

/// What the first rows would become.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunView {
    /// The first assets.
    rows: Vec<RowView>,
    /// What is wrong with the rows that were read: `row` (from 1), `line`, `column`, `message`.
    #[schema(value_type = Vec<Object>)]
    errors: Vec<campaign::RowError>,
    /// How many assets there are in all, if every row was read.
    total: Option<u64>,
    /// What all of them would take; absent unless every row was read and is right.
    plan: Option<CampaignPlan>,
}

/// An asset to be drawn.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowView {
    /// Its name, one of its kind in the campaign.
    key: String,
    /// What stands in its slots, and its texts.
    #[schema(value_type = Object)]
    values: Value,
    /// Its finished prompt.
    prompt: String,
    /// Where its drafts are: `pending`, `queued`, `done`, `failed`, `cancelled`; absent if nobody asked for them.
    state: Option<String>,
    /// Why there are none.
    error: Option<String>,
    /// How many drafts there are.
    candidates: i64,
    /// How many of them are picked.
    picked: i64,
    /// Its drafts, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    drafts: Option<Vec<CandidateView>>,
}

/// What the first rows would become, and what all of them would take.
pub async fn dry_run_and_plan(
    app: &Arc<App>,
    brief: Brief,
    csv: Option<String>,
    project: &str,
    first: u32,
) -> Result<DryRunView, ApiError> {
    let project = project.to_owned();
    let (mut view, work, extent) = app
        .blocking(move |app| {
            let mut csv = csv.as_deref().map(str::as_bytes);
            let csv = csv.as_mut().map(|csv| csv as &mut dyn Read);
            let found = campaign::dry_run(&brief, csv, campaign::MAX_ROWS as usize)?;
            let work = Work::new(brief, "", &project)?.with_kit(app)?;
            work.check(app)?;
            let extent = Extent::of_rows(&found.rows);
            Ok((DryRunView::of(found, first as usize, &work), work, extent))
        })
        .await?;
    if view.total.is_some() && view.errors.is_empty() {
        view.plan = Some(predict(app, &work, &extent).await?);
    }
    Ok(view)
}

impl DryRunView {
    fn of(found: campaign::DryRun, first: usize, work: &Work) -> Self {
        let campaign::DryRun { rows, errors, total } = found;
        let view = |campaign::Row { key, values, prompt }| RowView {
            key,
            values: text_values(values),
            prompt: work.prompt(&prompt),
            state: None,
            error: None,
            candidates: 0,
            picked: 0,
            drafts: None,
        };
        Self { rows: rows.into_iter().take(first).map(view).collect(), errors, total, plan: None }
    }
}

/// What the first rows would become. Blocks.
fn dry_run(work: &Work, csv: Option<&mut dyn Read>, first: u32) -> Result<DryRunView, ApiError> {
    Ok(DryRunView::of(campaign::dry_run(&work.brief, csv, first as usize)?, first as usize, work))
}

fn text_values(values: BTreeMap<String, String>) -> Value {
    values.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}

/// Which rows.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RowQuery {
    /// Only those whose drafts are `pending`, `queued`, `done`, `failed` or `cancelled`.
    #[param(value_type = Option<String>)]
    state: Option<TaskState>,
    /// What stands in their name, their prompt or one of their values.
    search: Option<String>,
    /// Only those with a pick (`true`), or only the others.
    picked: Option<bool>,
    /// Only those with a pick that is there in the review.
    #[param(value_type = Option<String>)]
    review: Option<ReviewState>,
    /// Whether to list their drafts as well.
    drafts: bool,
    /// Rows to leave out from the beginning.
    offset: u32,
    /// Most rows, 1 to 200; default 50.
    limit: Option<u32>,
}

/// A page of rows.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowPage {
    /// The rows in their order.
    rows: Vec<RowView>,
    /// How many there are in all.
    total: i64,
}

/// List the rows of a campaign with their finished prompts.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/rows", tag = "campaigns", params(("id" = String, Path), RowQuery),
    responses((status = 200, body = RowPage), (status = 400), (status = 404)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<RowQuery>,
) -> Result<Json<RowPage>, ApiError> {
    let limit = page(query.limit)?;
    let RowQuery { state, ref search, picked, review, .. } = query;
    let search = search.clone().filter(|text| !text.is_empty());
    let filter = RowFilter { state, search, picked, review };
    app.blocking(move |app| {
        let (rows, total) = app.store.campaign_rows(&id, &filter, query.offset, limit)?;
        let mut drafts: HashMap<String, Vec<CandidateView>> = HashMap::new();
        if query.drafts {
            let keys: Vec<String> = rows.iter().map(|row| row.key.clone()).collect();
            for candidate in app.store.candidates_of_rows(&id, &keys)? {
                drafts.entry(candidate.row.clone()).or_default().push(candidate.into());
            }
        }
        let view = |row: store::CampaignRow| RowView {
            drafts: query.drafts.then(|| drafts.remove(&row.key).unwrap_or_default()),
            key: row.key,
            values: serde_json::from_str(&row.slots).unwrap_or_default(),
            prompt: row.prompt,
            state: row.state.map(|state| state.name().to_owned()),
            error: row.error,
            candidates: row.candidates,
            picked: row.picked,
        };
        Ok(Json(RowPage { rows: rows.into_iter().map(view).collect(), total }))
    })
    .await
}

/// How to take a file.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Only say what the first rows would become: how many, 1 to 200. Nothing is kept, and no more of the file is read.
    dry_run: Option<u32>,
}

/// How many rows were added.
#[derive(Debug, Serialize, ToSchema)]
pub struct Added {
    /// Rows.
    added: usize,
}

/// Add the rows of a CSV file (the body, `text/csv`), all or none, or (with `dry_run`) say what the first would become.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/rows", tag = "campaigns", params(("id" = String, Path), ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = DryRunView, description = "a dry run"), (status = 201, body = Added), (status = 400),
    (status = 404), (status = 409), (status = 415)))]
pub async fn import(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let first = query.dry_run.map(|first| ApiError::in_range("dry_run", first, 1..=MAX_FIRST)).transpose()?;
    read_csv(&app, request, move |app, csv| {
        if let Some(first) = first {
            let work = Work::of(&app.store.campaign(&id)?)?.with_kit(app)?;
            return Ok(Json(dry_run(&work, Some(csv), first)?).into_response());
        }
        let added = add_rows(app, &id, csv)?;
        Ok((StatusCode::CREATED, Json(Added { added })).into_response())
    })
    .await
}
