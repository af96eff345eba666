//! One picture for one channel: crop or composition, exact size, a file under the cap.

use std::sync::Arc;

use analysis::{Look, Rect, Side};
use formats::digest::sha256_bytes;
use layout::{
    Brand, ComposeError, Finding, Kind, Level, Picture, ResizeError, Template, Texts, compose, enlargement, resize,
};

use crate::channel::{Channel, SafeZone};
use crate::encode::{EncodeError, Format, encode_within};
use crate::sheet::Thumbnail;

/// Gives the pick a whole number of times as wide and high; none where it is to be resampled.
pub type Enlarge<'a> = dyn Fn() -> Option<Arc<Picture>> + Sync + 'a;

/// What composes a picture for a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Composition {
    /// The channel's own template, or a crop where it has none.
    #[default]
    Channel,
    /// The channel's own template, or the one that [`overlay_for`] chooses.
    Words,
    /// A crop, whatever the channel's template is.
    Crop,
    /// This template.
    Template(&'static Template),
}

/// What is delivered.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// The campaign's name.
    pub campaign: &'a str,
    /// The asset's name or id.
    pub asset: &'a str,
    /// The pick.
    pub picture: &'a Picture,
    /// Words for composed channels, by slot.
    pub texts: Texts,
    /// What composes it.
    pub composition: Composition,
    /// The side on which words will stand, for crops without a template.
    pub side: Side,
    /// Where the subject is, in shares of the picture from the left and from the top; found by itself when absent.
    pub focus: Option<(f64, f64)>,
    /// The seed it was made with.
    pub seed: Option<u64>,
    /// Id of the recipe it was made with.
    pub recipe: Option<&'a str>,
    /// Texts inside the files: key, text.
    pub metadata: Vec<(String, String)>,
    /// Formats to try first, when the channel accepts them.
    pub prefer: Vec<Format>,
}

impl<'a> Item<'a> {
    /// A pick without words or metadata.
    pub fn new(campaign: &'a str, asset: &'a str, picture: &'a Picture) -> Self {
        Self {
            campaign,
            asset,
            picture,
            texts: Texts::new(),
            composition: Composition::Channel,
            side: Side::Any,
            focus: None,
            seed: None,
            recipe: None,
            metadata: Vec::new(),
            prefer: Vec::new(),
        }
    }
}

/// A picture for a channel, before it is a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Its pixels, in the channel's size.
    pub picture: Picture,
    /// What was cut from the pick, in its pixels; none where a template did it.
    pub crop: Option<Rect>,
    /// The template that composed it.
    pub template: Option<&'static str>,
    /// What is to be known about it.
    pub findings: Vec<Finding>,
    /// Where the template's layers ended up, in pixels.
    pub placed: Vec<(String, Rect)>,
}

/// A file for a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// The campaign's name.
    pub campaign: String,
    /// The asset's name or id.
    pub asset: String,
    /// Id of the channel.
    pub channel: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The file's format.
    pub format: Format,
    /// The file.
    pub bytes: Vec<u8>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Quality; none for formats without loss.
    pub quality: Option<u8>,
    /// What was cut from the pick, in its pixels; none where a template did it.
    pub crop: Option<Rect>,
    /// The template that composed it.
    pub template: Option<String>,
    /// The seed it was made with.
    pub seed: Option<u64>,
    /// Id of the recipe it was made with.
    pub recipe: Option<String>,
    /// Name of the brand kit.
    pub brand: String,
    /// Version of the brand kit.
    pub brand_version: u32,
    /// What is to be known about it.
    pub findings: Vec<Finding>,
    /// A small picture of it.
    pub thumbnail: Thumbnail,
}

/// Nothing could be delivered.
#[derive(Debug, thiserror::Error)]
#[error("channel `{channel}`: {source}")]
pub struct DeliveryError {
    /// Id of the channel.
    pub channel: String,
    /// What went wrong.
    pub source: DeliveryFault,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryFault {
    /// The channel names a template that does not exist.
    #[error("there is no template `{0}`")]
    Template(String),
    /// The composition failed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// Scaling failed.
    #[error(transparent)]
    Resize(#[from] ResizeError),
    /// No file came out.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// No network enlarges: pictures with too few pixels are resampled.
pub fn resampled() -> Option<Arc<Picture>> {
    None
}

/// The built-in template with words over a picture whose shape is nearest to a size.
pub fn overlay_for(width: u32, height: u32) -> Option<&'static Template> {
    let aspect = |width: u32, height: u32| (f64::from(width) / f64::from(height.max(1))).ln();
    let off = |template: &Template| (aspect(template.size[0], template.size[1]) - aspect(width, height)).abs();
    let overlays = Template::all_built_in().iter().filter(|template| template.name.starts_with("overlay."));
    overlays.min_by(|a, b| off(a).total_cmp(&off(b)))
}

/// Makes the file for a channel. `enlarge` is asked only when the picture has fewer pixels than the channel needs; what it gives
/// is brought to the exact size. Equal input gives equal bytes.
pub fn deliver(item: &Item, channel: &Channel, brand: &Brand, enlarge: &Enlarge) -> Result<Delivered, DeliveryError> {
    made(item, channel, brand, enlarge).map_err(|source| DeliveryError { channel: channel.id.clone(), source })
}

/// Draws the picture for a channel without making a file of it. `enlarge` as of [`deliver`].
pub fn draw(item: &Item, channel: &Channel, brand: &Brand, enlarge: &Enlarge) -> Result<Drawn, DeliveryError> {
    drawn(item, channel, brand, enlarge).map_err(|source| DeliveryError { channel: channel.id.clone(), source })
}

/// The template by which a channel is composed; none for a crop.
pub fn template_for(composition: Composition, channel: &Channel) -> Result<Option<&'static Template>, DeliveryError> {
    let named = |name: &String| {
        let source = DeliveryFault::Template(name.clone());
        Template::built_in(name).ok_or(DeliveryError { channel: channel.id.clone(), source })
    };
    Ok(match (composition, &channel.template) {
        (Composition::Template(template), _) => Some(template),
        (Composition::Crop, _) | (Composition::Channel, None) => None,
        (Composition::Channel | Composition::Words, Some(name)) => Some(named(name)?),
        (Composition::Words, None) => overlay_for(channel.width, channel.height),
    })
}

fn drawn(item: &Item, channel: &Channel, brand: &Brand, enlarge: &Enlarge) -> Result<Drawn, DeliveryFault> {
    let (width, height) = (channel.width, channel.height);
    let template = template_for(item.composition, channel).map_err(|error| error.source)?;
    let look = || {
        let look = Look::of(item.picture);
        item.focus.map_or_else(|| look.clone(), |(x, y)| look.clone().with_focus(x, y))
    };
    let (pick, mut findings) = (item.picture, Vec::new());
    let mut larger = |times: f64| {
        let large = if times > 1.0 { enlarge() } else { None };
        if let (Some(large), true) = (&large, times > TOLERATED) {
            findings.push(redrawn(times, f64::from(large.width()) / f64::from(pick.width())));
        }
        large
    };
    if let Some(template) = template {
        // A template crops by itself; around a named point it gets the crop that keeps it.
        let around = item.focus.map(|_| look().crop(frame_aspect(template, width, height), Side::Any).rect);
        let part = around.map(|rect| pick.crop(rect));
        let large = larger(enlargement(template, part.as_ref().unwrap_or(pick), (width, height)));
        let source = large.as_deref().unwrap_or(pick);
        let part = around.map(|rect| source.crop(of_larger(rect, pick, source)));
        let composed = compose(template, brand, part.as_ref().unwrap_or(source), &item.texts, (width, height))?;
        findings.extend(composed.findings);
        if let Some(safe) = channel.safe {
            findings.extend(outside(safe, &composed.placed, template, (width, height)));
        }
        let (picture, placed) = (composed.picture, composed.placed);
        return Ok(Drawn { picture, crop: None, template: Some(template.name.as_str()), findings, placed });
    }
    let rect = look().crop(f64::from(width) / f64::from(height), item.side).rect;
    let times = f64::from(width) / f64::from(rect.width);
    let large = larger(times);
    if large.is_none() && times > TOLERATED {
        findings.push(enlarged(times));
    }
    let source = large.as_deref().unwrap_or(pick);
    let picture = resize(&source.crop(of_larger(rect, pick, source)), width, height)?;
    Ok(Drawn { picture, crop: Some(rect), template: None, findings, placed: Vec::new() })
}

/// How many times a picture may be enlarged before it is said.
const TOLERATED: f64 = 1.05;
/// How many times a picture may be resampled before somebody should look.
const ENLARGED: f64 = 2.0;

fn enlarged(times: f64) -> Finding {
    let level = if times > ENLARGED { Level::Warning } else { Level::Note };
    Finding { level, layer: String::new(), kind: Kind::Enlarged { times } }
}

/// `most` is how many times the network enlarged it; what is missing then was resampled.
fn redrawn(times: f64, most: f64) -> Finding {
    let level = if times > most * TOLERATED { Level::Warning } else { Level::Note };
    Finding { level, layer: String::new(), kind: Kind::Redrawn { times } }
}

/// A part of a picture, in the same picture with more pixels.
fn of_larger(rect: Rect, picture: &Picture, larger: &Picture) -> Rect {
    let factor = larger.width() / picture.width();
    Rect { x: rect.x * factor, y: rect.y * factor, width: rect.width * factor, height: rect.height * factor }
}

/// Width by height of the place of the picture in a template.
fn frame_aspect(template: &Template, width: u32, height: u32) -> f64 {
    let mut frames = template.layers.iter().filter(|layer| matches!(layer.content, layout::Content::Picture { .. }));
    let whole = f64::from(width) / f64::from(height);
    frames.next().map_or(whole, |layer| whole * layer.frame.width / layer.frame.height)
}

fn made(item: &Item, channel: &Channel, brand: &Brand, enlarge: &Enlarge) -> Result<Delivered, DeliveryFault> {
    let Drawn { picture, crop, template, findings, .. } = drawn(item, channel, brand, enlarge)?;
    let preferred = item.prefer.iter().filter(|format| channel.formats.contains(format));
    let others = channel.formats.iter().filter(|format| !item.prefer.contains(format));
    let formats: Vec<Format> = preferred.chain(others).copied().collect();
    let file = encode_within(&picture, &formats, channel.max_bytes, &item.metadata)?;
    Ok(Delivered {
        campaign: item.campaign.into(),
        asset: item.asset.into(),
        channel: channel.id.clone(),
        width: channel.width,
        height: channel.height,
        format: file.format,
        sha256: sha256_bytes(&file.bytes),
        quality: file.quality,
        bytes: file.bytes,
        crop,
        template: template.map(str::to_owned),
        seed: item.seed,
        recipe: item.recipe.map(str::to_owned),
        brand: brand.kit().name.clone(),
        brand_version: brand.kit().version,
        findings,
        thumbnail: Thumbnail::of(&picture)?,
    })
}

/// Words and logos that the platform would cover.
fn outside(
    safe: SafeZone,
    placed: &[(String, Rect)],
    template: &Template,
    (width, height): (u32, u32),
) -> Vec<Finding> {
    let is_words = |name: &String| {
        template.layers.iter().any(|layer| {
            layer.name == *name && matches!(layer.content, layout::Content::Text { .. } | layout::Content::Logo { .. })
        })
    };
    let share = |at: u32, of: u32| f64::from(at) * 100.0 / f64::from(of);
    let covered = |rect: &Rect| {
        share(rect.x, width) < safe.left
            || share(rect.y, height) < safe.top
            || share(rect.x + rect.width, width) > 100.0 - safe.right
            || share(rect.y + rect.height, height) > 100.0 - safe.bottom
    };
    placed
        .iter()
        .filter(|(name, rect)| is_words(name) && covered(rect))
        .map(|(name, _)| Finding { level: Level::Warning, layer: name.clone(), kind: Kind::Covered })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;
    use crate::encode::tests::busy;
    use layout::BrandKit;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn brand() -> Brand {
        Brand::new(BrandKit::starter(), &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap()
    }

    fn texts() -> Texts {
        let pairs = [("headline", "Autumn is here"), ("subline", "Wool from the hills"), ("cta", "See it")];
        pairs.map(|(slot, text)| (slot.to_owned(), text.to_owned())).into()
    }

    #[test]
    fn every_channel_is_served_under_its_cap() {
        let catalogue = Catalogue::starter().unwrap();
        let picture = busy(512, 384);
        let brand = brand();
        for channel in &catalogue.channels {
            let mut item = Item::new("c", "a", &picture);
            item.texts = texts();
            let made = deliver(&item, channel, &brand, &resampled).unwrap();
            let image = image::load_from_memory(&made.bytes).unwrap();
            assert_eq!((image.width(), image.height()), (channel.width, channel.height), "{}", channel.id);
            assert!(channel.max_bytes.is_none_or(|cap| made.bytes.len() as u64 <= cap), "{}", channel.id);
            assert_eq!(made.sha256, sha256_bytes(&made.bytes));
            assert_eq!(made.crop.is_some(), channel.template.is_none());
            assert!(made.findings.iter().all(|finding| finding.level < Level::Error), "{:?}", made.findings);
        }
    }

    #[test]
    fn the_enlarger_is_asked_only_when_pixels_are_missing() {
        let catalogue = Catalogue::starter().unwrap();
        let asked = AtomicUsize::new(0);
        let (small, large) = (busy(600, 700), busy(1200, 1400));
        let enlarge = || {
            asked.fetch_add(1, Ordering::Relaxed);
            Some(Arc::new(resize(&small, 1200, 1400).unwrap()))
        };
        let square = catalogue.get("meta.feed.1x1").unwrap();
        let made = deliver(&Item::new("c", "a", &large), square, &brand(), &enlarge).unwrap();
        assert_eq!((asked.load(Ordering::Relaxed), made.findings.len()), (0, 0));
        let item = Item::new("c", "a", &small);
        let made = deliver(&item, square, &brand(), &enlarge).unwrap();
        assert_eq!((asked.load(Ordering::Relaxed), made.width, made.height), (1, 1080, 1080));
        assert!(matches!(made.findings[..], [Finding { level: Level::Note, kind: Kind::Redrawn { .. }, .. }]));
        let crop = made.crop.unwrap();
        assert_eq!((crop.width, crop.height), (600, 600), "the crop is told in the pick's pixels");
        // Half of it in each direction is larger than what the network gives: the rest is resampled, and that is said.
        let tall = catalogue.get("meta.story").unwrap();
        let made = deliver(&item, tall, &brand(), &enlarge).unwrap();
        assert!(matches!(made.findings[..], [Finding { level: Level::Warning, kind: Kind::Redrawn { .. }, .. }]));
        let made = deliver(&item, tall, &brand(), &resampled).unwrap();
        assert!(matches!(made.findings[..], [Finding { level: Level::Warning, kind: Kind::Enlarged { .. }, .. }]));
    }

    #[test]
    fn a_template_takes_the_larger_picture_and_the_named_point() {
        let catalogue = Catalogue::starter().unwrap();
        // All but the left quarter is red: with the point at the right, the crop of the larger picture is red.
        let two = |side: u32| {
            let pixel = |i: u32| if i % side < side / 4 { [0, 0, 255, 255] } else { [255, 0, 0, 255] };
            Picture::new(side, side, (0..side * side).flat_map(pixel).collect()).unwrap()
        };
        let (small, large) = (two(100), Arc::new(two(400)));
        let mut item = Item::new("c", "a", &small);
        (item.composition, item.focus) = (Composition::Words, Some((1.0, 0.5)));
        let story = catalogue.get("meta.story").unwrap();
        let drawn = draw(&item, story, &brand(), &|| Some(large.clone())).unwrap();
        assert!(drawn.findings.iter().any(|finding| matches!(finding.kind, Kind::Redrawn { times } if times > 10.0)));
        let blue = |drawn: &Drawn| drawn.picture.pixels().chunks_exact(4).filter(|p| p[..3] == [0, 0, 255]).count();
        assert_eq!(blue(&drawn), 0);
        item.focus = Some((0.0, 0.5));
        assert!(blue(&draw(&item, story, &brand(), &|| Some(large.clone())).unwrap()) > 10_000);
    }

    #[test]
    fn equal_input_gives_equal_bytes() {
        let catalogue = Catalogue::starter().unwrap();
        let picture = busy(300, 300);
        let mut item = Item::new("c", "a", &picture);
        (item.texts, item.composition) = (texts(), Composition::Words);
        for id in ["meta.story", "google.display.300x250"] {
            let make = || deliver(&item, catalogue.get(id).unwrap(), &brand(), &resampled).unwrap();
            assert_eq!(make(), make());
        }
    }

    #[test]
    fn words_of_a_story_stay_in_its_safe_zone_and_others_are_told() {
        let catalogue = Catalogue::starter().unwrap();
        let picture = busy(540, 960);
        let mut item = Item::new("c", "a", &picture);
        (item.texts, item.composition) = (texts(), Composition::Words);
        let covered = |channel: &Channel| {
            let made = deliver(&item, channel, &brand(), &resampled).unwrap();
            made.findings.iter().filter(|finding| finding.kind == Kind::Covered).count()
        };
        let mut story = catalogue.get("meta.story").unwrap().clone();
        assert_eq!(covered(&story), 0);
        story.safe = Some(SafeZone { top: 60.0, right: 0.0, bottom: 0.0, left: 0.0 });
        assert!(covered(&story) > 0);
    }

    #[test]
    fn an_impossible_cap_names_the_channel() {
        let mut channel = Catalogue::starter().unwrap().get("meta.feed.1x1").unwrap().clone();
        channel.max_bytes = Some(500);
        let error = deliver(&Item::new("c", "a", &busy(99, 99)), &channel, &brand(), &resampled).unwrap_err();
        assert!(error.to_string().starts_with("channel `meta.feed.1x1`: at most 500 bytes are allowed"), "{error}");
        channel.template = Some("gone".into());
        let error = deliver(&Item::new("c", "a", &busy(99, 99)), &channel, &brand(), &resampled).unwrap_err();
        assert_eq!(error.to_string(), "channel `meta.feed.1x1`: there is no template `gone`");
    }

    #[test]
    fn odd_pictures_are_served() {
        let catalogue = Catalogue::starter().unwrap();
        let square = catalogue.get("linkedin.single.v").unwrap();
        for picture in [
            Picture::filled(1, 1, [9, 9, 9, 255]).unwrap(),
            Picture::filled(8192, 3, [9, 9, 9, 255]).unwrap(),
            Picture::filled(3, 2000, [9, 9, 9, 0]).unwrap(),
        ] {
            let mut item = Item::new("c", "a", &picture);
            deliver(&item, square, &brand(), &resampled).unwrap();
            (item.texts, item.composition) = (texts(), Composition::Words);
            deliver(&item, square, &brand(), &resampled).unwrap();
        }
    }
}
