//! One file per command; each has `run(&args, &reporter) -> anyhow::Result<()>`.

pub mod bakeoff;
pub mod bench;
pub mod campaign;
pub mod dataset;
pub mod enlarge;
pub mod eval;
pub mod experiment;
pub mod generate;
pub mod inspect;
pub mod models;
pub mod plan;
pub mod price_plan;
pub mod prices;
pub mod serve;
pub mod train;
pub mod verify;
pub mod version;
