//! Which pictures a dataset gets: every base as it is, and the variants a recipe asks for, chosen by name.

use crate::caption::{self, Phrases};
use crate::colour::{self, Palette, Share};
use crate::error::DataError;
use crate::picture::Square;
use crate::recipe::Recipe;
use crate::record::{Kind, Record};
use crate::sources::Base;
use crate::split::{Choices, hash};
use crate::words;

/// What is done with a base.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Treatment {
    /// As it is; a picture in one colour is painted with the named one.
    Original { paint: &'static str },
}

/// One picture to draw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    /// Index of the base.
    pub(crate) base: usize,
    pub(crate) treatment: Treatment,
}

/// Plans all pictures of a recipe.
pub(crate) fn plan(bases: &[Base], _recipe: &Recipe) -> Vec<Job> {
    bases.iter().enumerate().map(|(base, b)| Job { base, treatment: Treatment::Original { paint: paint_for(b) } }).collect()
}

/// Pictures in one colour are black two times in three.
fn paint_for(base: &Base) -> &'static str {
    let mut choices = Choices::new(&["paint", &base.source, &base.id]);
    if !base.mono || choices.below(3) > 0 { "black" } else { *choices.pick::<&'static str>(colour::PAINTS) }
}

impl Job {
    /// Draws and captions the picture; `None` when its caption would not be true.
    pub(crate) fn draw(&self, bases: &[Base], size: usize, palette: &Palette) -> Result<Option<(Record, Square)>, DataError> {
        let base = &bases[self.base];
        match &self.treatment {
            Treatment::Original { paint } => original(base, paint, size, palette).map(Some),
        }
    }
}

/// A record of `base` that still lacks its captions.
pub(crate) fn blank(base: &Base, tail: &str) -> Record {
    let id: String = base.id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let mut stem = id;
    if stem.len() > 40 {
        stem = format!("{}-{:08x}", &stem[..40], hash(&[&base.id]) as u32);
    }
    Record {
        key: format!("{}-{stem}{tail}", base.source),
        concept: base.names.concept.clone(),
        style: base.style.clone(),
        source: base.source.clone(),
        licence: base.licence.clone(),
        author: base.author.clone(),
        group: base.names.group.clone(),
        weight: 1.0,
        ..Record::default()
    }
}

/// The main colour, if one clearly is.
pub(crate) fn main_colour(shares: &[Share]) -> Option<&Share> {
    let first = shares.first()?;
    let family: f32 = shares.iter().filter(|s| colour::same_family(s.name, first.name)).map(|s| s.share).sum();
    let next = shares.iter().filter(|s| !colour::same_family(s.name, first.name)).map(|s| s.share).fold(0.0, f32::max);
    (first.share >= 0.3 && family >= 0.5 && family >= 2.0 * next).then_some(first)
}

fn original(base: &Base, paint: &'static str, size: usize, palette: &Palette) -> Result<(Record, Square), DataError> {
    let picture = base.render(size, colour::paint(paint))?;
    if picture.coverage() < 0.004 {
        return Err(DataError::Picture("almost nothing is drawn".into()));
    }
    let mut record = blank(base, "");
    if !base.captions.is_empty() {
        record.captions.clone_from(&base.captions);
        return Ok((record, picture));
    }
    let names = &base.names;
    let mut choices = Choices::new(&["captions", &record.key]);
    let shares = palette.measure(&picture);
    record.object = words::with_article(&names.noun);
    if base.mono {
        record.colour = Some(paint.to_owned());
        record.kind = if paint == "black" { Kind::Original } else { Kind::Recoloured };
        let bare = words::without_colour(&names.noun).unwrap_or_else(|| names.noun.clone());
        record.object = words::with_article(&bare);
        let phrases = mono(base, &bare, paint);
        let extra = if base.duotone { vec![format!("a {paint} duotone icon of {}", record.object)] } else { Vec::new() };
        record.captions = caption::paraphrases(&phrases, &extra, &mut choices);
        return Ok((record, picture));
    }
    let main = main_colour(&shares);
    record.colour = main.map(|s| s.name.to_owned());
    let may_name = !matches!(names.group.as_str(), "people" | "hands" | "flags" | "body") && !words::names_colour(&names.noun);
    let colour = main.filter(|_| may_name).map(|s| s.name);
    let mut phrases = caption::single(names, &names.noun, colour, &base.style);
    phrases.full.truncate(3);
    let mut extra = Vec::new();
    if may_name && colour.is_none() {
        let two: Vec<&Share> = shares.iter().filter(|s| s.share >= 0.2).take(2).collect();
        if let [a, b] = two[..]
            && a.share + b.share >= 0.65
            && !colour::same_family(a.name, b.name)
        {
            extra.push(format!("{} in {} and {}", phrases.plain, a.name, b.name));
        }
    }
    record.captions = caption::paraphrases(&phrases, &extra, &mut choices);
    Ok((record, picture))
}

/// Phrases for a picture in one colour: the colour belongs to the drawing, not always to the thing.
pub(crate) fn mono(base: &Base, noun: &str, paint: &str) -> Phrases {
    let plain = words::with_article(noun);
    let mut phrases = caption::single(&base.names, noun, None, &base.style);
    if paint == "black" {
        // Black is what one expects of an icon, so it is said only sometimes.
        phrases.full.push(format!("{plain} in black"));
        return phrases;
    }
    let style = &base.style;
    phrases.full = vec![format!("{plain} in {paint}"), format!("a {paint} {noun}").replace("a orange", "an orange"), format!("{plain}, {paint} {style}")];
    phrases.label = format!("{paint} {noun}");
    phrases.say_all = true;
    phrases
}
