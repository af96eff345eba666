//! Which pair a voter sees next: the pair of contestants that met least often for this kind of asset, at a prompt where they met
//! least, and among equals by a digest of names that everybody can compute and nobody chooses. Sides are swapped by the same
//! digest. Names are never told.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};
use store::{Bakeoff, Entry, EntryState, Voted};
use utoipa::ToSchema;

use super::feed::settle;
use crate::app::App;
use crate::error::ApiError;

/// A pair to vote on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DuelView {
    /// Id of the picture on the left.
    pub left: String,
    /// Id of the picture on the right.
    pub right: String,
    /// Where the left picture is.
    pub left_url: String,
    /// Where the right picture is.
    pub right_url: String,
    /// What both are of.
    pub prompt: String,
    /// Kind of asset.
    pub kind: String,
}

/// The next pairs of a voter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DuelsView {
    /// Pairs in the order in which to vote; none if all that can be are voted on.
    pub duels: Vec<DuelView>,
    /// Votes of this voter.
    pub voted: usize,
    /// Pairs of this voter when all pictures are there.
    pub total: usize,
    /// Pictures that are there.
    pub pictures: usize,
    /// Pictures that are still to be drawn.
    pub waiting: usize,
    /// Pictures that could not be drawn.
    pub failed: usize,
}

/// A pair of contestants at a prompt; the first of the two is on the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    prompt: u32,
    left: u32,
    right: u32,
}

/// The next `count` pairs of a voter. Blocks.
pub fn duels(app: &App, id: &str, voter: &str, count: usize) -> Result<DuelsView, ApiError> {
    settle(app)?;
    let bakeoff = app.store.bakeoff(id)?;
    let (entries, votes) = (app.store.entries(id)?, app.store.bakeoff_votes(id)?);
    let ready: BTreeMap<(u32, u32), &Entry> =
        entries.iter().filter(|one| one.asset.is_some()).map(|one| ((one.prompt, one.contestant), one)).collect();
    let pairs = next(&bakeoff, &ready.keys().copied().collect(), &votes, voter, count);
    let view = |pair: Pair| {
        let picture = |contestant| ready.get(&(pair.prompt, contestant)).map(|entry| entry.id.clone());
        let (left, right) = (picture(pair.left)?, picture(pair.right)?);
        let prompt = bakeoff.prompts.get(pair.prompt as usize)?;
        let url = |picture: &str| format!("/api/v1/bakeoffs/{id}/pictures/{picture}");
        let (left_url, right_url) = (url(&left), url(&right));
        Some(DuelView { left, right, left_url, right_url, prompt: prompt.prompt.clone(), kind: prompt.kind.clone() })
    };
    let contestants = bakeoff.contestants.len();
    let with = |state: fn(EntryState) -> bool| entries.iter().filter(|one| state(one.state)).count();
    Ok(DuelsView {
        duels: pairs.into_iter().filter_map(view).collect(),
        voted: votes.iter().filter(|vote| vote.voter == voter).count(),
        total: contestants * contestants.saturating_sub(1) / 2 * bakeoff.prompts.len(),
        pictures: ready.len(),
        waiting: with(|state| matches!(state, EntryState::Pending | EntryState::Queued)),
        failed: with(|state| state == EntryState::Failed),
    })
}

/// The next pairs, as if each were voted on before the next is chosen. `ready` holds (prompt, contestant).
fn next(bakeoff: &Bakeoff, ready: &BTreeSet<(u32, u32)>, votes: &[Voted], voter: &str, count: usize) -> Vec<Pair> {
    let sorted = |a: u32, b: u32| (a.min(b), a.max(b));
    let kind = |prompt: u32| bakeoff.prompts.get(prompt as usize).map_or("", |one| one.kind.as_str());
    let mut met: BTreeMap<(&str, (u32, u32)), usize> = BTreeMap::new();
    let mut met_here: BTreeMap<(u32, (u32, u32)), usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for vote in votes {
        let pair = sorted(vote.left, vote.right);
        *met.entry((kind(vote.prompt), pair)).or_default() += 1;
        *met_here.entry((vote.prompt, pair)).or_default() += 1;
        if vote.voter == voter {
            seen.insert((vote.prompt, pair));
        }
    }
    let mut open: Vec<(u32, (u32, u32), [u8; 32])> = Vec::new();
    for &(prompt, first) in ready {
        for &(_, second) in ready.range((prompt, first + 1)..=(prompt, u32::MAX)) {
            if !seen.contains(&(prompt, (first, second))) {
                open.push((prompt, (first, second), digest(&bakeoff.id, voter, prompt, first, second)));
            }
        }
    }
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let rank = |(prompt, pair, digest): &(u32, (u32, u32), [u8; 32])| {
            let times = met.get(&(kind(*prompt), *pair)).copied().unwrap_or(0);
            (times, met_here.get(&(*prompt, *pair)).copied().unwrap_or(0), *digest)
        };
        let Some(at) = (0..open.len()).min_by_key(|at| rank(&open[*at])) else { break };
        let (prompt, pair, digest) = open.swap_remove(at);
        *met.entry((kind(prompt), pair)).or_default() += 1;
        *met_here.entry((prompt, pair)).or_default() += 1;
        let (left, right) = if digest[31] & 1 == 0 { pair } else { (pair.1, pair.0) };
        chosen.push(Pair { prompt, left, right });
    }
    chosen
}

fn digest(bakeoff: &str, voter: &str, prompt: u32, first: u32, second: u32) -> [u8; 32] {
    Sha256::digest(format!("calotype duel 1\n{bakeoff}\n{prompt} {first} {second}\n{voter}")).into()
}

#[cfg(test)]
mod tests {
    use store::{BakeoffPrompt, Contestant, Verdict};

    use super::*;

    fn bakeoff(contestants: usize, kinds: &[&str]) -> Bakeoff {
        let contestant = |i| Contestant { name: format!("c{i}"), model: None, preset: None };
        let prompt = |kind: &&str| BakeoffPrompt { kind: (*kind).into(), prompt: "a fox".into(), seed: 0 };
        Bakeoff {
            id: "b".into(),
            name: "b".into(),
            campaign: None,
            project: "default".into(),
            size: None,
            currency: "EUR".into(),
            created_ms: 0,
            contestants: (0..contestants).map(contestant).collect(),
            prompts: kinds.iter().map(prompt).collect(),
        }
    }

    fn all(bakeoff: &Bakeoff) -> BTreeSet<(u32, u32)> {
        let contestants = bakeoff.contestants.len() as u32;
        (0..bakeoff.prompts.len() as u32).flat_map(|p| (0..contestants).map(move |c| (p, c))).collect()
    }

    fn vote(pair: Pair, voter: &str) -> Voted {
        let Pair { prompt, left, right } = pair;
        Voted { prompt, left, right, verdict: Verdict::Left, voter: voter.into(), at_ms: 0 }
    }

    #[test]
    fn everybody_sees_every_pair_once_and_pairs_stay_balanced() {
        let kinds = ["photoreal"; 12].into_iter().chain(["stylised"; 4]).collect::<Vec<_>>();
        let bakeoff = bakeoff(4, &kinds);
        let ready = all(&bakeoff);
        let mut votes: Vec<Voted> = Vec::new();
        let (mut lefts, mut met) = (0, BTreeMap::<(u32, u32), usize>::new());
        for n in 0..6 * 16 {
            let pairs = next(&bakeoff, &ready, &votes, "anna", 3);
            let one = pairs[0];
            // What was prefetched is what comes next.
            if let Some(coming) = pairs.get(1) {
                votes.push(vote(one, "anna"));
                assert_eq!(next(&bakeoff, &ready, &votes, "anna", 1)[0], *coming);
            } else {
                votes.push(vote(one, "anna"));
            }
            lefts += usize::from(one.left < one.right);
            *met.entry((one.left.min(one.right), one.left.max(one.right))).or_default() += 1;
            let (least, most) = (met.values().min().unwrap(), met.values().max().unwrap());
            assert!(n < 12 || most - least <= 2, "{met:?}");
        }
        assert!(next(&bakeoff, &ready, &votes, "anna", 3).is_empty());
        assert!(met.values().all(|times| *times == 16), "{met:?}");
        // 96 throws of a fair coin are within four standard deviations.
        assert!((28..=68).contains(&lefts), "{lefts}");
        assert_eq!(next(&bakeoff, &ready, &votes, "ben", 200).len(), 96);
    }

    #[test]
    fn what_is_not_drawn_is_not_shown() {
        let bakeoff = bakeoff(3, &["photoreal", "photoreal"]);
        let ready = BTreeSet::from([(0, 0), (0, 2), (1, 1)]);
        let pairs = next(&bakeoff, &ready, &[], "anna", 9);
        assert_eq!(pairs.len(), 1);
        assert_eq!((pairs[0].prompt, pairs[0].left + pairs[0].right), (0, 2));
    }
}
