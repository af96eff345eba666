//! Which pictures a dataset gets: every base as it is, and the variants a recipe asks for, chosen by name, so
//! that a source that grows does not reshuffle the rest.

use crate::colour;
use crate::compose::Relation;
use crate::recipe::Recipe;
use crate::sources::Base;
use crate::split::{Choices, hash};
use crate::words;

/// What is done with a base.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Treatment {
    /// As it is; a picture in one colour is painted with the named one.
    Original { paint: &'static str },
    /// Its main colour replaced by the first of these that works.
    Recolour { targets: Vec<&'static str> },
    /// On a background of the first of these colours that it stands out from.
    Background { colours: Vec<&'static str> },
    /// Its shape in one colour.
    Silhouette { paint: &'static str },
    /// Its contour in one colour.
    Outline { paint: &'static str },
    /// Several copies.
    Copies { count: usize },
    /// Beside or above another base.
    Pair { other: usize, relation: Relation },
    /// A pattern of `rows` × `rows`, perhaps on a background.
    Pattern { rows: usize, colours: Vec<&'static str> },
}

/// One picture to draw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    /// Index of the base.
    pub(crate) base: usize,
    pub(crate) treatment: Treatment,
    /// Distinguishes several variants of one kind of one base.
    pub(crate) round: usize,
}

/// Backgrounds people ask for.
const BACKGROUNDS: &[&str] = &[
    "yellow",
    "blue",
    "light blue",
    "pink",
    "green",
    "light green",
    "white",
    "black",
    "gray",
    "light gray",
    "orange",
    "red",
    "purple",
    "lavender",
    "beige",
    "turquoise",
    "teal",
    "dark blue",
    "light yellow",
    "brown",
];

/// Plans all pictures of a recipe.
pub(crate) fn plan(bases: &[Base], recipe: &Recipe) -> Vec<Job> {
    let mut jobs: Vec<Job> = bases
        .iter()
        .enumerate()
        .map(|(base, b)| Job { base, treatment: Treatment::Original { paint: paint_for(b) }, round: 0 })
        .collect();
    let made = |b: &Base| b.captions.is_empty() && !b.names.variant;
    let coloured = |b: &Base| made(b) && !b.mono;
    let free = |b: &Base| made(b) && b.names.free();
    let countable = |b: &Base| free(b) && words::is_countable(&b.names.noun) && b.names.noun.split(' ').count() <= 3;
    let wanted = &recipe.variants;
    let mut add = |what: &str,
                   number: usize,
                   fits: &dyn Fn(&Base) -> bool,
                   make: &dyn Fn(usize, &mut Choices) -> Option<Treatment>| {
        for (base, round) in choose(bases, what, number, fits) {
            let mut choices = Choices::new(&[what, &round.to_string(), &bases[base].source, &bases[base].id]);
            if let Some(treatment) = make(base, &mut choices) {
                jobs.push(Job { base, treatment, round });
            }
        }
    };
    add("recolour", wanted.recolour, &|b| coloured(b) && (free(b) || b.names.group == "faces"), &|_, choices| {
        Some(Treatment::Recolour { targets: some(colour::PAINTS, 4, choices) })
    });
    add("background", wanted.background, &|b| made(b) && b.names.group != "flags", &|_, choices| {
        Some(Treatment::Background { colours: some(BACKGROUNDS, 6, choices) })
    });
    let shape = |b: &Base| coloured(b) && (free(b) || b.names.group == "people" || b.names.group == "hands");
    add("silhouette", wanted.silhouette, &shape, &|_, choices| {
        Some(Treatment::Silhouette { paint: shade(choices, 2) })
    });
    add("outline", wanted.outline, &|b| coloured(b) && free(b), &|_, choices| {
        Some(Treatment::Outline { paint: shade(choices, 2) })
    });
    add("copies", wanted.copies, &|b| countable(b), &|_, choices| {
        let count = *choices.pick(&[2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 6]);
        Some(Treatment::Copies { count })
    });
    let mut partners: std::collections::BTreeMap<(&str, &str), Vec<usize>> = std::collections::BTreeMap::new();
    for (i, base) in bases.iter().enumerate().filter(|(_, b)| countable(b) && !b.names.noun.contains("with")) {
        partners.entry((&base.source, &base.style)).or_default().push(i);
    }
    let short = |b: &Base| countable(b) && b.names.noun.split(' ').count() <= 2;
    add("pair", wanted.pairs, &short, &|base, choices| {
        let same_set = partners.get(&(bases[base].source.as_str(), bases[base].style.as_str()))?;
        let other = *choices.pick(same_set);
        let relation = if choices.below(4) == 0 { Relation::Above } else { Relation::LeftOf };
        let differ = bases[other].names.concept != bases[base].names.concept && short(&bases[other]);
        differ.then_some(Treatment::Pair { other, relation })
    });
    add("pattern", wanted.patterns, &countable, &|_, choices| {
        let rows = *choices.pick(&[3, 3, 4]);
        let colours = if choices.below(5) < 3 { some(BACKGROUNDS, 6, choices) } else { Vec::new() };
        Some(Treatment::Pattern { rows, colours })
    });
    jobs
}

/// `number` bases that fit, by rank of a hash of their names; after all have had a turn, a second round begins.
fn choose(bases: &[Base], what: &str, number: usize, fits: &dyn Fn(&Base) -> bool) -> Vec<(usize, usize)> {
    let candidates: Vec<usize> = (0..bases.len()).filter(|&i| fits(&bases[i])).collect();
    let mut chosen = Vec::with_capacity(number);
    for round in 0..4 {
        let mut ranked: Vec<(u64, usize)> = candidates
            .iter()
            .map(|&i| {
                let base = &bases[i];
                // Drawings in one colour are many and alike; they come last in each round.
                let late = if base.mono { u64::MAX / 2 } else { 0 };
                (hash(&[what, &round.to_string(), &base.source, &base.id]) / 2 + late, i)
            })
            .collect();
        ranked.sort_unstable();
        chosen.extend(ranked.into_iter().take(number - chosen.len()).map(|(_, i)| (i, round)));
    }
    chosen
}

/// Pictures in one colour are black three times in five.
fn paint_for(base: &Base) -> &'static str {
    if base.mono { shade(&mut Choices::new(&["paint", &base.source, &base.id]), 2) } else { "black" }
}

/// A paint for drawings in one colour; black in three of five, when `others` is 2. White is left to
/// backgrounds: on nothing it cannot be seen.
fn shade(choices: &mut Choices, others: usize) -> &'static str {
    if choices.below(5) >= others {
        return "black";
    }
    loop {
        let paint: &'static str = colour::PAINTS[choices.below(colour::PAINTS.len())];
        if paint != "white" && paint != "black" {
            return paint;
        }
    }
}

fn some(of: &[&'static str], number: usize, choices: &mut Choices) -> Vec<&'static str> {
    let mut all = of.to_vec();
    choices.shuffle(&mut all);
    all.truncate(number);
    all
}
