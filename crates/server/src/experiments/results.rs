//! Results come back: a CSV file is checked as a whole, and it is told what it changes before it does.

use std::io::Read;

use axum::http::StatusCode;
use campaign::{MAX_SHOWN, RowError};
use experiment::Assignment;
use serde::Serialize;
use store::{ImportChanges, ImportMode, ResultChange, assignment_name};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;

/// What a file of results does, or would do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImportView {
    /// Whether it was kept; not in a dry run.
    pub kept: bool,
    /// Rows of the file.
    pub rows: usize,
    /// Rows that were not there.
    pub added: usize,
    /// Rows that are there already, with the same numbers.
    pub same: usize,
    /// Rows that replace others.
    pub replaced: usize,
    /// The first 100 numbers that change: `row`, `line`, `creative`, `day`, `column`, `before`, `after`.
    #[schema(value_type = Vec<Object>)]
    pub changes: Vec<ResultChange>,
    /// How people were said to have come before, if that is now answered otherwise for all results.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub other_assignment: Option<Assignment>,
    /// First day of the file, `YYYY-MM-DD`.
    pub from: String,
    /// Last day of the file.
    pub to: String,
}

/// Takes the results of a file, all or none. Blocks.
pub fn import(
    app: &App,
    id: &str,
    csv: &mut dyn Read,
    assignment: Assignment,
    mode: ImportMode,
) -> Result<ImportView, ApiError> {
    let experiment = app.store.experiment(id)?;
    let keys: Vec<String> = experiment.arms.iter().map(|arm| arm.key.clone()).collect();
    let results = campaign::read_results(csv, &keys, experiment.metric)?;
    let mut changes = app.store.import_results(id, &results, assignment, mode)?;
    if mode == ImportMode::Add && changes.replaces() {
        return Err(would_replace(&changes));
    }
    changes.changes.truncate(MAX_SHOWN);
    let days = || results.rows.iter().map(|row| row.day);
    Ok(ImportView {
        kept: mode != ImportMode::DryRun,
        rows: results.rows.len(),
        added: changes.added,
        same: changes.same,
        replaced: changes.replaced,
        changes: changes.changes,
        other_assignment: changes.other_assignment,
        from: days().min().map(campaign::day_text).unwrap_or_default(),
        to: days().max().map(campaign::day_text).unwrap_or_default(),
    })
}

/// The refusal of a file that changes what is there, when nobody said that it may.
fn would_replace(changes: &ImportChanges) -> ApiError {
    let told = |value: Option<f64>| value.map_or("nothing".to_owned(), |value| value.to_string());
    let row = |change: &ResultChange| RowError {
        row: change.row,
        line: change.line,
        column: Some(change.column.into()),
        message: format!(
            "'{}' on {} has {} now, {} in the file",
            change.creative,
            change.day,
            told(change.before),
            told(change.after)
        ),
    };
    let rows: Vec<RowError> = changes.changes.iter().take(MAX_SHOWN).map(row).collect();
    let message = match (changes.other_assignment, rows.first()) {
        (Some(before), _) => format!(
            "the results so far came by '{}': `replace` changes the answer for all of them",
            assignment_name(before)
        ),
        (None, first) => {
            let first = first.map_or(String::new(), |first| format!(": {first}"));
            format!("results that are there would change, which `replace` allows{first}")
        }
    };
    ApiError { rows, ..ApiError::status(StatusCode::CONFLICT, "would_replace", message) }
}
