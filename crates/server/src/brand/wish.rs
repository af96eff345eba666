//! What somebody wants delivered, resolved: which picks, for which channels, composed how, with which kit and words. Everything that
//! does not exist is refused by name before anything is drawn.

use std::collections::BTreeMap;

use campaign::{Brief, ReviewState};
use delivery::{Channel, Composition, Format, Pattern};
use layout::{Side, Texts};
use serde::{Deserialize, Serialize};
use store::{Asset, Campaign, Candidate, CandidateFilter};
use utoipa::ToSchema;

use super::{Ready, channels, check_channels, compose, ready};
use crate::app::App;
use crate::error::ApiError;
use crate::studio::every;

/// Most files of a delivery.
pub const MAX_FILES: usize = 2000;
/// Most picks whose compositions a plan tries.
const MAX_CHECK: usize = 24;
/// In `templates`: all channels that are not named.
const OTHERS: &str = "*";

/// What to deliver.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryRequest {
    /// Ids of channels; default: those of the brief.
    pub channels: Vec<String>,
    /// Template by channel (`*` for all others): a name, `words` (the overlay that suits the shape), `crop` or `channel` (the
    /// channel's own, which is the default).
    pub templates: BTreeMap<String, String>,
    /// Name or id of the brand kit; default: that of the brief, or else the built-in one.
    pub kit: Option<String>,
    /// Version of the kit; default: the newest published one, or else the newest.
    pub kit_version: Option<u32>,
    /// Pattern of file names; default `{campaign}_{asset}_{channel}_{width}x{height}.{ext}`; also `{seed}`.
    pub names: Option<String>,
    /// Words by slot for every pick; the `texts` columns of its row come first.
    pub texts: BTreeMap<String, String>,
    /// `picked` (default): all picks, or `approved`: those that are approved.
    #[schema(value_type = Option<String>)]
    pub picks: Picks,
    /// Whether picks without a final go out as drafts; else they are left out, and told.
    pub drafts: bool,
    /// The side on which words will stand, for crops: `any` (default), `left`, `right`, `top`, `bottom`.
    #[schema(value_type = Option<String>)]
    pub side: Side,
    /// Where the subject is, by candidate: from the left and from the top, 0 to 1.
    pub focus: BTreeMap<String, [f64; 2]>,
    /// `jpeg`, `png` or `webp`, where the channel accepts it.
    #[schema(value_type = Option<String>)]
    pub format: Option<Format>,
    /// Whether pictures with what the platform covers are put into `previews/`.
    pub safe_zones: bool,
    /// In a plan: picks whose compositions are tried for their findings, 0 to 24; default 3.
    pub check: Option<usize>,
}

/// Which picks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Picks {
    /// All that are picked.
    #[default]
    Picked,
    /// Those that are approved.
    Approved,
}

/// A pick with its picture and words.
pub struct Pick {
    /// The candidate.
    pub candidate: Candidate,
    /// Its final, or else its draft.
    pub asset: Asset,
    /// Whether it is the draft.
    pub is_draft: bool,
    /// Its words by slot.
    pub texts: Texts,
    /// Where its subject is, if somebody said so.
    pub focus: Option<(f64, f64)>,
}

impl Pick {
    /// Its name in files: row and number, from 1.
    pub fn name(&self) -> String {
        format!("{}-{}", self.candidate.row, self.candidate.position + 1)
    }
}

/// A delivery, ready to be made.
pub struct Wish {
    /// The campaign.
    pub campaign: Campaign,
    /// What was asked for.
    pub request: DeliveryRequest,
    /// Channels and what composes them.
    pub channels: Vec<(Channel, Composition)>,
    /// The kit.
    pub ready: Ready,
    /// Names of files.
    pub pattern: Pattern,
    /// What is delivered.
    pub picks: Vec<Pick>,
    /// Picks that have no final, as row and number.
    pub missing: Vec<String>,
    /// Picks to be tried by a plan.
    pub check: usize,
}

impl Wish {
    /// Resolves a request; a kit that is given comes before that of the request. Blocks.
    pub fn new(app: &App, id: &str, request: DeliveryRequest, kit: Option<Ready>) -> Result<Self, ApiError> {
        let campaign = app.store.campaign(id)?;
        let brief: Brief = serde_json::from_str(&campaign.brief).map_err(ApiError::internal)?;
        let catalogue = channels(app)?;
        let names = if request.channels.is_empty() { &brief.channels } else { &request.channels };
        check_channels(&catalogue, if request.channels.is_empty() { "brief.channels" } else { "channels" }, names)?;
        if names.is_empty() {
            return Err(ApiError::field("channels", "the brief names no channels: name at least one"));
        }
        if let Some(at) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            return Err(ApiError::field(&format!("channels[{at}]"), format!("'{}' stands there twice", names[at])));
        }
        for (channel, name) in &request.templates {
            let shown: String = channel.chars().take(80).collect();
            let field = format!("templates.{shown}");
            if channel != OTHERS && !names.contains(channel) {
                return Err(ApiError::field(&field, "is no channel of this delivery"));
            }
            compose::composition(&field, name)?;
        }
        let composition = |channel: &str| {
            let name = request.templates.get(channel).or_else(|| request.templates.get(OTHERS));
            name.map_or(Ok(Composition::Channel), |name| compose::composition("templates", name))
        };
        let channels = names
            .iter()
            .filter_map(|name| catalogue.get(name))
            .map(|channel| Ok((channel.clone(), composition(&channel.id)?)))
            .collect::<Result<Vec<_>, ApiError>>()?;
        let ready = match (kit, request.kit.as_deref().or(brief.brand_kit.as_deref())) {
            (Some(kit), _) => kit,
            (None, name) => ready(app, name, request.kit_version, None)?,
        };
        let pattern = request.names.as_deref().map(Pattern::new).transpose();
        let pattern = pattern.map_err(|error| ApiError::field("names", error.to_string()))?.unwrap_or_default();
        let check = ApiError::in_range("check", request.check.unwrap_or(3), 0..=MAX_CHECK)?;
        let (picks, missing) = picks(app, &campaign, &brief, &request)?;
        let files = picks.len() * channels.len();
        if files > MAX_FILES {
            let message = format!(
                "{} picks for {} channels are {files} files; at most {MAX_FILES} go into one package",
                picks.len(),
                channels.len()
            );
            return Err(ApiError::field("channels", message));
        }
        Ok(Self { campaign, request, channels, ready, pattern, picks, missing, check })
    }

    /// The words of a pick that a channel has a place for.
    pub fn texts(&self, pick: &Pick, channel: &Channel, composition: Composition) -> Result<Texts, ApiError> {
        let template = delivery::template_for(composition, channel).map_err(super::delivery_error)?;
        let slots = template.map(layout::Template::slots).unwrap_or_default();
        let has_place = |(slot, _): &(&String, &String)| slots.contains(*slot);
        Ok(pick.texts.iter().filter(has_place).map(|(slot, text)| (slot.clone(), text.clone())).collect())
    }
}

fn picks(
    app: &App,
    campaign: &Campaign,
    brief: &Brief,
    request: &DeliveryRequest,
) -> Result<(Vec<Pick>, Vec<String>), ApiError> {
    let state = (request.picks == Picks::Approved).then_some(ReviewState::Approved);
    let filter = CandidateFilter { picked: Some(true), state, row: None };
    let candidates = every(|offset, limit| app.store.candidates(&campaign.id, &filter, offset, limit))?;
    for (candidate, point) in &request.focus {
        let shown: String = candidate.chars().take(64).collect();
        let field = format!("focus.{shown}");
        if !candidates.iter().any(|known| known.id == *candidate) {
            return Err(ApiError::field(&field, "is no pick of this campaign"));
        }
        compose::focus(&field, *point)?;
    }
    let (rows, _) = app.store.campaign_rows(&campaign.id, &store::RowFilter::default(), 0, u32::MAX)?;
    let values: BTreeMap<String, BTreeMap<String, String>> =
        rows.into_iter().map(|row| (row.key, serde_json::from_str(&row.slots).unwrap_or_default())).collect();
    let (mut picks, mut missing) = (Vec::new(), Vec::new());
    for candidate in candidates {
        let is_draft = candidate.final_asset.is_none();
        let asset = match (&candidate.final_asset, &candidate.asset) {
            (Some(asset), _) => Some(asset),
            (None, draft) => draft.as_ref().filter(|_| request.drafts),
        };
        let Some(asset) = asset else {
            missing.push(format!("{}-{}", candidate.row, candidate.position + 1));
            continue;
        };
        let mut texts: Texts = request.texts.clone();
        if let Some(values) = values.get(&candidate.row) {
            let own = brief.texts.iter().filter_map(|text| Some((text.clone(), values.get(text)?.clone())));
            texts.extend(own.filter(|(_, text)| !text.trim().is_empty()));
        }
        let focus = request.focus.get(&candidate.id).map(|[x, y]| (*x, *y));
        picks.push(Pick { asset: app.store.asset(asset)?, is_draft, texts, focus, candidate });
    }
    Ok((picks, missing))
}
