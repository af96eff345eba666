//! What a test of pictures says: planning, intervals that may be looked at any day, Bayes, bandits, health checks, duels.

#![forbid(unsafe_code)]

mod always_valid;
mod assign;
mod bandit;
mod bayes;
mod duels;
mod effect;
mod error;
mod experiment;
mod fixed;
mod plan;
mod ratio;
mod report;
mod sample;
mod special;
mod verdict;

pub use always_valid::{DEFAULT_TUNING, always_valid};
pub use assign::Assigner;
pub use bandit::{BanditRule, bandit_shares};
pub use bayes::{BayesSettings, Belief, Beliefs, BetaPrior, MOST_ARMS, bayes};
pub use duels::{DEFAULT_DEVIATION, Duel, MOST_ITEMS, Outcome, Ranking, Strength, rank_duels};
pub use effect::{Direction, Effect, Interval, Scale};
pub use error::{ExperimentError, Side, Untestable};
pub use experiment::{Arm, Assignment, Day, Experiment, Metric, MetricKind, Settings, Total};
pub use fixed::{Reference, Test, fixed_horizon, holm, newcombe, wilson};
pub use plan::{Baseline, Sureness, Way, WayKind, days_needed, detectable_lift, people_per_arm, power_of, ways};
pub use ratio::{DIRICHLET_CONCENTRATION, RatioTest, ratio_chi_square, ratio_sequential};
pub use report::{
    ArmDescription, Call, ComparedMetric, Comparison, DescribedMetric, Description, Health, Report, SeriesPoint,
    Versus, evaluate,
};
pub use sample::{MOST_PEOPLE, Sample};
pub use verdict::Verdict;
