//! What can be measured of many pictures: broken ones, those that look like one, the most different, distance to a palette, room
//! for words. A picture is looked at once and what was found is kept. Nothing of this says what people will like.

use std::collections::HashMap;

use analysis::palette::Swatch;
use analysis::{Colour, Feature, Look, Picture, broken};
use layout::BrandKit;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use store::Asset;
use utoipa::ToSchema;

use super::{PaletteView, Ready, compose::distance, pixels};
use crate::app::App;
use crate::error::ApiError;

/// Pictures that one request looks at for the first time.
const AT_ONCE: usize = 48;
/// Shapes of the places for words that are tried: width by height.
const SHAPES: [f64; 4] = [3.0, 16.0 / 9.0, 1.0, 0.6];
/// Least share of the picture that a place for words has.
const LEAST: f64 = 0.12;
/// The kept form; others are measured again.
const FORM: u32 = 2;

/// A picture that is asked about.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The picture.
    pub asset: Asset,
    /// Candidate and row, in a campaign.
    pub candidate: Option<(String, String)>,
    /// Whether it leads a group rather than others: the higher, the rather.
    pub leads: i64,
}

/// How to ask.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// How many most different ones.
    pub different: usize,
    /// Bits up to which pictures are folded.
    pub within: u32,
}

/// What was measured of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Seen {
    form: u32,
    broken: Vec<String>,
    sharpness: f64,
    quiet: f64,
    copy_space: Option<PlaceView>,
    side: Option<String>,
    focus: FocusView,
    colours: Vec<(Colour, f64)>,
    feature: Feature,
}

/// A place in shares of the picture, 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlaceView {
    /// From the left.
    x: f64,
    /// From the top.
    y: f64,
    /// Across.
    width: f64,
    /// Down.
    height: f64,
}

/// The subject in shares of the picture, 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FocusView {
    /// Its centre from the left.
    x: f64,
    /// Its centre from the top.
    y: f64,
    /// Its left edge.
    left: f64,
    /// Its top edge.
    top: f64,
    /// Its right edge.
    right: f64,
    /// Its bottom edge.
    bottom: f64,
}

/// A colour of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SwatchView {
    /// As `#1ea03c`.
    colour: String,
    /// Share of the visible pixels, 0..=1.
    share: f64,
}

/// What was measured of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AidView {
    /// Id of the picture.
    asset: String,
    /// Id of the candidate, in a campaign.
    candidate: Option<String>,
    /// Name of its row, in a campaign.
    row: Option<String>,
    /// Why nobody needs to look at it; empty when it is fine.
    broken: Vec<String>,
    /// Index of its group in `groups`; none if it is broken.
    group: Option<usize>,
    /// Whether it is the one to show of its group.
    leads: bool,
    /// Its rank among the most different, from 1.
    different: Option<usize>,
    /// Variance of the Laplacian; to compare pictures of one size.
    sharpness: f64,
    /// How well words stand in the best place for them, 0..=1; above 0.6 they read without help.
    quiet: f64,
    /// That place.
    copy_space: Option<PlaceView>,
    /// Where it lies: `left`, `right`, `top` or `bottom`.
    side: Option<String>,
    /// The subject.
    focus: FocusView,
    /// At most six colours, the largest first.
    colours: Vec<SwatchView>,
    /// How its colours are to the kit's.
    palette: Option<PaletteView>,
}

/// The kit that colours are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KitName {
    /// Its id; none for the built-in one.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
}

impl From<&Ready> for KitName {
    fn from(ready: &Ready) -> Self {
        Self { id: ready.id.clone(), name: ready.name.clone(), version: ready.version }
    }
}

/// What was measured of many pictures.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AidsView {
    /// Pictures that were asked about.
    total: usize,
    /// Those that were looked at; only they are in `pictures`.
    analysed: usize,
    /// Those that were not: ask again until there are none.
    pending: usize,
    /// The kit that colours are compared with.
    kit: Option<KitName>,
    /// What was measured, in the order of the list.
    pictures: Vec<AidView>,
    /// Pictures that look like one, the leader first.
    groups: Vec<Vec<String>>,
    /// The most different ones, the most outlying first.
    different: Vec<String>,
    /// Those that are broken.
    broken: Vec<String>,
}

/// Measures what is new (at most 48 pictures) and says what is known. Blocks.
pub fn aids(app: &App, asked: &[Asked], kit: Option<&Ready>, ask: Ask) -> Result<AidsView, ApiError> {
    let seen = look(app, asked)?;
    let there: Vec<(&Asked, &Seen)> =
        asked.iter().filter_map(|asked| Some((asked, seen.get(&asked.asset.id)?))).collect();
    // Leaders first; among equals the order of the list stays.
    let mut order: Vec<usize> = (0..there.len()).filter(|&i| there[i].1.broken.is_empty()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(there[i].0.leads));
    let hashes: Vec<u64> = order.iter().map(|&i| there[i].1.feature.hash()).collect();
    let groups: Vec<Vec<usize>> = analysis::fold(&hashes, ask.within)
        .into_iter()
        .map(|group| group.into_iter().map(|member| order[member]).collect())
        .collect();
    let leaders: Vec<usize> = groups.iter().map(|group| group[0]).collect();
    let features: Vec<Feature> = leaders.iter().map(|&i| there[i].1.feature.clone()).collect();
    let different: Vec<usize> =
        analysis::most_different(&features, ask.different).into_iter().map(|i| leaders[i]).collect();
    let mut group_of: HashMap<usize, (usize, bool)> = HashMap::new();
    for (number, group) in groups.iter().enumerate() {
        group_of.extend(group.iter().enumerate().map(|(place, &i)| (i, (number, place == 0))));
    }
    let id = |i: &usize| there[*i].0.asset.id.clone();
    let rules = kit.map(|kit| kit.usable.brand.kit());
    let pictures: Vec<AidView> = there
        .iter()
        .enumerate()
        .map(|(i, (asked, seen))| {
            let group = group_of.get(&i);
            AidView {
                asset: asked.asset.id.clone(),
                candidate: asked.candidate.as_ref().map(|(candidate, _)| candidate.clone()),
                row: asked.candidate.as_ref().map(|(_, row)| row.clone()),
                broken: seen.broken.clone(),
                group: group.map(|(number, _)| *number),
                leads: group.is_some_and(|(_, leads)| *leads),
                different: different.iter().position(|&one| one == i).map(|place| place + 1),
                sharpness: seen.sharpness,
                quiet: seen.quiet,
                copy_space: seen.copy_space,
                side: seen.side.clone(),
                focus: seen.focus,
                colours: seen
                    .colours
                    .iter()
                    .map(|(colour, share)| SwatchView { colour: colour.to_string(), share: *share })
                    .collect(),
                palette: rules.and_then(|rules| palette(rules, seen)),
            }
        })
        .collect();
    Ok(AidsView {
        total: asked.len(),
        analysed: there.len(),
        pending: asked.len() - there.len(),
        kit: kit.map(KitName::from),
        pictures,
        groups: groups.iter().map(|group| group.iter().map(id).collect()).collect(),
        different: different.iter().map(id).collect(),
        broken: (0..there.len()).filter(|&i| !there[i].1.broken.is_empty()).map(|i| id(&i)).collect(),
    })
}

/// What is known of pictures by now, after some more were looked at.
fn look(app: &App, asked: &[Asked]) -> Result<HashMap<String, Seen>, ApiError> {
    let ids: Vec<String> = asked.iter().map(|asked| asked.asset.id.clone()).collect();
    let mut seen: HashMap<String, Seen> = HashMap::new();
    for (id, text) in app.store.looks(&ids)? {
        if let Ok(known) = serde_json::from_str::<Seen>(&text)
            && known.form == FORM
        {
            seen.insert(id, known);
        }
    }
    let new: Vec<&Asset> =
        asked.iter().map(|asked| &asked.asset).filter(|asset| !seen.contains_key(&asset.id)).take(AT_ONCE).collect();
    let kept: Vec<(String, String)> = new
        .into_par_iter()
        .map(|asset| {
            let seen = Seen::of(&pixels(app, asset)?);
            Ok((asset.id.clone(), serde_json::to_string(&seen).map_err(ApiError::internal)?))
        })
        .collect::<Result<_, ApiError>>()?;
    app.store.keep_looks(&kept)?;
    // What is told is what is kept, to the last digit: the same question always has the same answer.
    for (id, text) in kept {
        seen.insert(id, serde_json::from_str(&text).map_err(ApiError::internal)?);
    }
    Ok(seen)
}

fn palette(kit: &BrandKit, seen: &Seen) -> Option<PaletteView> {
    let swatches: Vec<Swatch> = seen.colours.iter().map(|&(colour, share)| Swatch { colour, share }).collect();
    let (distance, inside) = distance(kit, &swatches)?;
    let findings = kit.off_palette(&swatches).iter().map(ToString::to_string).collect();
    Some(PaletteView { distance, inside, findings })
}

impl Seen {
    fn of(picture: &Picture) -> Self {
        let look = Look::of(picture);
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let places = SHAPES.iter().filter_map(|shape| look.copy_space(*shape, LEAST));
        // As within one shape: quiet above all, then large.
        let worth = |place: &analysis::CopySpace| {
            let area = f64::from(place.rect.width) * f64::from(place.rect.height) / (width * height);
            place.quiet.powi(3) * area.sqrt()
        };
        let best = places.max_by(|a, b| worth(a).total_cmp(&worth(b)));
        let focus = look.focus();
        let place = best.map(|best| PlaceView {
            x: f64::from(best.rect.x) / width,
            y: f64::from(best.rect.y) / height,
            width: f64::from(best.rect.width) / width,
            height: f64::from(best.rect.height) / height,
        });
        let colours = analysis::palette::dominant(picture, 6);
        Self {
            form: FORM,
            broken: broken::faults(picture).iter().map(ToString::to_string).collect(),
            sharpness: analysis::sharpness(picture),
            quiet: best.map_or(0.0, |best| best.quiet),
            copy_space: place,
            side: place.map(|place| side(place).to_owned()),
            focus: FocusView {
                x: focus.x,
                y: focus.y,
                left: focus.bounds[0],
                top: focus.bounds[1],
                right: focus.bounds[2],
                bottom: focus.bounds[3],
            },
            colours: colours.iter().map(|swatch| (swatch.colour, swatch.share)).collect(),
            feature: Feature::of(picture),
        }
    }
}

/// On which side of the middle a place lies.
fn side(place: PlaceView) -> &'static str {
    let (dx, dy) = (place.x + place.width / 2.0 - 0.5, place.y + place.height / 2.0 - 0.5);
    match dx.abs() > dy.abs() {
        true if dx < 0.0 => "left",
        true => "right",
        false if dy < 0.0 => "top",
        false => "bottom",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_comes_back_from_the_store() {
        let pixels = (0..64 * 64).flat_map(|i| {
            if (20..44).contains(&(i % 64)) && i / 64 > 40 { [200, 30, 30, 255] } else { [240, 240, 236, 255] }
        });
        let seen = Seen::of(&Picture::new(64, 64, pixels.collect()).unwrap());
        let kept: Seen = serde_json::from_str(&serde_json::to_string(&seen).unwrap()).unwrap();
        assert_eq!((&kept.colours, &kept.side, kept.copy_space), (&seen.colours, &seen.side, seen.copy_space));
        assert_eq!(kept.feature.hash(), seen.feature.hash());
        assert!(kept.feature.distance(&seen.feature) < 1e-12 && (kept.sharpness - seen.sharpness).abs() < 1e-9);
        assert_eq!((seen.side.as_deref(), seen.broken.len()), (Some("top"), 0), "{seen:?}");
        assert!(seen.quiet > 0.8 && seen.focus.y > 0.6, "{seen:?}");
    }

    #[test]
    fn places_have_sides() {
        let place = |x, y, width, height| side(PlaceView { x, y, width, height });
        assert_eq!(place(0.0, 0.0, 0.4, 1.0), "left");
        assert_eq!(place(0.6, 0.1, 0.4, 0.9), "right");
        assert_eq!(place(0.0, 0.0, 1.0, 0.4), "top");
        assert_eq!(place(0.1, 0.5, 0.9, 0.5), "bottom");
    }
}
