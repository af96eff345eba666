//! A brief becomes jobs: slots, rows of a CSV, budget, drafts and finals with the same seeds.
//!
//! ```text
//! brief (TOML, JSON) ─► template with {slots} ┐
//! slots × values ─► matrix ───────────────────┼─► rows, each a finished prompt ─► seeds ─► drafts ─► pick ─► final
//! CSV (UTF-8, UTF-16), streamed ──────────────┘
//! CSV of results, streamed ─► days of creatives, or what is wrong with which row
//! ```
//! Nothing here draws, keeps or sends anything: text and numbers go in, text and numbers come out.

#![forbid(unsafe_code)]

mod brief;
mod budget;
mod matrix;
mod results;
mod review;
mod rows;
mod seed;
mod table;
mod template;

pub use brief::{Brief, BriefError, BudgetText, MAX_CANDIDATES};
pub use budget::{Ledger, MICROS, OverBudget, Rate, money, parse_money};
pub use matrix::Matrix;
pub use results::{MAX_COUNT, MAX_DAYS, Metric, ResultRow, Results, Unit, day_text, parse_day, read_results};
pub use review::ReviewState;
pub use rows::{DryRun, MAX_ROWS, MAX_SHOWN, Row, RowError, RowsError, dry_run, import};
pub use seed::seed;
pub use table::{MAX_CELL_BYTES, MAX_FILE_BYTES, MAX_RECORD_BYTES};
pub use template::{Template, TemplateError};
