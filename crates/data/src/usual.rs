//! Which colour things usually have. A caption may leave out the usual colour, as people do, but not another: a model that learns
//! "a soccer ball" from blue ones draws blue ones when asked for a soccer ball.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::colour::{self, Palette, Share};
use crate::recipe::Recipe;
use crate::sources::Base;
use crate::split::Split;

/// Side at which pictures are measured.
const SIDE: usize = 48;
/// A colour that covers less of a picture does not decide what colour the thing has.
const DECIDES: f32 = 0.25;
/// A thing that fewer authors drew has no usual colour.
const AUTHORS: usize = 3;
/// The colour of what is white, gray and black.
const NEUTRAL: &str = "neutral";

/// The usual colour of each concept that has one: that of at least half of the authors who drew it, and of more than any other.
#[derive(Debug, Default)]
pub(crate) struct Usual(BTreeMap<String, String>);

impl Usual {
    /// Measures the coloured pictures that `recipe` trains on; each author has one voice for each colour.
    pub(crate) fn measure(bases: &[Base], recipe: &Recipe, palette: &Palette) -> Self {
        let seen: Vec<(&str, &str, String)> = bases
            .par_iter()
            .filter(|base| !base.mono && base.captions.is_empty())
            .filter_map(|base| {
                // A picture that cannot be drawn is reported when it is to be drawn.
                let shares = palette.measure(&base.render(SIDE, [0; 3]).ok()?);
                let concept = base.names.concept.as_str();
                let colour = colour::main_colour(&shares).map(|share| share.name);
                let is_trained = recipe.splits.split(&[concept], &base.style, colour) == Split::Train;
                is_trained.then(|| (concept, base.author.as_str(), deciding(&shares)))
            })
            .collect();
        Self::of(seen)
    }

    /// From concept, author and colour of pictures.
    fn of(seen: Vec<(&str, &str, String)>) -> Self {
        let mut authors: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut voices: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
        for (concept, author, colour) in seen {
            authors.entry(concept).or_default().insert(author);
            voices.entry((concept, colour)).or_default().insert(author);
        }
        let mut usual: BTreeMap<&str, (usize, Option<String>)> = BTreeMap::new();
        for ((concept, colour), voices) in voices {
            let all = authors[concept].len();
            if all >= AUTHORS && 2 * voices.len() >= all {
                let best = usual.entry(concept).or_default();
                match voices.len().cmp(&best.0) {
                    Ordering::Greater => *best = (voices.len(), Some(colour)),
                    Ordering::Equal => best.1 = None,
                    Ordering::Less => {}
                }
            }
        }
        Usual(usual.into_iter().filter_map(|(concept, (_, colour))| Some((concept.to_owned(), colour?))).collect())
    }

    /// Whether a picture of `concept` with these colours has another colour than such things usually have.
    pub(crate) fn is_other(&self, concept: &str, shares: &[Share]) -> bool {
        self.0.get(concept).is_some_and(|usual| *usual != deciding(shares))
    }
}

/// The largest family of hues, or that of what has none.
fn deciding(shares: &[Share]) -> String {
    let mut families: BTreeMap<String, f32> = BTreeMap::new();
    for share in shares {
        // One sees what another calls orange as yellow.
        let family = colour::family(share.name).replace("orange", "yellow");
        *families.entry(family).or_default() += share.share;
    }
    let hues = families.into_iter().filter(|(name, share)| !colour::is_neutral(name) && *share >= DECIDES);
    hues.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(NEUTRAL.to_owned(), |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(of: &[(&'static str, f32)]) -> Vec<Share> {
        of.iter().map(|&(name, share)| Share { name, share, mean: [0.0; 3] }).collect()
    }

    #[test]
    fn what_half_of_the_authors_draw_is_usual() {
        let neutral = || NEUTRAL.to_owned();
        let usual = Usual::of(vec![
            ("ball", "a", neutral()),
            ("ball", "b", neutral()),
            ("ball", "c", "blue".into()),
            // Many pictures are one voice.
            ("ball", "c", "blue".into()),
            ("ball", "c", "blue".into()),
            // No two agree.
            ("book", "a", "red".into()),
            ("book", "b", "blue".into()),
            ("book", "c", "green".into()),
            // Two and two.
            ("sock", "a", "red".into()),
            ("sock", "b", "red".into()),
            ("sock", "c", "blue".into()),
            ("sock", "d", "blue".into()),
            // Too few to tell.
            ("kite", "a", "red".into()),
            ("kite", "b", "red".into()),
        ]);
        let blue = shares(&[("white", 0.5), ("blue", 0.2), ("light blue", 0.2)]);
        let gray = shares(&[("white", 0.6), ("black", 0.3), ("blue", 0.1)]);
        assert!(usual.is_other("ball", &blue) && !usual.is_other("ball", &gray));
        assert!(["book", "sock", "kite"].iter().all(|concept| !usual.is_other(concept, &gray)));
    }
}
