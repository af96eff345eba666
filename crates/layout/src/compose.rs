//! Template + brand + picture + words → pixels and findings.

use std::collections::BTreeMap;

use analysis::{Colour, Look, Picture, PictureError, Rect, Side};

use crate::brand::Brand;
use crate::canvas::{Canvas, Mask};
use crate::contrast::{Backdrop, Fix, required};
use crate::finding::{Finding, Kind, Level};
use crate::kit::LogoRule;
use crate::logo;
use crate::place::Frame;
use crate::resize::{ResizeError, resize};
use crate::shown::{contained, goal, is_cut_out, visible};
use crate::template::{Align, Block, Content, Layer, Overflow, Template, TemplateError, Valign, fill, slots};
use crate::text::{BUILT_IN, Set, Style, Typesetter, steps};

/// Texts by slot.
pub type Texts = BTreeMap<String, String>;

/// Longest text of a slot, in characters.
const LONGEST: usize = 2000;
/// How much quieter the other side must be before a template is turned around.
const QUIETER: f64 = 0.08;
/// Saliency from which a field belongs to the subject.
const SUBJECT: f32 = 0.5;
/// Share of the subject that words may cover.
const MOST_COVERED: f64 = 0.2;

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// Opaque pixels.
    pub picture: Picture,
    /// What is to be known about it.
    pub findings: Vec<Finding>,
    /// Where the layers ended up, in pixels: words and plates as they are, other layers' frames. From back to front.
    pub placed: Vec<(String, Rect)>,
}

impl Composed {
    /// Whether something in it must not go out.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Error)
    }
}

/// Nothing could be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The template is wrong.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The size is out of range.
    #[error(transparent)]
    Size(#[from] PictureError),
    /// A colour that the brand does not have.
    #[error("layer `{layer}`: the brand has no colour for the role `{role}`")]
    Role {
        /// The layer.
        layer: String,
        /// The role.
        role: String,
    },
    /// A text that is far too long.
    #[error("text `{slot}` has {found} characters; at most {LONGEST} are accepted")]
    Text {
        /// The slot.
        slot: String,
        /// Its length.
        found: usize,
    },
    /// Scaling failed.
    #[error(transparent)]
    Resize(#[from] ResizeError),
}

/// Composes a picture of `size` pixels. Equal input gives equal bytes.
pub fn compose(
    template: &Template,
    brand: &Brand,
    picture: &Picture,
    texts: &Texts,
    size: (u32, u32),
) -> Result<Composed, ComposeError> {
    let errors = template.errors();
    if !errors.is_empty() {
        return Err(TemplateError::Invalid(errors).into());
    }
    for (slot, text) in texts {
        let found = text.chars().count();
        if found > LONGEST {
            return Err(ComposeError::Text { slot: slot.clone(), found });
        }
    }
    let ground = brand
        .colour(&template.background)
        .ok_or_else(|| ComposeError::Role { layer: "background".into(), role: template.background.clone() })?;
    let scale = (f64::from(size.0) / f64::from(template.size[0])).min(f64::from(size.1) / f64::from(template.size[1]));
    let mut work = Work {
        brand,
        texts,
        canvas: Canvas::new(size.0, size.1, ground)?,
        scale: scale as f32,
        size,
        findings: Vec::new(),
        placed: Vec::new(),
        logos: Vec::new(),
        words: Vec::new(),
        shown: None,
    };
    let mut look = None;
    let turned = turned(template, picture, size, &mut look);
    let template = turned.as_ref().unwrap_or(template);
    if turned.is_some() {
        work.note(Level::Note, "", Kind::Turned);
    }
    let known = template.slots();
    for slot in texts.keys().filter(|slot| !known.contains(*slot)) {
        work.note(Level::Note, "", Kind::UnusedText { slot: slot.clone() });
    }
    let mut layers: Vec<&Layer> = template.layers.iter().collect();
    layers.sort_by_key(|layer| layer.z);
    for layer in layers {
        work.layer(layer, picture, &mut look)?;
    }
    work.check_logos();
    if let Some(look) = &look {
        work.check_subject(look);
    }
    Ok(Composed { picture: work.canvas.picture, findings: work.findings, placed: work.placed })
}

/// The template turned around, if it may be and its words then stand on a quieter part of the picture.
fn turned(template: &Template, picture: &Picture, size: (u32, u32), look: &mut Option<Look>) -> Option<Template> {
    let axis = template.turn?;
    if is_cut_out(picture) {
        return None;
    }
    let turned = template.turned(axis);
    let mut quiet = |template: &Template| {
        template.layers.iter().find_map(|layer| match layer.content {
            Content::Picture { side, .. } if side != Side::Any => {
                let aspect = layer.frame.on(size.0, size.1).aspect();
                Some(look.get_or_insert_with(|| Look::of(picture)).crop(aspect, side).quiet)
            }
            _ => None,
        })
    };
    let (own, other) = (quiet(template)?, quiet(&turned)?);
    (other > own + QUIETER).then_some(turned)
}

/// A composition under way.
struct Work<'a> {
    brand: &'a Brand,
    texts: &'a Texts,
    canvas: Canvas,
    /// Pixels for one pixel of the template.
    scale: f32,
    size: (u32, u32),
    findings: Vec<Finding>,
    placed: Vec<(String, Rect)>,
    logos: Vec<(String, LogoRule, Rect, crate::kit::Background)>,
    words: Vec<(String, Rect)>,
    /// The part of the picture that is shown, and where.
    shown: Option<(Rect, Rect)>,
}

/// A text of a layer, ready to be set.
struct Item<'a> {
    block: &'a Block,
    text: String,
    family: String,
    weight: u16,
    colour: Colour,
    plate: Option<Colour>,
}

/// A text that was set and placed.
struct Placed<'a> {
    item: &'a Item<'a>,
    set: Set,
    /// Pixels.
    size: f32,
    /// The plate, or the text's box.
    rect: [f32; 4],
}

impl Item<'_> {
    /// Size in pixels at a step between smallest (0) and largest (1).
    fn size(&self, step: f32, scale: f32) -> f32 {
        let [smallest, largest] = self.block.size;
        ((smallest + (largest - smallest) * step) * scale).max(1.0)
    }

    fn style(&self, size: f32) -> Style {
        Style { family: self.family.clone(), weight: self.weight, size, leading: self.block.leading }
    }

    /// Space beside and above the words, in pixels.
    fn pad(&self, size: f32) -> (f32, f32) {
        self.block.plate.as_ref().map_or((0.0, 0.0), |plate| (plate.pad[0] * size, plate.pad[1] * size))
    }
}

impl<'a> Work<'a> {
    fn note(&mut self, level: Level, layer: &str, kind: Kind) {
        self.findings.push(Finding { level, layer: layer.into(), kind });
    }

    fn colour(&self, layer: &Layer, role: &str) -> Result<Colour, ComposeError> {
        let unknown = || ComposeError::Role { layer: layer.name.clone(), role: role.into() };
        self.brand.colour(role).ok_or_else(unknown)
    }

    fn layer(&mut self, layer: &Layer, picture: &Picture, look: &mut Option<Look>) -> Result<(), ComposeError> {
        let has_logo = !self.brand.kit().logos.is_empty();
        let frame = layer.frame_without_logo.filter(|_| !has_logo).unwrap_or(layer.frame);
        let rect = frame.on(self.size.0, self.size.1);
        let shorter = rect.width.min(rect.height) as f32;
        match &layer.content {
            Content::Picture { fit, side, radius, cut_out } => {
                let (rect, contain) = goal(*fit, *cut_out, rect, self.size, is_cut_out(picture));
                let part = if contain {
                    visible(picture)
                } else {
                    look.get_or_insert_with(|| Look::of(picture)).crop(rect.aspect(), *side).rect
                };
                if !contain {
                    self.shown = Some((part, rect));
                }
                self.picture(layer, &picture.crop(part), rect, contain, radius * shorter)?;
            }
            Content::Shape { fill, opacity, radius, fade } => {
                let colour = self.colour(layer, fill)?;
                self.canvas.shape(rect, radius * shorter, colour, *opacity, *fade);
                self.placed.push((layer.name.clone(), rect));
            }
            Content::Logo { logo } => self.logo(layer, logo, rect, frame)?,
            Content::Text { align, valign, overflow, repair, blocks } => {
                self.text(layer, rect, blocks, *align, *valign, *overflow, *repair)?;
            }
        }
        Ok(())
    }

    fn picture(
        &mut self,
        layer: &Layer,
        part: &Picture,
        rect: Rect,
        contain: bool,
        radius: f32,
    ) -> Result<(), ComposeError> {
        let place = if contain { contained(part, rect, (0.5, 0.5)) } else { rect };
        let times = f64::from(place.width) / f64::from(part.width());
        if times > 1.05 {
            let level = if times > 1.5 { Level::Warning } else { Level::Note };
            self.note(level, &layer.name, Kind::Enlarged { times });
        }
        self.canvas.blit(
            &resize(part, place.width, place.height)?,
            place.x,
            place.y,
            if contain { 0.0 } else { radius },
        );
        self.placed.push((layer.name.clone(), place));
        Ok(())
    }

    fn logo(&mut self, layer: &Layer, name: &str, rect: Rect, frame: Frame) -> Result<(), ComposeError> {
        let places: Vec<(&LogoRule, &Picture, Rect, crate::kit::Background)> = self
            .brand
            .logos(name)
            .map(|(rule, logo)| {
                let place = contained(logo, rect, frame.anchor.shares());
                (rule, logo, place, logo::background(&self.canvas.picture, place))
            })
            .collect();
        let allowed = |rule: &LogoRule, behind| rule.backgrounds.is_empty() || rule.backgrounds.contains(&behind);
        let chosen = places.iter().find(|(rule, _, _, behind)| allowed(rule, *behind)).or(places.first());
        let Some((rule, logo, place, behind)) = chosen else {
            self.note(Level::Note, &layer.name, Kind::NoLogo { name: name.into() });
            return Ok(());
        };
        self.canvas.blit(&resize(logo, place.width, place.height)?, place.x, place.y, 0.0);
        self.logos.push((layer.name.clone(), (*rule).clone(), *place, *behind));
        self.placed.push((layer.name.clone(), *place));
        Ok(())
    }

    /// Whether words stand on what the eye looks for.
    fn check_subject(&mut self, look: &Look) {
        let Some((part, place)) = self.shown else { return };
        let map = look.saliency();
        let (mut whole, mut covered) = (0.0, 0.0);
        for (at, value) in map.values.iter().enumerate().filter(|(_, value)| **value >= SUBJECT) {
            let share = |at: usize, of: usize| (at as f64 + 0.5) / of as f64;
            let (across, down) = look.size();
            let x = share(at % map.width, map.width) * f64::from(across) - f64::from(part.x);
            let y = share(at / map.width, map.height) * f64::from(down) - f64::from(part.y);
            if !(0.0..f64::from(part.width)).contains(&x) || !(0.0..f64::from(part.height)).contains(&y) {
                continue;
            }
            let x = f64::from(place.x) + x * f64::from(place.width) / f64::from(part.width);
            let y = f64::from(place.y) + y * f64::from(place.height) / f64::from(part.height);
            let on = |rect: &Rect| {
                let inside =
                    |at: f64, from: u32, length: u32| (f64::from(from)..f64::from(from + length)).contains(&at);
                inside(x, rect.x, rect.width) && inside(y, rect.y, rect.height)
            };
            whole += f64::from(*value);
            if self.words.iter().any(|(_, rect)| on(rect)) {
                covered += f64::from(*value);
            }
        }
        let layer = self.words.first().map(|(layer, _)| layer.clone()).unwrap_or_default();
        if whole > 0.0 && covered / whole > MOST_COVERED {
            self.note(Level::Warning, &layer, Kind::OnSubject { share: covered / whole });
        }
    }

    fn check_logos(&mut self) {
        let logos = std::mem::take(&mut self.logos);
        for (layer, rule, rect, behind) in &logos {
            let others =
                logos.iter().filter(|(other, ..)| other != layer).map(|(other, _, rect, _)| (other.clone(), *rect));
            let others: Vec<(String, Rect)> = self.words.iter().cloned().chain(others).collect();
            for fault in logo::faults(rule, *rect, *behind, self.size, &others) {
                self.note(Level::Warning, layer, Kind::Logo(fault));
            }
        }
    }

    fn text(
        &mut self,
        layer: &Layer,
        rect: Rect,
        blocks: &[Block],
        align: Align,
        valign: Valign,
        overflow: Overflow,
        repair: bool,
    ) -> Result<(), ComposeError> {
        let brand = self.brand;
        let mut typesetter = brand.typesetter();
        let items = self.items(layer, blocks, &typesetter)?;
        if items.is_empty() {
            return Ok(());
        }
        let placed = self.fitted(&items, layer, rect, align, valign, overflow, &mut typesetter);
        let mut missing: Vec<char> = Vec::new();
        for character in placed.iter().flat_map(|placed| &placed.set.missing) {
            if !missing.contains(character) {
                missing.push(*character);
            }
        }
        if !missing.is_empty() {
            self.note(Level::Error, &layer.name, Kind::MissingGlyphs { characters: missing });
        }
        self.plates(&placed);
        let masks: Vec<Mask> = placed
            .iter()
            .map(|placed| {
                let mut mask = Mask::of(&self.canvas);
                let [left, top, width, _] = placed.rect;
                let (pad_x, pad_y) = placed.item.pad(placed.size);
                let align = if placed.item.plate.is_some() { Align::Centre } else { align };
                typesetter.ink(&placed.set, align, left + pad_x, width - 2.0 * pad_x, top + pad_y, &mut mask);
                mask
            })
            .collect();
        drop(typesetter);
        let colours = self.readable(layer, &placed, &masks, repair);
        for ((placed, mask), colour) in placed.iter().zip(&masks).zip(colours) {
            self.canvas.ink(mask, colour);
            let bounds = if placed.item.plate.is_some() { Some(whole(placed.rect)) } else { mask.bounds() };
            if let Some(bounds) = bounds {
                self.words.push((layer.name.clone(), bounds));
                self.placed.push((layer.name.clone(), bounds));
            }
        }
        Ok(())
    }

    /// The texts of a layer that have something in them.
    fn items<'b>(
        &mut self,
        layer: &Layer,
        blocks: &'b [Block],
        typesetter: &Typesetter,
    ) -> Result<Vec<Item<'b>>, ComposeError> {
        let mut items = Vec::new();
        for block in blocks {
            for slot in slots(&block.text).into_iter().filter(|slot| !self.texts.contains_key(*slot)) {
                self.note(Level::Note, &layer.name, Kind::MissingText { slot: slot.into() });
            }
            let text = fill(&block.text, &|slot| self.texts.get(slot).map(String::as_str)).trim().to_owned();
            if text.is_empty() {
                continue;
            }
            let (family, weight) = self.brand.font(&block.font);
            let mut family = family.to_owned();
            if !typesetter.has(&family) {
                self.note(Level::Warning, &layer.name, Kind::MissingFont { family: family.clone() });
                family = BUILT_IN.into();
            }
            items.push(Item {
                block,
                text,
                family,
                weight: block.weight.unwrap_or(weight),
                colour: self.colour(layer, &block.colour)?,
                plate: block.plate.as_ref().map(|plate| self.colour(layer, &plate.fill)).transpose()?,
            });
        }
        Ok(items)
    }

    /// Sets all texts of a layer as large as they fit, and places them.
    fn fitted<'b>(
        &mut self,
        items: &'b [Item<'b>],
        layer: &Layer,
        rect: Rect,
        align: Align,
        valign: Valign,
        overflow: Overflow,
        typesetter: &mut Typesetter,
    ) -> Vec<Placed<'b>> {
        let (width, height) = (rect.width as f32, rect.height as f32);
        let step = steps().find(|step| self.fits(items, *step, width, height, typesetter));
        let size = |item: &Item| item.size(step.unwrap_or(0.0), self.scale);
        // Height of one line of a text, with its plate and the space before it.
        let least = |item: &Item, first: bool| {
            let size = size(item);
            size * item.block.leading + 2.0 * item.pad(size).1 + if first { 0.0 } else { item.block.gap * size }
        };
        let mut sets = Vec::new();
        let mut used = 0.0;
        for (i, item) in items.iter().enumerate() {
            let size = size(item);
            let (pad_x, pad_y) = item.pad(size);
            let room = (width - 2.0 * pad_x).max(1.0);
            let gap = if i == 0 { 0.0 } else { item.block.gap * size };
            let set = if step.is_some() {
                typesetter.balanced(&item.text, &item.style(size), room)
            } else {
                let later: f32 = items[i + 1..].iter().map(|item| least(item, false)).sum();
                let line = size * item.block.leading;
                let most = item.block.lines.map_or(f32::INFINITY, |lines| lines as f32 * line);
                let left = (height - used - gap - later - 2.0 * pad_y).min(most).max(line);
                let whole = typesetter.set(&item.text, &item.style(size), room, None);
                if whole.height <= left + 0.5 && whole.width <= room + 0.5 {
                    whole
                } else {
                    let level = if overflow == Overflow::Error { Level::Error } else { Level::Warning };
                    self.findings.push(Finding {
                        level,
                        layer: layer.name.clone(),
                        kind: Kind::Overlong { text: item.text.clone(), size },
                    });
                    typesetter.set(&item.text, &item.style(size), room, Some(left + 0.5))
                }
            };
            let down = set.height + 2.0 * pad_y;
            sets.push((item, set, size, used + gap, down));
            used += gap + down;
        }
        let top = rect.y as f32
            + match valign {
                Valign::Top => 0.0,
                Valign::Middle => ((height - used) / 2.0).max(0.0),
                Valign::Bottom => (height - used).max(0.0),
            };
        let place = |(item, set, size, y, down): (&'b Item<'b>, Set, f32, f32, f32)| {
            let (mut left, mut across) = (rect.x as f32, width);
            if item.plate.is_some() {
                across = (set.width + 2.0 * item.pad(size).0).min(width);
                let rtl = set.is_rtl();
                let at_right = matches!((align, rtl), (Align::Start, true) | (Align::End, false));
                left += match align {
                    Align::Centre => (width - across) / 2.0,
                    _ if at_right => width - across,
                    _ => 0.0,
                };
            }
            Placed { item, set, size, rect: [left, top + y, across, down] }
        };
        sets.into_iter().map(place).collect()
    }

    fn fits(&self, items: &[Item], step: f32, width: f32, height: f32, typesetter: &mut Typesetter) -> bool {
        let mut used = 0.0;
        for (i, item) in items.iter().enumerate() {
            let size = item.size(step, self.scale);
            let (pad_x, pad_y) = item.pad(size);
            let room = width - 2.0 * pad_x;
            let set = typesetter.set(&item.text, &item.style(size), room.max(1.0), None);
            let lines = item.block.lines.is_none_or(|most| set.line_count() <= most as usize);
            used += set.height + 2.0 * pad_y + if i == 0 { 0.0 } else { item.block.gap * size };
            if !lines || set.width > room + 0.5 || used > height + 0.5 {
                return false;
            }
        }
        true
    }

    fn plates(&mut self, placed: &[Placed]) {
        for placed in placed {
            if let (Some(colour), Some(plate)) = (placed.item.plate, &placed.item.block.plate) {
                let rect = whole(placed.rect);
                self.canvas.shape(rect, plate.radius * rect.height as f32, colour, 1.0, Side::Any);
            }
        }
    }

    /// The colours in which the texts are to be drawn, after contrast was measured and perhaps repaired.
    fn readable(&mut self, layer: &Layer, placed: &[Placed], masks: &[Mask], repair: bool) -> Vec<Colour> {
        let mut colours: Vec<Colour> = placed.iter().map(|placed| placed.item.colour).collect();
        let palette: Vec<(String, Colour)> =
            self.brand.kit().colours.iter().map(|colour| (colour.role.clone(), colour.value)).collect();
        let needed = |placed: &Placed| required(placed.size, placed.item.weight);
        let mut found = Vec::new();
        for ((placed, mask), colour) in placed.iter().zip(masks).zip(&colours) {
            let backdrop = Backdrop::behind(&self.canvas, mask);
            let contrast = backdrop.contrast(*colour, Colour::BLACK, 0.0);
            found.push((backdrop, contrast.filter(|contrast| contrast.worst < needed(placed))));
        }
        if found.iter().all(|(_, low)| low.is_none()) {
            return colours;
        }
        // Texts on plates have their own ground; the others share one colour and one veil.
        let free: Vec<usize> = (0..placed.len()).filter(|&i| placed[i].item.plate.is_none()).collect();
        let low = free.iter().copied().filter(|&i| found[i].1.is_some()).max_by_key(|&i| masks[i].values.len());
        if let (true, Some(first)) = (repair, low) {
            let reads = |colour: Colour| {
                let worst = |&i: &usize| {
                    found[i].0.contrast(colour, colour, 0.0).map_or(21.0, |c| c.worst - needed(&placed[i]))
                };
                free.iter().map(worst).fold(f64::INFINITY, f64::min)
            };
            let other = palette
                .iter()
                .map(|(role, colour)| (reads(*colour), role, *colour))
                .filter(|(over, _, _)| *over >= 0.0);
            let before = found[first].1;
            let fix = if let Some((over, role, colour)) = other.max_by(|a, b| a.0.total_cmp(&b.0)) {
                for &i in &free {
                    colours[i] = colour;
                }
                Some(Fix::Colour { role: role.clone(), colour, worst: over + needed(&placed[first]) })
            } else {
                self.veil(placed, masks, &found, &free, &colours, &palette)
            };
            if let (Some(fix), Some(before)) = (fix, before) {
                if matches!(fix, Fix::Scrim { .. }) {
                    self.plates(placed);
                }
                self.note(Level::Note, &layer.name, Kind::Repaired { before, fix });
            }
        }
        for ((placed, mask), colour) in placed.iter().zip(masks).zip(&colours) {
            let backdrop = Backdrop::behind(&self.canvas, mask);
            let required = needed(placed);
            let low = backdrop.contrast(*colour, Colour::BLACK, 0.0).filter(|contrast| contrast.worst < required);
            if let Some(contrast) = low {
                let level = if contrast.mean < required { Level::Error } else { Level::Warning };
                let fixes = backdrop.fixes(*colour, &palette, required);
                self.note(level, &layer.name, Kind::Contrast { contrast, required, fixes });
            }
        }
        colours
    }

    /// Draws one veil behind all texts that need it.
    fn veil(
        &mut self,
        placed: &[Placed],
        masks: &[Mask],
        found: &[(Backdrop, Option<crate::contrast::Contrast>)],
        free: &[usize],
        colours: &[Colour],
        palette: &[(String, Colour)],
    ) -> Option<Fix> {
        let mut strongest: Option<Fix> = None;
        let mut bounds: Option<Rect> = None;
        let mut reach = 0.0_f32;
        for &i in free.iter().filter(|&&i| found[i].1.is_some()) {
            let needed = required(placed[i].size, placed[i].item.weight);
            let fixes = found[i].0.fixes(colours[i], palette, needed);
            let veil = fixes.into_iter().find(|fix| matches!(fix, Fix::Scrim { .. }))?;
            let opacity = |fix: &Fix| if let Fix::Scrim { opacity, .. } = fix { *opacity } else { 0.0 };
            if strongest.as_ref().is_none_or(|fix| opacity(fix) < opacity(&veil)) {
                strongest = Some(veil);
            }
            reach = reach.max(placed[i].size * 2.5);
            bounds = match (bounds, masks[i].bounds()) {
                (Some(a), Some(b)) => Some(union(a, b)),
                (a, b) => a.or(b),
            };
        }
        if let (Some(Fix::Scrim { colour, opacity, .. }), Some(bounds)) = (&strongest, bounds) {
            self.canvas.cloud(bounds, reach, *colour, *opacity);
        }
        strongest
    }
}

fn union(a: Rect, b: Rect) -> Rect {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let right = (a.x + a.width).max(b.x + b.width);
    let bottom = (a.y + a.height).max(b.y + b.height);
    Rect { x, y, width: right - x, height: bottom - y }
}

fn whole([left, top, width, height]: [f32; 4]) -> Rect {
    let (x, y) = (left.round().max(0.0) as u32, top.round().max(0.0) as u32);
    Rect { x, y, width: (width.round() as u32).max(1), height: (height.round() as u32).max(1) }
}
