//! What the duels say: Bradley–Terry strengths with intervals by kind of asset and in all, beside the seconds and the money a
//! picture took, and who is beaten by nobody in all three.

use std::collections::{BTreeMap, BTreeSet};

use campaign::money;
use experiment::{DEFAULT_DEVIATION, Duel, Outcome, Ranking, rank_duels};
use serde::Serialize;
use store::{Bakeoff, Entry, EntryState, Verdict, Voted};
use utoipa::ToSchema;

use super::feed::settle;
use crate::app::App;
use crate::error::ApiError;

/// Intervals hold 1 − this.
const ALPHA: f64 = 0.05;
/// Rating of a strength of 0, and points for odds of ten to one, as in chess.
const RATING: f64 = 1000.0;
const POINTS: f64 = 400.0;

/// What a bake-off says.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BakeoffReport {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// What costs are in.
    pub currency: String,
    /// Votes.
    pub votes: usize,
    /// People who voted.
    pub voters: usize,
    /// All kinds together, then each kind.
    pub groups: Vec<GroupResult>,
}

/// What it says for one kind of asset.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupResult {
    /// The kind; absent = all of them.
    pub kind: Option<String>,
    /// Prompts of this kind.
    pub prompts: usize,
    /// Votes on them.
    pub votes: usize,
    /// The contestants, the strongest first.
    pub contestants: Vec<Standing>,
}

/// How a contestant stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Standing {
    /// Its place in the list of contestants, from 0.
    pub position: usize,
    /// Name.
    pub name: String,
    /// Model; absent for pictures from outside.
    pub model: Option<String>,
    /// Preset.
    pub preset: Option<String>,
    /// Whether its pictures are from outside.
    pub outside: bool,
    /// Rank of its group, from 1: contestants of one group cannot be told apart from its first.
    pub rank: usize,
    /// Log-odds against an average contestant.
    pub strength: f64,
    /// 1000 for an average contestant; 400 more are odds of ten to one.
    pub rating: f64,
    /// Lower end of the 95 % interval of the rating.
    pub rating_low: f64,
    /// Upper end.
    pub rating_high: f64,
    /// Duels it was in.
    pub duels: u64,
    /// Duels it won.
    pub wins: u64,
    /// Duels it lost.
    pub losses: u64,
    /// Ties.
    pub ties: u64,
    /// Duels in which both were bad; they count as ties.
    pub bad: u64,
    /// Its pictures that are there.
    pub pictures: usize,
    /// Those that could not be drawn.
    pub failed: usize,
    /// Median of the seconds of a picture.
    pub seconds: Option<f64>,
    /// Mean cost of a picture, a decimal.
    pub cost: Option<String>,
    /// Whether no other contestant is at least as good, as fast and as cheap, and better in one of them.
    pub pareto: bool,
}

/// The report of a bake-off. Blocks.
pub fn report(app: &App, id: &str) -> Result<BakeoffReport, ApiError> {
    settle(app)?;
    let bakeoff = app.store.bakeoff(id)?;
    let (entries, votes) = (app.store.entries(id)?, app.store.bakeoff_votes(id)?);
    let voters: BTreeSet<&str> = votes.iter().map(|vote| vote.voter.as_str()).collect();
    let kinds: BTreeSet<&str> = bakeoff.prompts.iter().map(|prompt| prompt.kind.as_str()).collect();
    let each = if kinds.len() > 1 { kinds.into_iter().map(Some).collect() } else { Vec::new() };
    let groups = std::iter::once(None).chain(each).map(|kind| group(&bakeoff, kind, &entries, &votes));
    Ok(BakeoffReport {
        groups: groups.collect::<Result<_, _>>()?,
        votes: votes.len(),
        voters: voters.len(),
        id: bakeoff.id,
        name: bakeoff.name,
        currency: bakeoff.currency,
    })
}

/// Votes of a contestant by how they ended.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    wins: u64,
    losses: u64,
    ties: u64,
    bad: u64,
}

fn group(bakeoff: &Bakeoff, kind: Option<&str>, entries: &[Entry], votes: &[Voted]) -> Result<GroupResult, ApiError> {
    let of_kind = |prompt: u32| {
        let found = bakeoff.prompts.get(prompt as usize);
        kind.is_none_or(|kind| found.is_some_and(|prompt| prompt.kind == kind))
    };
    let votes: Vec<&Voted> = votes.iter().filter(|vote| of_kind(vote.prompt)).collect();
    let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
    let mut duels = Vec::with_capacity(votes.len());
    for vote in &votes {
        let mut add = |who: u32, change: fn(&mut Tally)| change(tallies.entry(who).or_default());
        let outcome = match vote.verdict {
            Verdict::Left | Verdict::Right => {
                let is_left = vote.verdict == Verdict::Left;
                let (winner, loser) = if is_left { (vote.left, vote.right) } else { (vote.right, vote.left) };
                add(winner, |tally| tally.wins += 1);
                add(loser, |tally| tally.losses += 1);
                if is_left { Outcome::First } else { Outcome::Second }
            }
            Verdict::Tie => {
                for who in [vote.left, vote.right] {
                    add(who, |tally| tally.ties += 1);
                }
                Outcome::Tie
            }
            Verdict::Neither => {
                for who in [vote.left, vote.right] {
                    add(who, |tally| tally.bad += 1);
                }
                Outcome::Tie
            }
        };
        duels.push(Duel { first: vote.left as usize, second: vote.right as usize, outcome });
    }
    let ranking =
        rank_duels(bakeoff.contestants.len(), &duels, ALPHA, DEFAULT_DEVIATION).map_err(ApiError::internal)?;
    let spread = spread(&ranking, bakeoff.contestants.len());
    let own: Vec<&Entry> = entries.iter().filter(|entry| of_kind(entry.prompt)).collect();
    let mut standings = Vec::new();
    for &position in &ranking.order {
        let Some(contestant) = bakeoff.contestants.get(position) else { continue };
        let strength = ranking.strengths[position];
        let Tally { wins, losses, ties, bad } = tallies.get(&(position as u32)).copied().unwrap_or_default();
        let pictures: Vec<&&Entry> = own.iter().filter(|entry| entry.contestant as usize == position).collect();
        let mut seconds: Vec<f64> = pictures.iter().filter_map(|entry| entry.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let costs: Vec<i64> = pictures.iter().filter(|one| one.asset.is_some()).filter_map(|one| one.micros).collect();
        let mean = costs.iter().sum::<i64>().checked_div(costs.len() as i64);
        standings.push(Standing {
            position,
            name: contestant.name.clone(),
            model: contestant.model.clone(),
            preset: contestant.preset.clone(),
            outside: contestant.model.is_none(),
            rank: strength.group,
            strength: strength.theta,
            rating: rating(strength.theta),
            rating_low: rating(strength.theta - spread[position]),
            rating_high: rating(strength.theta + spread[position]),
            duels: strength.duels,
            wins,
            losses,
            ties,
            bad,
            pictures: pictures.iter().filter(|entry| entry.asset.is_some()).count(),
            failed: pictures.iter().filter(|entry| entry.state == EntryState::Failed).count(),
            seconds: middle(&seconds),
            cost: mean.map(money),
            pareto: false,
        });
    }
    let front = front(&standings);
    for (standing, is_front) in standings.iter_mut().zip(front) {
        standing.pareto = is_front;
    }
    let prompts = (0_u32..).zip(&bakeoff.prompts).filter(|(prompt, _)| of_kind(*prompt)).count();
    Ok(GroupResult { kind: kind.map(str::to_owned), prompts, votes: votes.len(), contestants: standings })
}

/// Half the interval of each strength against the mean of all. The interval of a strength alone also holds how uncertain the
/// level of all of them is, which is the prior's alone and says nothing about who is better: with D_ij the variance of
/// θ_i − θ_j, that of θ_i − mean θ is Σ_j D_ij/n − Σ_jk D_jk/(2n²).
fn spread(ranking: &Ranking, n: usize) -> Vec<f64> {
    let variances = |i: usize| (0..n).map(|j| ranking.error_between(i, j).powi(2)).sum::<f64>();
    let all: f64 = (0..n).map(variances).sum();
    let count = n as f64;
    let half = |i: usize| {
        let strength = ranking.strengths[i];
        let z = (strength.interval.high - strength.theta) / strength.error;
        z * (variances(i) / count - all / (2.0 * count * count)).max(0.0).sqrt()
    };
    (0..n).map(half).collect()
}

fn rating(theta: f64) -> f64 {
    RATING + POINTS * theta / std::f64::consts::LN_10
}

fn middle(sorted: &[f64]) -> Option<f64> {
    let at = sorted.len() / 2;
    let upper = *sorted.get(at)?;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[at - 1] + upper) / 2.0 })
}

/// Who is beaten by nobody in quality, seconds and cost; without pictures nobody is.
fn front(standings: &[Standing]) -> Vec<bool> {
    let point = |one: &Standing| {
        let cost: f64 = one.cost.as_deref()?.parse().ok()?;
        Some([-one.strength, one.seconds?, cost])
    };
    let points: Vec<Option<[f64; 3]>> = standings.iter().map(point).collect();
    let beats = |a: &[f64; 3], b: &[f64; 3]| {
        let pairs = || a.iter().zip(b);
        pairs().all(|(a, b)| a <= b) && pairs().any(|(a, b)| a < b)
    };
    points.iter().map(|own| own.is_some_and(|own| !points.iter().flatten().any(|other| beats(other, &own)))).collect()
}

#[cfg(test)]
mod tests {
    use store::{BakeoffPrompt, Contestant};

    use super::*;

    fn bakeoff() -> Bakeoff {
        let contestant = |name: &str| Contestant { name: name.into(), model: Some("m".into()), preset: None };
        let prompt = |kind: &str| BakeoffPrompt { kind: kind.into(), prompt: "a fox".into(), seed: 0 };
        Bakeoff {
            id: "b".into(),
            name: "b".into(),
            campaign: None,
            project: "default".into(),
            size: None,
            currency: "EUR".into(),
            created_ms: 0,
            contestants: ["good", "bad", "slow"].map(contestant).into(),
            prompts: ["photoreal", "stylised"].map(prompt).into(),
        }
    }

    fn vote(prompt: u32, left: u32, right: u32, verdict: Verdict) -> Voted {
        Voted { prompt, left, right, verdict, voter: "anna".into(), at_ms: 0 }
    }

    #[test]
    fn ratings_follow_the_votes_of_each_kind() {
        let mut votes = vec![vote(0, 0, 1, Verdict::Left); 20];
        votes.extend(vec![vote(0, 1, 0, Verdict::Right); 20]);
        votes.extend(vec![vote(1, 1, 0, Verdict::Left); 20]);
        votes.push(vote(1, 0, 2, Verdict::Neither));
        let bakeoff = bakeoff();
        let photoreal = group(&bakeoff, Some("photoreal"), &[], &votes).unwrap();
        assert_eq!((photoreal.prompts, photoreal.votes, photoreal.contestants[0].name.as_str()), (1, 40, "good"));
        let top = &photoreal.contestants[0];
        assert_eq!((top.wins, top.losses, top.rank), (40, 0, 1));
        assert!(top.rating_low > 1000.0 && top.rating_low < top.rating && top.rating < top.rating_high, "{top:?}");
        let stylised = group(&bakeoff, Some("stylised"), &[], &votes).unwrap();
        assert_eq!(stylised.contestants[0].name, "bad");
        // Of two contestants each is as uncertain against their mean as half of their difference.
        let two = Bakeoff { contestants: bakeoff.contestants[..2].to_vec(), ..bakeoff.clone() };
        let ranking = rank_duels(2, &[Duel { first: 0, second: 1, outcome: Outcome::First }; 7], 0.05, 2.0).unwrap();
        let half = 1.959963984540054 * ranking.error_between(0, 1) / 2.0;
        assert!(spread(&ranking, two.contestants.len()).iter().all(|one| (one / half - 1.0).abs() < 1e-9));
        assert_eq!(stylised.contestants.iter().map(|one| one.bad).sum::<u64>(), 2);
        // A rating is log-odds: 400 points are ten to one.
        assert!((rating(10.0_f64.ln()) - 1400.0).abs() < 1e-9);
    }

    #[test]
    fn nobody_on_the_front_is_beaten_in_all() {
        let bakeoff = bakeoff();
        let mut standings = group(&bakeoff, None, &[], &[]).unwrap().contestants;
        let mut set = |i: usize, strength, seconds, cost: &str| {
            standings[i].strength = strength;
            (standings[i].seconds, standings[i].cost) = (Some(seconds), Some(cost.to_owned()));
        };
        set(0, 1.0, 10.0, "0.05");
        set(1, 0.5, 10.0, "0.05");
        set(2, 0.0, 2.0, "0.05");
        assert_eq!(front(&standings), [true, false, true]);
        standings[2].cost = None;
        assert_eq!(front(&standings), [true, false, false]);
        // Equals beat nobody.
        standings[1].strength = 1.0;
        assert_eq!(front(&standings), [true, true, false]);
    }
}
