//! A campaign's picks for every channel: what would be made, and the package.

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use delivery::{Delivered, Item, Names, Package};
use rayon::prelude::*;
use serde::Serialize;
use store::NewDelivery;
use utoipa::ToSchema;

use super::wish::{Pick, Wish};
use super::{
    DeliveryProgress, DeliveryRequest, FindingView, KitFinding, KitName, Ready, delivery_error, larger, pixels,
    pixels_again, told,
};
use crate::app::App;
use crate::error::ApiError;

/// Most files that a plan names.
const MAX_NAMED: usize = 500;

/// What a delivery would make.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryPlan {
    /// Picks that are delivered.
    picks: usize,
    /// Picks without a final, as row and number; they are left out.
    missing: Vec<String>,
    /// Files for channels.
    files: usize,
    /// The kit.
    kit: KitName,
    /// What the kit lacks.
    kit_findings: Vec<KitFinding>,
    /// The channels.
    channels: Vec<PlannedChannel>,
    /// The files, at most 500 of them.
    items: Vec<PlannedFile>,
    /// Picks whose compositions were tried; only their files have findings.
    checked: usize,
    /// Findings by level among those.
    errors: usize,
    /// Findings by level among those.
    warnings: usize,
}

/// A channel of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlannedChannel {
    /// Id.
    id: String,
    /// Pixels across.
    width: u32,
    /// Pixels down.
    height: u32,
    /// Most bytes of a file.
    max_bytes: Option<u64>,
    /// The template; none for crops.
    template: Option<String>,
}

/// A file of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlannedFile {
    /// Its path in the package; the ending may become another one where the byte cap asks for it.
    file: String,
    /// Id of the candidate.
    candidate: String,
    /// Name of its row.
    row: String,
    /// Id of the picture.
    asset: String,
    /// Id of the channel.
    channel: String,
    /// Its words by slot; absent if it was not tried.
    texts: Option<BTreeMap<String, String>>,
    /// What is to be known about it, the worst first; absent if it was not tried.
    findings: Option<Vec<FindingView>>,
}

/// A package that was made.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    /// Id of the delivery.
    pub id: String,
    /// Files for channels.
    pub files: usize,
    /// Picks that were left out because they have no final.
    pub missing: Vec<String>,
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// Findings of level error: somebody should look at these files before they go out.
    pub errors: usize,
}

/// What a delivery would make; compositions of the first picks are tried. Blocks.
pub fn plan(app: &App, id: &str, request: DeliveryRequest) -> Result<DeliveryPlan, ApiError> {
    let wish = Wish::new(app, id, request, None)?;
    let mut names = Names::new(wish.pattern.clone());
    let mut items = Vec::new();
    let (mut errors, mut warnings) = (0, 0);
    for (number, pick) in wish.picks.iter().enumerate() {
        let picture = if number < wish.check { Some(pixels_again(app, &pick.asset)?) } else { None };
        for (channel, composition) in &wish.channels {
            let name = pick.name();
            let (width, height) = (channel.width.to_string(), channel.height.to_string());
            let seed = pick.candidate.seed.to_string();
            let format = wish.request.format.filter(|format| channel.formats.contains(format));
            let format = format.or(channel.formats.first().copied());
            let file = names.next(
                &delivery::sanitised(&channel.id),
                &[
                    ("campaign", wish.campaign.name.as_str()),
                    ("asset", &name),
                    ("channel", &channel.id),
                    ("width", &width),
                    ("height", &height),
                    ("seed", &seed),
                    ("ext", format.map_or("", delivery::Format::extension)),
                ],
            );
            let (findings, texts) = match &picture {
                None => (None, None),
                Some(picture) => {
                    let mut item = Item::new(&wish.campaign.name, &name, picture);
                    item.texts = wish.texts(pick, channel, *composition)?;
                    (item.composition, item.side, item.focus) = (*composition, wish.request.side, pick.focus);
                    let drawn =
                        delivery::draw(&item, channel, &wish.ready.usable.brand, &|| larger(app, &pick.asset, picture));
                    let mut found = told(&drawn.map_err(delivery_error)?);
                    if pick.is_draft {
                        found.push(draft());
                    }
                    errors += found.iter().filter(|finding| finding.level == "error").count();
                    warnings += found.iter().filter(|finding| finding.level == "warning").count();
                    (Some(found), Some(item.texts))
                }
            };
            if items.len() < MAX_NAMED {
                items.push(PlannedFile {
                    file,
                    candidate: pick.candidate.id.clone(),
                    row: pick.candidate.row.clone(),
                    asset: pick.asset.id.clone(),
                    channel: channel.id.clone(),
                    texts,
                    findings,
                });
            }
        }
    }
    let channels = wish
        .channels
        .iter()
        .map(|(channel, composition)| {
            let template = delivery::template_for(*composition, channel).map_err(delivery_error)?;
            Ok(PlannedChannel {
                id: channel.id.clone(),
                width: channel.width,
                height: channel.height,
                max_bytes: channel.max_bytes,
                template: template.map(|template| template.name.clone()),
            })
        })
        .collect::<Result<Vec<_>, ApiError>>()?;
    Ok(DeliveryPlan {
        picks: wish.picks.len(),
        files: wish.picks.len() * wish.channels.len(),
        kit: KitName::from(&wish.ready),
        kit_findings: wish.ready.usable.findings.clone(),
        channels,
        items,
        checked: wish.check.min(wish.picks.len()),
        errors,
        warnings,
        missing: wish.missing,
    })
}

/// A draft goes out in place of a final.
fn draft() -> FindingView {
    let message = "there is no final yet: this is the draft".to_owned();
    FindingView { level: "warning", layer: String::new(), kind: "draft", message }
}

/// Makes the package and keeps that it was made. A file that cannot be made, such as one that does not fit under its cap, stops it:
/// nobody gets a part. `on_progress` is told before each pick. Blocks.
pub fn make<W: Write + Seek>(
    app: &App,
    id: &str,
    request: DeliveryRequest,
    kit: Option<Ready>,
    to: W,
    on_progress: &dyn Fn(DeliveryProgress),
) -> Result<(W, Made), ApiError> {
    let wish = Wish::new(app, id, request, kit)?;
    if wish.picks.is_empty() {
        let message = match wish.missing.len() {
            0 => "nothing is picked (or approved) yet".to_owned(),
            count => format!("{count} picks have no final yet: draw the finals, or set drafts"),
        };
        return Err(ApiError::field("picks", message));
    }
    let mut package = Package::new(to, wish.pattern.clone(), &wish.campaign.name).map_err(ApiError::internal)?;
    let (mut files, mut errors) = (0, 0);
    for pick in &wish.picks {
        on_progress(DeliveryProgress { done: files, files: wish.picks.len() * wish.channels.len() });
        for made in delivered(app, &wish, pick)? {
            let path = package.add(&made).map_err(ApiError::internal)?;
            files += 1;
            errors += made.findings.iter().filter(|finding| finding.level == layout::Level::Error).count();
            let safe = wish.channels.iter().find(|(channel, _)| channel.id == made.channel).and_then(|(c, _)| c.safe);
            if let (true, Some(safe)) = (wish.request.safe_zones, safe) {
                let image = crate::picture::decode("asset", &made.bytes)?;
                let picture = layout::Picture::new(image.width(), image.height(), image.into_raw());
                let shown = delivery::safe_zone_overlay(&picture.map_err(ApiError::internal)?, safe);
                let png = formats::picture::encode(shown.width(), shown.height(), shown.pixels(), &[]);
                package.add_preview(&path, &png.map_err(ApiError::internal)?).map_err(ApiError::internal)?;
            }
        }
    }
    let (mut to, manifest_sha256) = package.finish().map_err(ApiError::internal)?;
    let bytes = to.seek(std::io::SeekFrom::End(0)).map_err(ApiError::internal)?;
    let id = app.store.add_delivery(&NewDelivery {
        campaign: wish.campaign.id.clone(),
        kit: Some(wish.ready.name.clone()),
        kit_version: Some(wish.ready.version),
        wish: serde_json::to_string(&wish.request).map_err(ApiError::internal)?,
        files: files as i64,
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        manifest_sha256: manifest_sha256.clone(),
    })?;
    Ok((to, Made { id, files, missing: wish.missing, manifest_sha256, errors }))
}

/// The files of a pick, in the order of the channels.
fn delivered(app: &App, wish: &Wish, pick: &Pick) -> Result<Vec<Delivered>, ApiError> {
    let picture = pixels(app, &pick.asset)?;
    let name = pick.name();
    wish.channels
        .par_iter()
        .map(|(channel, composition)| {
            let mut item = Item::new(&wish.campaign.name, &name, &picture);
            item.texts = wish.texts(pick, channel, *composition)?;
            (item.composition, item.side, item.focus) = (*composition, wish.request.side, pick.focus);
            (item.seed, item.recipe) = (Some(pick.candidate.seed), Some(pick.asset.id.as_str()));
            item.prefer = wish.request.format.into_iter().collect();
            let made =
                delivery::deliver(&item, channel, &wish.ready.usable.brand, &|| larger(app, &pick.asset, &picture));
            made.map_err(|error| {
                let error = delivery_error(error);
                ApiError { message: format!("{name}: {}", error.message), ..error }
            })
        })
        .collect()
}
