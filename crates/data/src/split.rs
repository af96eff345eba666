//! Which pictures are kept away from training: a pure function of names, so that the same emoji in six
//! sets falls on the same side, on every machine and in every later version of a dataset.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The part of a dataset a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// What training sees.
    #[default]
    Train,
    /// Pictures of `Train`, with paraphrases training never sees.
    HeldOutCaptions,
    /// Seen concepts in a style in which training does not see them.
    HeldOutStyles,
    /// Seen concepts in a colour in which training does not see them.
    HeldOutColours,
    /// Concepts training does not see at all.
    HeldOutConcepts,
}

impl Split {
    /// All splits.
    pub const ALL: [Split; 5] =
        [Split::Train, Split::HeldOutCaptions, Split::HeldOutStyles, Split::HeldOutColours, Split::HeldOutConcepts];

    /// The word used on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::HeldOutCaptions => "held-out-captions",
            Split::HeldOutStyles => "held-out-styles",
            Split::HeldOutColours => "held-out-colours",
            Split::HeldOutConcepts => "held-out-concepts",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Split::ALL
            .into_iter()
            .find(|split| split.name() == s)
            .ok_or_else(|| format!("`{s}` is not a split; the splits are {}", Split::ALL.map(Split::name).join(", ")))
    }
}

/// Shares of names that are held out, each in `0..=1`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitShares {
    /// Records that keep two paraphrases back.
    pub captions: f64,
    /// (concept, style) pairs.
    pub styles: f64,
    /// (concept, colour) pairs.
    pub colours: f64,
    /// Concepts.
    pub concepts: f64,
}

impl Default for SplitShares {
    fn default() -> Self {
        SplitShares { captions: 0.04, styles: 0.04, colours: 0.04, concepts: 0.04 }
    }
}

impl SplitShares {
    /// The split of a picture of `concepts` (one, or all that a composition shows) in `style` and `colour`.
    pub fn split(&self, concepts: &[&str], style: &str, colour: Option<&str>) -> Split {
        let any = |test: &dyn Fn(&str) -> bool| concepts.iter().any(|concept| test(concept));
        if any(&|c| unit(&["concept", c]) < self.concepts) {
            Split::HeldOutConcepts
        } else if any(&|c| unit(&["style", c, style]) < self.styles) {
            Split::HeldOutStyles
        } else if colour.is_some_and(|colour| any(&|c| unit(&["colour", c, colour]) < self.colours)) {
            Split::HeldOutColours
        } else {
            Split::Train
        }
    }

    /// Whether the record `key` keeps paraphrases back for [`Split::HeldOutCaptions`].
    pub fn holds_captions(&self, key: &str) -> bool {
        unit(&["captions", key]) < self.captions
    }
}

/// A 64-bit hash of some words (FNV-1a over length-prefixed words, finished with [`mix`]).
pub(crate) fn hash(words: &[&str]) -> u64 {
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    for word in words {
        for byte in (word.len() as u32).to_le_bytes().iter().chain(word.as_bytes()) {
            h = (h ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mix(h)
}

/// SplitMix64's output function: a bijection that spreads nearby numbers.
pub(crate) fn mix(u: u64) -> u64 {
    let u = u.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let u = (u ^ (u >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let u = (u ^ (u >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u ^ (u >> 31)
}

/// A number in `0..1` that depends only on the words.
pub(crate) fn unit(words: &[&str]) -> f64 {
    (hash(words) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A small deterministic generator for choices inside one record, seeded by names.
#[derive(Debug, Clone)]
pub(crate) struct Choices(u64);

impl Choices {
    pub(crate) fn new(words: &[&str]) -> Self {
        Choices(hash(words))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `n`; `n` must not be zero.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, of: &mut [T]) {
        for i in (1..of.len()).rev() {
            of.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept_and_depend_on_names_only() {
        let shares = SplitShares::default();
        let mut counts = [0usize; 5];
        for i in 0..20_000 {
            let concept = format!("thing {i}");
            let split = shares.split(&[&concept], "line icon", Some("red"));
            assert_eq!(split, shares.split(&[&concept], "line icon", Some("red")));
            counts[split as usize] += 1;
        }
        for split in [Split::HeldOutStyles, Split::HeldOutColours, Split::HeldOutConcepts] {
            let share = counts[split as usize] as f64 / 20_000.0;
            assert!((0.03..0.05).contains(&share), "{split}: {share}");
        }
    }

    #[test]
    fn a_held_out_concept_stays_out_of_compositions() {
        let shares = SplitShares::default();
        let out = (0..).map(|i| format!("thing {i}")).find(|c| shares.split(&[c], "", None) == Split::HeldOutConcepts);
        let out = out.expect("one in 25");
        assert_eq!(shares.split(&["car", &out], "clip art", None), Split::HeldOutConcepts);
    }

    #[test]
    fn names_round_trip() {
        for split in Split::ALL {
            assert_eq!(split.name().parse::<Split>(), Ok(split));
            assert_eq!(serde_json::to_value(split).expect("serialises"), split.name());
        }
        assert!("test".parse::<Split>().is_err());
    }
}
