//! One picture, one template, one channel: pixels and what is to be known about them, fast enough to be looked at while somebody
//! types.

use std::collections::BTreeMap;

use analysis::palette as colours;
use delivery::{Channel, Confidence, Drawn, Format, Item};
use layout::{BrandKit, Picture, Side, Template};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{FindingView, Ready, channels, delivery_error, larger, pixels_again, ready};
use crate::app::App;
use crate::error::ApiError;

/// Longest side of a composition without a channel, pixels.
const MAX_SIDE: u32 = 4096;
/// Colours that are looked for in a picture.
const SWATCHES: usize = 6;

/// What to compose.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ComposeRequest {
    /// Id of the picture.
    pub asset: String,
    /// Name of a template, `words` (the overlay that suits the shape) or `crop`; default: the channel's own, or else a crop.
    pub template: Option<String>,
    /// Name or id of a brand kit; default: the built-in one.
    pub kit: Option<String>,
    /// Version of the kit; default: the newest published one, or else the newest.
    pub kit_version: Option<u32>,
    /// Rules of the kit that are not kept yet, as an object; its files are those uploaded to `kit`.
    #[schema(value_type = Option<Object>)]
    pub draft: Option<Value>,
    /// Words by slot: `headline`, `subline`, `cta`.
    pub texts: BTreeMap<String, String>,
    /// Id of a channel; either this or `size`.
    pub channel: Option<String>,
    /// Size in pixels, such as `1080x1350`.
    pub size: Option<String>,
    /// The side on which words will stand, for crops: `any` (default), `left`, `right`, `top`, `bottom`.
    #[schema(value_type = Option<String>)]
    pub side: Side,
    /// Where the subject is, from the left and from the top, 0 to 1; found by itself when absent.
    pub focus: Option<[f64; 2]>,
    /// Whether what the platform covers is tinted.
    pub safe_zone: bool,
    /// Most pixels across of a preview, 16 to 2048; default 640.
    pub width: Option<u32>,
}

/// What was composed.
pub struct Composition {
    /// Pixels and findings.
    pub drawn: Drawn,
    /// The picture it was made of.
    pub source: std::sync::Arc<Picture>,
    /// The kit.
    pub ready: Ready,
    /// The channel.
    pub channel: Channel,
}

/// Composes. Blocks.
pub fn compose(app: &App, request: ComposeRequest) -> Result<Composition, ApiError> {
    let asset = app.store.asset(&request.asset).map_err(|error| ApiError::field("asset", error.to_string()))?;
    let channel = channel(app, &request)?;
    let composition = match request.template.as_deref() {
        None => delivery::Composition::Channel,
        Some(name) => composition("template", name)?,
    };
    let focus = request.focus.map(|point| focus("focus", point)).transpose()?;
    let ready = ready(app, request.kit.as_deref(), request.kit_version, request.draft)?;
    let source = pixels_again(app, &asset)?;
    let mut item = Item::new("", "", &source);
    (item.texts, item.composition, item.side, item.focus) = (request.texts, composition, request.side, focus);
    let mut drawn = delivery::draw(&item, &channel, &ready.usable.brand, &|| larger(app, &asset, &source))
        .map_err(delivery_error)?;
    if let (true, Some(safe)) = (request.safe_zone, channel.safe) {
        drawn.picture = delivery::safe_zone_overlay(&drawn.picture, safe);
    }
    Ok(Composition { drawn, source, ready, channel })
}

/// The channel of a request, or one of its size.
fn channel(app: &App, request: &ComposeRequest) -> Result<Channel, ApiError> {
    match (&request.channel, &request.size) {
        (Some(name), None) => {
            let catalogue = channels(app)?;
            super::check_channels(&catalogue, "channel", std::slice::from_ref(name))
                .map_err(|error| ApiError { field: Some("channel".into()), ..error })?;
            catalogue.get(name).cloned().ok_or_else(|| ApiError::field("channel", "is gone"))
        }
        (None, Some(size)) => {
            let sides = size.split_once(['x', 'X']).and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
            let (width, height): (u32, u32) =
                sides.ok_or_else(|| ApiError::field("size", "is not width x height, such as 1080x1350"))?;
            for side in [width, height] {
                ApiError::in_range("size", side, 1..=MAX_SIDE)?;
            }
            Ok(of_size(width, height))
        }
        _ => Err(ApiError::field("channel", "give either channel or size")),
    }
}

/// A channel that is nothing but a size.
fn of_size(width: u32, height: u32) -> Channel {
    Channel {
        id: "size".into(),
        width,
        height,
        ratio: format!("{width}:{height}"),
        max_bytes: None,
        formats: vec![Format::Png],
        template: None,
        safe: None,
        source: String::new(),
        checked_on: String::new(),
        confidence: Confidence::Low,
        note: None,
    }
}

/// The composition of a name; `field` is where it stands.
pub fn composition(field: &str, name: &str) -> Result<delivery::Composition, ApiError> {
    match name {
        "words" => Ok(delivery::Composition::Words),
        "crop" => Ok(delivery::Composition::Crop),
        "channel" => Ok(delivery::Composition::Channel),
        _ => Template::built_in(name).map(delivery::Composition::Template).ok_or_else(|| {
            let name: String = name.chars().take(80).collect();
            let message =
                format!("there is no template '{name}' (GET /api/v1/templates lists them; also: words, crop)");
            ApiError::field(field, message)
        }),
    }
}

/// A point of a picture, in shares.
pub fn focus(field: &str, [x, y]: [f64; 2]) -> Result<(f64, f64), ApiError> {
    Ok((ApiError::in_range(field, x, 0.0..=1.0)?, ApiError::in_range(field, y, 0.0..=1.0)?))
}

/// How a picture's colours are to those of a kit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PaletteView {
    /// Mean CIEDE2000 difference to the nearest colour of the kit, weighted by share.
    pub distance: f64,
    /// Share of the picture whose colours lie within the kit's tolerance, 0..=1.
    pub inside: f64,
    /// Which colours are outside, the largest first.
    pub findings: Vec<String>,
}

/// How far a picture is from a kit's colours; none when either has none.
pub fn palette(kit: &BrandKit, picture: &Picture) -> Option<PaletteView> {
    let swatches = colours::dominant(picture, SWATCHES);
    let findings = kit.palette_findings(picture).iter().map(ToString::to_string).collect();
    distance(kit, &swatches).map(|(distance, inside)| PaletteView { distance, inside, findings })
}

/// Mean difference to a kit, and the share within its tolerance.
pub fn distance(kit: &BrandKit, swatches: &[colours::Swatch]) -> Option<(f64, f64)> {
    let brand: Vec<analysis::Colour> = kit.colours.iter().map(|colour| colour.value).collect();
    let found = colours::compare(swatches, &brand)?;
    let within = |swatch: &colours::Swatch| {
        kit.colours.iter().any(|colour| swatch.colour.delta_e(colour.value) <= colour.tolerance)
    };
    let inside: f64 = swatches.iter().filter(|swatch| within(swatch)).map(|swatch| swatch.share).sum();
    // The sum of nothing is -0.
    Some((found.mean, (inside + 0.0).clamp(0.0, 1.0)))
}

/// Findings of a composition, the worst first, each once.
pub fn told(drawn: &Drawn) -> Vec<FindingView> {
    let mut findings: Vec<&layout::Finding> = Vec::new();
    for finding in &drawn.findings {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings.into_iter().map(FindingView::from).collect()
}
