//! What can be measured of the pictures of a campaign, and of the library.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use campaign::Brief;
use serde::Deserialize;
use store::{Asset, CandidateFilter};
use utoipa::IntoParams;

use super::super::assets::AssetQuery;
use crate::app::App;
use crate::brand::{AidsView, Ask, Asked, Ready, aids, ready};
use crate::error::ApiError;
use crate::extract::Query;

/// Most pictures of a campaign that are told of at once.
const MAX_CANDIDATES: u32 = 5000;
/// Most pictures of the library.
const MAX_ASSETS: u32 = 500;
/// How much sooner a picked picture leads its group than a rated one.
const PICKED: i64 = 100;

/// How to ask.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AidsQuery {
    /// Name or id of a brand kit; default: that of the brief, if it is kept here.
    kit: Option<String>,
    /// How many most different ones, 1 to 24; default 6.
    different: Option<usize>,
    /// Bits of 64 up to which pictures are folded, 0 to 20; default 6.
    within: Option<u32>,
    /// Name of a row: only its candidates.
    row: Option<String>,
}

fn ask(different: Option<usize>, within: Option<u32>) -> Result<Ask, ApiError> {
    Ok(Ask {
        different: ApiError::in_range("different", different.unwrap_or(6), 1..=24)?,
        within: ApiError::in_range("within", within.unwrap_or(analysis::DUPLICATE), 0..=20)?,
    })
}

fn rank(asset: &Asset) -> i64 {
    i64::from(asset.rating) * 2 + i64::from(asset.favourite)
}

/// What can be measured of the drafts of a campaign: broken ones, those that look like one, the most different, distance to the
/// palette, room for words. Looks at 48 new pictures a request; ask again until `pending` is 0.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/aids", tag = "brand", params(("id" = String, Path), AidsQuery),
    responses((status = 200, body = AidsView), (status = 400), (status = 404)))]
pub async fn of_campaign(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<AidsQuery>,
) -> Result<Json<AidsView>, ApiError> {
    let how = ask(query.different, query.within)?;
    app.blocking(move |app| {
        let campaign = app.store.campaign(&id)?;
        let brief: Brief = serde_json::from_str(&campaign.brief).map_err(ApiError::internal)?;
        let kit: Option<Ready> = match (&query.kit, &brief.brand_kit) {
            (Some(kit), _) => Some(ready(app, Some(kit), None, None)?),
            (None, Some(kit)) => ready(app, Some(kit), None, None).ok(),
            (None, None) => None,
        };
        let filter = CandidateFilter { row: query.row, ..CandidateFilter::default() };
        let (candidates, _) = app.store.candidates(&id, &filter, 0, MAX_CANDIDATES)?;
        let mut asked = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let Some(asset) = candidate.asset.as_ref().or(candidate.final_asset.as_ref()) else { continue };
            let asset = app.store.asset(asset)?;
            let leads = rank(&asset) + if candidate.picked { PICKED } else { 0 };
            asked.push(Asked { asset, candidate: Some((candidate.id, candidate.row)), leads });
        }
        Ok(Json(aids(app, &asked, kit.as_ref(), how)?))
    })
    .await
}

/// How to ask about the library.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LibraryQuery {
    /// Name or id of a brand kit.
    kit: Option<String>,
    /// How many most different ones, 1 to 24; default 6.
    different: Option<usize>,
    /// Bits of 64 up to which pictures are folded, 0 to 20; default 6.
    within: Option<u32>,
    /// Words that all stand in prompt, tags or model name.
    search: Option<String>,
    /// `image` (default), `upload` or `all`.
    kind: Option<String>,
    /// Id of a project.
    project: Option<String>,
    /// Id of a job.
    job: Option<String>,
    /// Id of a batch.
    batch: Option<String>,
    /// Id of the picture they were developed from.
    parent: Option<String>,
    /// A tag.
    tag: Option<String>,
    /// Name of a model.
    model: Option<String>,
    /// Only favourites (`true`), or only the others.
    favourite: Option<bool>,
    /// Lowest rating, 0 to 5.
    min_rating: Option<u8>,
}

/// What can be measured of pictures of the library, at most 500, the newest first. Looks at 48 new pictures a request.
#[utoipa::path(get, path = "/api/v1/assets/aids", tag = "brand", params(LibraryQuery),
    responses((status = 200, body = AidsView), (status = 400)))]
pub async fn of_library(
    State(app): State<Arc<App>>,
    Query(query): Query<LibraryQuery>,
) -> Result<Json<AidsView>, ApiError> {
    let how = ask(query.different, query.within)?;
    let LibraryQuery { kit, search, kind, project, job, batch, parent, tag, model, favourite, min_rating, .. } = query;
    let given = AssetQuery {
        search,
        kind,
        project,
        job,
        batch,
        parent,
        tag,
        model,
        favourite,
        min_rating,
        ..AssetQuery::default()
    };
    let filter = given.filter()?;
    app.blocking(move |app| {
        let kit = kit.map(|kit| ready(app, Some(&kit), None, None)).transpose()?;
        let found = app.store.assets(&filter, 0, MAX_ASSETS)?.assets.into_iter();
        let asked: Vec<Asked> = found.map(|asset| Asked { leads: rank(&asset), asset, candidate: None }).collect();
        Ok(Json(aids(app, &asked, kit.as_ref(), how)?))
    })
    .await
}
