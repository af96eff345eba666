//! The planner of a test: how many people it takes, how long that is, and what ten variations had better do.

use experiment::{Baseline, Sureness, Way, WayKind, days_needed, detectable_lift, people_per_arm, ways};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ApiError;

/// Days that a test may be thought to run when nothing else is said: two whole weeks.
const DAYS: u32 = 14;
/// Lifts of the curve.
const LIFTS: [f64; 14] = [0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75];

/// What is known and wanted of a test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PowerRequest {
    /// Rate of the creative that is used today, such as 0.01 clicks a person; in (0, 1). Either this or `mean` and `deviation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Revenue a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Standard deviation of one person's revenue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// The smallest relative lift that is to be found: 0.2 is 20 % more.
    pub lift: f64,
    /// Creatives with the present one, 2 to 64; default 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arms: Option<usize>,
    /// Chance to call any difference that is none; default 0.05.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Chance to find a lift of this size; default 0.8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    /// People a day, all creatives together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<u64>,
    /// Days that the test may run; default 14.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// What a test takes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PowerPlan {
    /// People that each creative needs.
    pub people_per_arm: u64,
    /// People of all creatives.
    pub people: u64,
    /// Days that takes; absent without `traffic`, as are all days here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
    /// Ways to test so many creatives, all at once first.
    pub ways: Vec<WayView>,
    /// The smallest lift that can be found in the days the test may run; absent without `traffic`, or where no rate is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detectable_lift: Option<f64>,
    /// People for other lifts.
    pub curve: Vec<CurvePoint>,
    /// What it means, a sentence each.
    pub words: Vec<String>,
}

/// One way to test many creatives.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WayView {
    /// `all_at_once`, `staged`, `bandit` or `fewer`.
    #[schema(value_type = String)]
    pub kind: WayKind,
    /// Creatives that run at the same time.
    pub arms: usize,
    /// People of all creatives and stages.
    pub people: u64,
    /// Days that takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
    /// What to do.
    pub words: String,
}

/// What another lift would take.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CurvePoint {
    /// The lift.
    pub lift: f64,
    /// People that each creative needs.
    pub people_per_arm: u64,
    /// Days that takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
}

/// Plans a test.
pub fn plan(request: &PowerRequest) -> Result<PowerPlan, ApiError> {
    let baseline = match (request.rate, request.mean, request.deviation) {
        (Some(rate), None, None) => Baseline::Proportion { rate },
        (None, Some(mean), Some(deviation)) => Baseline::Mean { mean, deviation },
        _ => return Err(ApiError::field("rate", "expected either this, or `mean` and `deviation`")),
    };
    let usual = Sureness::default();
    let sureness = Sureness {
        alpha: request.alpha.unwrap_or(usual.alpha),
        power: request.power.unwrap_or(usual.power),
        arms: request.arms.unwrap_or(usual.arms),
    };
    let traffic = request.traffic;
    if let Some(traffic) = traffic {
        ApiError::in_range("traffic", traffic, 1..=campaign::MAX_COUNT)?;
    }
    let days = ApiError::in_range("days", request.days.unwrap_or(DAYS), 1..=campaign::MAX_DAYS as u32)?;
    let each = people_per_arm(baseline, request.lift, &sureness)?;
    let takes = |people: u64| traffic.map(|traffic| days_needed(people, sureness.arms, traffic)).transpose();
    let found = ways(baseline, request.lift, &sureness, traffic.unwrap_or(1))?;
    let detectable = match traffic {
        Some(traffic) => {
            let people = traffic.saturating_mul(u64::from(days)) / sureness.arms as u64;
            if people > 0 { detectable_lift(baseline, people, &sureness)? } else { None }
        }
        None => None,
    };
    let mut curve = Vec::with_capacity(LIFTS.len());
    for lift in LIFTS {
        // A lift that would make a rate pass 1 is left out.
        if let Ok(people_per_arm) = people_per_arm(baseline, lift, &sureness) {
            curve.push(CurvePoint { lift, people_per_arm, days: takes(people_per_arm)? });
        }
    }
    let total = each.saturating_mul(sureness.arms as u64);
    let view = |way: Way| WayView {
        kind: way.kind,
        arms: way.arms,
        people: way.people,
        days: traffic.map(|_| way.days),
        words: way.words,
    };
    Ok(PowerPlan {
        people_per_arm: each,
        people: total,
        days: takes(each)?,
        words: tell(request.lift, &sureness, each, takes(each)?, days, detectable),
        ways: found.into_iter().map(view).collect(),
        detectable_lift: detectable,
        curve,
    })
}

fn tell(
    lift: f64,
    sureness: &Sureness,
    each: u64,
    takes: Option<u64>,
    days: u32,
    detectable: Option<f64>,
) -> Vec<String> {
    let percent = super::answer::percent;
    let mut words = vec![format!(
        "To find a difference of {} % in {} of 100 such tests, each of the {} creatives needs {each} people.",
        percent(lift),
        percent(sureness.power),
        sureness.arms
    )];
    match takes {
        Some(takes) if takes < 7 => {
            words.push(format!("That is {takes} days, but let it run for a whole week: weekdays differ."));
        }
        Some(takes) if takes > u64::from(days) => {
            words.push(format!("That is {takes} days, longer than the {days} the test may run."));
        }
        Some(takes) => words.push(format!("That is {takes} days.")),
        None => {}
    }
    if let Some(detectable) = detectable {
        words.push(format!("In {days} days it can find differences from {} % on.", percent(detectable)));
    }
    if sureness.arms > 3 {
        words.push(
            "Test few and very different pictures: they need fewer people, and differ more in what they bring.".into(),
        );
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> PowerRequest {
        PowerRequest { rate: Some(0.01), lift: 0.2, ..PowerRequest::default() }
    }

    #[test]
    fn the_worked_example() {
        let found = plan(&request()).unwrap();
        assert_eq!((found.people_per_arm, found.people, found.days, found.ways.len()), (42_691, 85_382, None, 1));
        let two = plan(&PowerRequest { rate: Some(0.02), ..request() }).unwrap();
        assert_eq!(two.people_per_arm, 21_106);
        let at = plan(&PowerRequest { traffic: Some(6100), ..request() }).unwrap();
        assert_eq!(at.days, Some(14));
        assert!((at.detectable_lift.unwrap() - 0.2).abs() < 0.001, "{at:?}");
        let ten = plan(&PowerRequest { arms: Some(10), traffic: Some(20_000), ..request() }).unwrap();
        assert_eq!(ten.ways.len(), 4);
        assert!(ten.ways[1..].iter().all(|way| way.days < ten.days), "{ten:?}");
    }

    #[test]
    fn bad_plans_name_their_field() {
        for (bad, field) in [
            (PowerRequest { rate: None, ..request() }, "rate"),
            (PowerRequest { mean: Some(1.0), ..request() }, "rate"),
            (PowerRequest { rate: Some(0.0), ..request() }, "rate"),
            (PowerRequest { lift: 0.0, ..request() }, "lift"),
            (PowerRequest { lift: 200.0, ..request() }, "lift"),
            (PowerRequest { arms: Some(65), ..request() }, "arms"),
            (PowerRequest { alpha: Some(1.0), ..request() }, "alpha"),
            (PowerRequest { power: Some(1.0), ..request() }, "power"),
            (PowerRequest { traffic: Some(0), ..request() }, "traffic"),
            (PowerRequest { days: Some(0), ..request() }, "days"),
        ] {
            assert_eq!(plan(&bad).unwrap_err().field.as_deref(), Some(field), "{bad:?}");
        }
    }
}
