//! The brand's look on pictures, as the native interface and the command line both use it: kits, compositions, deliveries, and what
//! can be measured of pictures. Nothing here draws with a model; picks with too few pixels are enlarged.

mod aids;
mod compose;
mod deliver;
mod enlarge;
mod kits;
mod progress;
mod wish;

use std::sync::{Arc, Mutex, PoisonError};

use delivery::Catalogue;
use layout::{Finding, Kind, Level, Picture};
use serde::Serialize;
use store::Asset;
use utoipa::ToSchema;

pub use aids::{AidsView, Ask, Asked, KitName, aids};
pub use compose::{ComposeRequest, Composition, PaletteView, compose, palette, told};
pub use deliver::{DeliveryPlan, make, plan};
use enlarge::larger;
pub use kits::{KitFinding, Ready, Rules, STARTER, brand_from_file, ready};
pub use progress::DeliveryProgress;
pub use wish::{DeliveryRequest, Picks};

use crate::app::App;
use crate::error::ApiError;

/// Catalogue of channels in the data folder, in place of the built-in one.
const CHANNELS: &str = "channels.toml";
/// Brands and pictures that are kept ready.
const READY: usize = 8;

/// Brands and pictures that were used a moment ago: a live preview asks for the same ones again and again.
#[derive(Default)]
pub struct Brands {
    brands: Mutex<Vec<(String, Arc<kits::Usable>)>>,
    pictures: Mutex<Vec<(String, Arc<Picture>)>>,
    enlarging: enlarge::Enlarging,
    /// Packages that are being made.
    pub making: progress::Making,
}

/// The value of a key, or a new one, which then is the newest of `most`.
fn kept<T, E>(
    among: &Mutex<Vec<(String, Arc<T>)>>,
    most: usize,
    key: &str,
    make: impl FnOnce() -> Result<T, E>,
) -> Result<Arc<T>, E> {
    let lock = || among.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, found)) = lock().iter().find(|(known, _)| known == key) {
        return Ok(found.clone());
    }
    let made = Arc::new(make()?);
    let mut kept = lock();
    kept.insert(0, (key.to_owned(), made.clone()));
    kept.truncate(most);
    Ok(made)
}

/// The pixels of an asset. Blocks.
pub fn pixels(app: &App, asset: &Asset) -> Result<Picture, ApiError> {
    let image = crate::picture::decode("asset", &app.store.asset_bytes(asset)?)?;
    Picture::new(image.width(), image.height(), image.into_raw()).map_err(ApiError::internal)
}

/// The same, kept ready for the next time.
pub fn pixels_again(app: &App, asset: &Asset) -> Result<Arc<Picture>, ApiError> {
    kept(&app.brands.pictures, READY, &asset.sha256, || pixels(app, asset))
}

/// The channels there are: `channels.toml` of the data folder, or the built-in catalogue. Blocks.
pub fn channels(app: &App) -> Result<Catalogue, ApiError> {
    let own = app.store.folder().join(CHANNELS);
    let found = if own.is_file() { Catalogue::read(&own) } else { Catalogue::starter() };
    found.map_err(|error| ApiError::field("channels", format!("{CHANNELS} of the data folder: {error}")))
}

/// Refuses the names of channels that do not exist; `field` is the list they stand in.
pub fn check_channels(catalogue: &Catalogue, field: &str, names: &[String]) -> Result<(), ApiError> {
    match names.iter().position(|name| catalogue.get(name).is_none()) {
        None => Ok(()),
        Some(at) => {
            let name: String = names[at].chars().take(80).collect();
            let near = nearest(catalogue, &name).map_or(String::new(), |near| format!("; there is '{near}'"));
            let message = format!("there is no channel '{name}'{near} (GET /api/v1/channels lists them)");
            Err(ApiError::field(&format!("{field}[{at}]"), message))
        }
    }
}

/// A channel whose name begins in the same way.
fn nearest<'a>(catalogue: &'a Catalogue, name: &str) -> Option<&'a str> {
    let same = |id: &str| id.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    let best = catalogue.channels.iter().max_by_key(|channel| same(&channel.id))?;
    (same(&best.id) >= 4).then_some(best.id.as_str())
}

/// A remark about a picture.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FindingView {
    /// `note`, `warning` or `error`: an error must not go out like this.
    pub level: &'static str,
    /// The layer of the template; empty for the whole.
    pub layer: String,
    /// A word for programs, such as `contrast`.
    pub kind: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl From<&Finding> for FindingView {
    fn from(finding: &Finding) -> Self {
        Self {
            level: level(finding.level),
            layer: finding.layer.clone(),
            kind: match &finding.kind {
                Kind::MissingText { .. } => "missing_text",
                Kind::UnusedText { .. } => "unused_text",
                Kind::MissingGlyphs { .. } => "missing_glyphs",
                Kind::MissingFont { .. } => "missing_font",
                Kind::Overlong { .. } => "overlong",
                Kind::Contrast { .. } => "contrast",
                Kind::Repaired { .. } => "repaired",
                Kind::Logo(_) => "logo",
                Kind::NoLogo { .. } => "no_logo",
                Kind::OffPalette { .. } => "off_palette",
                Kind::Covered => "covered",
                Kind::OnSubject { .. } => "on_subject",
                Kind::Turned => "turned",
                Kind::Enlarged { .. } => "enlarged",
                Kind::Redrawn { .. } => "redrawn",
            },
            message: finding.to_string(),
        }
    }
}

/// The word for a level.
pub fn level(level: Level) -> &'static str {
    match level {
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

/// What is wrong with a composition or a file for a channel, by its field.
pub fn delivery_error(error: delivery::DeliveryError) -> ApiError {
    use delivery::DeliveryFault;
    use layout::ComposeError;
    let message = error.to_string();
    match &error.source {
        DeliveryFault::Template(_) => ApiError::field("template", message),
        DeliveryFault::Compose(ComposeError::Text { slot, .. }) => {
            let slot: String = slot.chars().take(80).collect();
            ApiError::field(&format!("texts.{slot}"), message)
        }
        DeliveryFault::Compose(ComposeError::Role { .. }) => ApiError::field("kit", message),
        DeliveryFault::Compose(ComposeError::Size(_)) => ApiError::field("size", message),
        DeliveryFault::Encode(delivery::EncodeError::Cap { .. }) => ApiError::field("channels", message),
        _ => ApiError::internal(message),
    }
}
