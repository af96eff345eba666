//! Draws a planned picture and writes its captions. What cannot be said truthfully of the result (the new
//! colour does not dominate, the background hides the object) is not made.

use crate::caption::{self, Phrases};
use crate::colour::{self, Palette, Share, largest_two, main_colour, two_colours};
use crate::compose::{self, Relation};
use crate::error::DataError;
use crate::picture::Square;
use crate::plan::{Job, Treatment};
use crate::recolour;
use crate::record::{Kind, Record};
use crate::sources::Base;
use crate::split::{Choices, hash};
use crate::usual::Usual;
use crate::words;

/// A picture whose drawn part covers less than this is broken.
const NOTHING: f64 = 0.004;

/// Half the width of the thickest lines of icons, as share of the side, and the share of deeper ink from
/// which a drawing in one colour is a solid shape.
const LINE: f32 = 0.055;
const SOLID: f64 = 0.1;

type Drawn = Option<(Record, Square)>;

/// What drawing needs beside the job.
#[derive(Debug)]
pub(crate) struct Studio<'a> {
    pub(crate) bases: &'a [Base],
    /// Side of the pictures in pixels.
    pub(crate) size: usize,
    pub(crate) palette: Palette,
    /// What colours things usually have.
    pub(crate) usual: Usual,
}

impl Studio<'_> {
    /// Draws and captions a job; `None` when its caption would not be true.
    pub(crate) fn draw(&self, job: &Job) -> Result<Drawn, DataError> {
        let base = &self.bases[job.base];
        match &job.treatment {
            Treatment::Original { paint } => self.original(base, paint),
            Treatment::Recolour { targets } => self.recoloured(base, targets, job.round),
            Treatment::Background { colours } => self.on_background(base, colours, job.round),
            Treatment::Silhouette { paint } => self.shape(base, paint, false, job.round),
            Treatment::Outline { paint } => self.shape(base, paint, true, job.round),
            Treatment::Copies { count } => self.copies(base, *count, job.round),
            Treatment::Pair { other, relation } => self.pair(base, &self.bases[*other], *relation, job.round),
            Treatment::Pattern { rows, colours } => self.pattern(base, *rows, colours, job.round),
        }
    }

    fn render(&self, base: &Base, size: usize, paint: &str) -> Result<Square, DataError> {
        let picture = base.render(size, colour::paint(paint))?;
        if picture.coverage() < NOTHING {
            return Err(DataError::Picture("almost nothing is drawn".into()));
        }
        Ok(picture)
    }

    fn original(&self, base: &Base, paint: &'static str) -> Result<Drawn, DataError> {
        let picture = self.render(base, self.size, paint)?;
        let mut record = blank(base, "");
        if !base.captions.is_empty() {
            record.captions.clone_from(&base.captions);
            return Ok(Some((record, picture)));
        }
        let names = &base.names;
        let mut choices = Choices::new(&["captions", &record.key]);
        if base.mono {
            let noun = bare(base);
            record.style = mono_style(base, &picture);
            record.colour = Some(paint.to_owned());
            record.kind = if paint == "black" { Kind::Original } else { Kind::Recoloured };
            record.object = words::with_article(&noun);
            let mut extra = Vec::new();
            if base.duotone {
                extra.push(format!("{} {paint} duotone icon of {}", words::article(paint), record.object));
            }
            let phrases = mono(base, &noun, paint, &record.style);
            record.captions = caption::paraphrases(&phrases, &extra, &mut choices);
            return Ok(Some((record, picture)));
        }
        let shares = self.palette.measure(&picture);
        record.object = words::with_article(&names.noun);
        record.colour = main_colour(&shares).map(|s| s.name.to_owned());
        let phrases = self.coloured(base, &names.noun, &shares);
        let mut extra = Vec::new();
        if nameable(base, &shares).is_none() && !phrases.say_all && may_name(base, "") {
            extra.extend(two_colours(&shares).map(|(a, b)| format!("{} in {a} and {b}", phrases.plain)));
        }
        record.captions = caption::paraphrases(&phrases, &extra, &mut choices);
        Ok(Some((record, picture)))
    }

    /// Phrases for a picture as its author coloured it. A colour that such things do not usually have is always said.
    fn coloured(&self, base: &Base, noun: &str, shares: &[Share]) -> Phrases {
        let colour = nameable(base, shares);
        let mut phrases = caption::single(&base.names, noun, colour, &base.style);
        let is_face = base.names.group == "faces";
        if is_face || !may_name(base, "") || !self.usual.is_other(&base.names.concept, shares) {
            return phrases;
        }
        let both = largest_two(shares).filter(|_| colour.is_none());
        if let Some((a, b)) = both {
            phrases.full.iter_mut().for_each(|phrase| *phrase = format!("{phrase} in {a} and {b}"));
            phrases.label = format!("{a} and {b} {}", phrases.label);
        }
        phrases.say_all = colour.is_some() || both.is_some();
        phrases
    }

    fn recoloured(&self, base: &Base, targets: &[&'static str], round: usize) -> Result<Drawn, DataError> {
        let picture = self.render(base, self.size, "black")?;
        let shares = self.palette.measure(&picture);
        let Some(main) = main_colour(&shares).filter(|m| recolour::replaceable(m.mean)) else { return Ok(None) };
        for target in targets.iter().filter(|t| !colour::same_family(t, main.name)) {
            let changed = recolour::recolour(&picture, main.mean, target);
            let measured = self.palette.measure(&changed);
            if main_colour(&measured).is_none_or(|m| m.name != *target) {
                continue;
            }
            let mut record = blank(base, &format!("-{}{round}", target.replace(' ', "-")));
            let noun = bare(base);
            record.kind = Kind::Recoloured;
            record.colour = Some((*target).to_owned());
            record.object = words::with_article(&noun);
            let mut phrases = caption::single(&base.names, &noun, Some(target), &base.style);
            phrases.say_all = true;
            record.captions = caption::paraphrases(&phrases, &[], &mut Choices::new(&["captions", &record.key]));
            return Ok(Some((record, changed)));
        }
        Ok(None)
    }

    fn on_background(&self, base: &Base, colours: &[&'static str], round: usize) -> Result<Drawn, DataError> {
        // White drawings show on dark backgrounds only, so the paint follows the background.
        let dark = |name: &str| colour::to_lab(colour::paint(name))[0] < 55.0;
        let paint = if base.mono && colours.first().is_some_and(|c| dark(c)) { "white" } else { "black" };
        let picture = self.render(base, self.size, paint)?;
        if picture.coverage() > 0.8 {
            return Ok(None);
        }
        let shares = self.palette.measure(&picture);
        let Some(background) = self.background(&shares, colours) else { return Ok(None) };
        let mut record = blank(base, &format!("-on-{}{round}", background.replace(' ', "-")));
        let noun = bare_if_mono(base);
        record.kind = Kind::Recoloured;
        record.background = Some(background.to_owned());
        record.object = words::with_article(&noun);
        let mut phrases = if base.mono {
            record.style = mono_style(base, &picture);
            record.colour = Some(paint.to_owned());
            let mut phrases = mono(base, &noun, paint, &record.style);
            if paint == "white" {
                phrases.full = vec![format!("a white {noun}"), format!("{} in white", words::with_article(&noun))];
            }
            phrases
        } else {
            record.colour = main_colour(&shares).map(|m| m.name.to_owned());
            self.coloured(base, &noun, &shares)
        };
        if !phrases.say_all || base.mono {
            phrases.full.push(phrases.plain.clone());
        }
        phrases.full.dedup();
        phrases.background = Some(format!("on {} {background} background", words::article(background)));
        phrases.say_all = true;
        record.captions = caption::paraphrases(&phrases, &[], &mut Choices::new(&["captions", &record.key]));
        Ok(Some((record, recolour::on_background(&picture, colour::paint(background)))))
    }

    /// The first colour that differs enough from all larger colours of a picture.
    fn background(&self, shares: &[Share], colours: &[&'static str]) -> Option<&'static str> {
        colours.iter().copied().find(|name| {
            let lab = colour::to_lab(colour::paint(name));
            shares
                .iter()
                .filter(|s| s.share > 0.12)
                .all(|s| colour::distance(s.mean, lab) > 32.0 && !colour::same_family(s.name, name))
        })
    }

    fn shape(&self, base: &Base, paint: &'static str, outline: bool, round: usize) -> Result<Drawn, DataError> {
        let picture = self.render(base, self.size * 2, "black")?;
        if !(0.06..0.72).contains(&picture.coverage()) {
            // A tile has no shape of its own.
            return Ok(None);
        }
        let rgb = colour::paint(paint);
        let (drawn, style, what) = if outline {
            (recolour::outline(&picture, 5.0, rgb), "line icon", "outline")
        } else {
            (recolour::silhouette(&picture, rgb), "silhouette", "shape")
        };
        let mut record = blank(base, &format!("-{what}-{}{round}", paint.replace(' ', "-")));
        let noun = bare(base);
        record.kind = Kind::Recoloured;
        record.style = style.to_owned();
        record.colour = Some(paint.to_owned());
        record.object = words::with_article(&noun);
        let phrases = mono(base, &noun, paint, style);
        let object = &record.object;
        let article = words::article(paint);
        let extra = if outline {
            vec![format!("outline of {object}"), format!("{article} {paint} outline of {object}")]
        } else {
            vec![format!("{article} {paint} silhouette of {object}"), format!("the solid shape of {object} in {paint}")]
        };
        record.captions = caption::paraphrases(&phrases, &extra, &mut Choices::new(&["captions", &record.key]));
        if outline {
            // The contour alone is not how line icons usually look, so most captions say it.
            record.captions.retain(|c| c.contains("outline") || c.contains("line icon"));
        }
        Ok(Some((record, drawn.resized(self.size))))
    }

    fn copies(&self, base: &Base, count: usize, round: usize) -> Result<Drawn, DataError> {
        let mut record = blank(base, &format!("-{count}-copies{round}"));
        let mut choices = Choices::new(&["captions", &record.key]);
        let (places, side) = compose::places(count, &mut choices);
        let one = self.render(base, (side * self.size as f32).round() as usize, "black")?;
        if one.coverage() > 0.86 {
            return Ok(None);
        }
        record.kind = Kind::Composed;
        record.count = Some(count as u32);
        let (noun, colour) = self.describe(base, &one, &mut record);
        let mut phrases = self.many(base, compose::number(count), &noun, colour, &record.style);
        if let Some(alias) = base.names.aliases.first().filter(|a| words::is_countable(a)) {
            phrases.full.push(format!("{} {}", compose::number(count), words::plural(&with_colour(alias, colour))));
        }
        record.object.clone_from(&phrases.plain);
        let digits = format!("{count} {}", words::plural(&noun));
        record.captions = caption::paraphrases(&phrases, &[digits], &mut choices);
        Ok(Some((record, compose::copies(&one, &places, self.size))))
    }

    fn pattern(&self, base: &Base, rows: usize, colours: &[&'static str], round: usize) -> Result<Drawn, DataError> {
        let mut record = blank(base, &format!("-pattern{round}"));
        let mut choices = Choices::new(&["captions", &record.key]);
        let one = self.render(base, self.size * 84 / (rows * 100), "black")?;
        if one.coverage() > 0.86 {
            return Ok(None);
        }
        record.kind = Kind::Composed;
        let shares = self.palette.measure(&one);
        let background = self.background(&shares, colours);
        let (noun, colour) = self.describe(base, &one, &mut record);
        let mut phrases = self.many(base, "a pattern of", &noun, colour, &record.style);
        phrases.full.push(format!("a repeating pattern of {}", words::plural(&noun)));
        phrases.full.push(format!("many {}", words::plural(&with_colour(&noun, colour))));
        phrases.label = format!("{} pattern", with_colour(&noun, colour));
        phrases.background = background.map(|b| format!("on {} {b} background", words::article(b)));
        phrases.say_all = background.is_some();
        record.object.clone_from(&phrases.plain);
        record.background = background.map(str::to_owned);
        record.captions = caption::paraphrases(&phrases, &[], &mut choices);
        let mut picture = compose::pattern(&one, rows, choices.below(2) == 0, self.size);
        if let Some(background) = background {
            picture = recolour::on_background(&picture, colour::paint(background));
        }
        Ok(Some((record, picture)))
    }

    fn pair(&self, a: &Base, b: &Base, relation: Relation, round: usize) -> Result<Drawn, DataError> {
        let mut record = blank(a, &format!("-pair{round}-{:08x}", hash(&[&b.source, &b.id]) as u32));
        let side = self.size * 48 / 100;
        let (left, right) = (self.render(a, side, "black")?, self.render(b, side, "black")?);
        if left.coverage() > 0.86 || right.coverage() > 0.86 {
            return Ok(None);
        }
        let (noun_a, colour_a) = self.describe(a, &left, &mut record);
        let style_a = record.style.clone();
        let (noun_b, colour_b) = self.describe(b, &right, &mut record);
        if record.style != style_a {
            return Ok(None);
        }
        record.kind = Kind::Composed;
        record.count = None;
        record.colour = None;
        record.concept = format!("{} + {}", a.names.concept, b.names.concept);
        let phrase = |noun: &str, colour: Option<&str>| words::with_article(&with_colour(noun, colour));
        let (plain_a, plain_b) = (phrase(&noun_a, None), phrase(&noun_b, None));
        let (full_a, full_b) = (phrase(&noun_a, colour_a), phrase(&noun_b, colour_b));
        let (forward, back, beside) = match relation {
            Relation::LeftOf => ("to the left of", "to the right of", "next to"),
            Relation::Above => ("above", "below", "over"),
        };
        record.object = format!("{plain_a} and {plain_b}");
        let phrases = Phrases {
            plain: record.object.clone(),
            full: vec![
                format!("{full_a} {forward} {full_b}"),
                format!("{full_b} {back} {full_a}"),
                format!("{plain_a} {beside} {plain_b}"),
                format!("{plain_a} {forward} {plain_b}"),
            ],
            label: format!("{noun_a} and {noun_b}"),
            keywords: Vec::new(),
            style: record.style.clone(),
            background: None,
            say_all: false,
        };
        record.captions = caption::paraphrases(&phrases, &[], &mut Choices::new(&["captions", &record.key]));
        Ok(Some((record, compose::pair(&left, &right, relation, self.size))))
    }

    /// Noun and nameable colour of a part of a composition; sets the record's style and colour.
    fn describe(&self, base: &Base, picture: &Square, record: &mut Record) -> (String, Option<&'static str>) {
        if base.mono {
            record.style = mono_style(base, picture);
            record.colour = Some("black".into());
            return (bare(base), None);
        }
        record.style.clone_from(&base.style);
        let shares = self.palette.measure(picture);
        record.colour = main_colour(&shares).map(|m| m.name.to_owned());
        (base.names.noun.clone(), nameable(base, &shares))
    }

    fn many(&self, base: &Base, quantity: &str, noun: &str, colour: Option<&str>, style: &str) -> Phrases {
        let plain = format!("{quantity} {}", words::plural(noun));
        let full = format!("{quantity} {}", words::plural(&with_colour(noun, colour)));
        Phrases {
            label: full.trim_start_matches("a ").to_owned(),
            full: vec![full, plain.clone()],
            plain,
            keywords: base.names.keywords.clone(),
            style: style.to_owned(),
            background: None,
            say_all: false,
        }
    }
}

fn with_colour(noun: &str, colour: Option<&str>) -> String {
    colour.map_or_else(|| noun.to_owned(), |colour| format!("{colour} {noun}"))
}

/// The noun without a colour that is about to be replaced.
fn bare(base: &Base) -> String {
    words::without_colour(&base.names.noun).unwrap_or_else(|| base.names.noun.clone())
}

fn bare_if_mono(base: &Base) -> String {
    if base.mono { bare(base) } else { base.names.noun.clone() }
}

/// A drawing in one colour is a line icon or, when mostly filled, a silhouette.
fn mono_style(base: &Base, picture: &Square) -> String {
    let solid = !base.duotone && recolour::solidity(picture, LINE) >= SOLID;
    if solid { "silhouette" } else { "line icon" }.to_owned()
}

/// A record of `base` that still lacks its captions.
fn blank(base: &Base, tail: &str) -> Record {
    let mut stem: String = base.id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    if stem.len() > 40 || stem != base.id {
        stem.truncate(40);
        stem = format!("{stem}-{:08x}", hash(&[&base.id]) as u32);
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

/// Whether a caption may say that the thing has this colour.
fn may_name(base: &Base, colour: &str) -> bool {
    let names = &base.names;
    // A face is yellow as a page is white: only the unusual is said.
    let usual = names.group == "faces" && matches!(colour, "yellow" | "orange");
    !usual
        && !matches!(names.group.as_str(), "people" | "hands" | "flags" | "body")
        && !words::names_colour(&names.noun)
}

/// The main colour, if a caption may say it.
fn nameable(base: &Base, shares: &[Share]) -> Option<&'static str> {
    main_colour(shares).filter(|s| may_name(base, s.name)).map(|s| s.name)
}

/// Phrases for a picture in one colour: the colour belongs to the drawing, not always to the thing.
fn mono(base: &Base, noun: &str, paint: &str, style: &str) -> Phrases {
    let plain = words::with_article(noun);
    let mut phrases = caption::single(&base.names, noun, None, style);
    if paint == "black" {
        // Black is what one expects of an icon, so it is said only sometimes.
        phrases.full.push(format!("{plain} in black"));
        return phrases;
    }
    phrases.full = vec![format!("{plain} in {paint}"), words::with_article(&format!("{paint} {noun}"))];
    phrases.label = format!("{paint} {noun}");
    phrases.say_all = true;
    phrases
}
