//! What the program says: JSON events for programs on standard output, or a progress bar for people
//! on standard error and plain lines on standard output; and which exit code an error deserves.

use std::io::Write;
use std::sync::OnceLock;

use engine::{CancelToken, EngineError};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// Exit code of a failure.
pub const FAILED: u8 = 1;
/// Exit code of wrong usage.
pub const USAGE: u8 = 2;
/// Exit code after an interruption.
pub const INTERRUPTED: u8 = 130;

/// The user asked for something that cannot be asked for.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// The exit code an error deserves.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if interrupt_token().is_cancelled() {
        return INTERRUPTED;
    }
    for cause in error.chain() {
        match cause.downcast_ref::<EngineError>() {
            Some(EngineError::Cancelled) => return INTERRUPTED,
            Some(error) if error.is_usage() => return USAGE,
            _ => {}
        }
        if cause.is::<UsageError>() {
            return USAGE;
        }
    }
    FAILED
}

/// The switch that Ctrl-C (or a termination signal) throws; the second time the program ends at once.
pub fn interrupt_token() -> &'static CancelToken {
    static TOKEN: OnceLock<CancelToken> = OnceLock::new();
    TOKEN.get_or_init(|| {
        let token = CancelToken::new();
        let switch = token.clone();
        let installed = ctrlc::set_handler(move || {
            if switch.is_cancelled() {
                std::process::exit(i32::from(INTERRUPTED));
            }
            switch.cancel();
        });
        if let Err(error) = installed {
            eprintln!("warning: interruptions will not be handled: {error}");
        }
        token
    })
}

/// Says things to programs or to people.
pub struct Reporter {
    json: bool,
}

impl Reporter {
    /// JSON for programs, or text for people.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs listen.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One JSON object: `{"event": name, ...fields}`; silent for people.
    pub fn event(&self, name: &str, mut fields: Value) {
        if self.json {
            if let Some(object) = fields.as_object_mut() {
                object.insert("event".into(), name.into());
            }
            line(&fields.to_string());
        }
    }

    /// One line for people; silent for programs.
    pub fn say(&self, text: &str) {
        if !self.json {
            line(text);
        }
    }

    /// A remark for people on standard error.
    pub fn warn(&self, text: &str) {
        if self.json {
            self.event("warning", json!({ "message": text }));
        } else {
            eprintln!("warning: {text}");
        }
    }

    /// The sentence that ends a failed run.
    pub fn error(&self, error: &anyhow::Error, code: u8) {
        let message = if code == INTERRUPTED { "interrupted".to_owned() } else { sentence(error) };
        self.event("error", json!({ "message": message, "code": code }));
        eprintln!("error: {message}");
    }

    /// A progress bar of `length` steps on standard error; hidden for programs and without a terminal.
    pub fn bar(&self, length: u64, what: &str) -> ProgressBar {
        if self.json {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(length);
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {elapsed} (left {eta})") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar
    }
}

/// An error with its causes, without saying the same twice.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A line on standard output. A reader that went away is not an error of ours.
fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn exit_codes() {
        let usage = EngineError::Field { field: "steps", message: "0 is not in 1..=200".into() };
        assert_eq!(exit_code(&anyhow::Error::from(usage).context("while planning")), USAGE);
        assert_eq!(exit_code(&EngineError::Cancelled.into()), INTERRUPTED);
        assert_eq!(exit_code(&EngineError::NoBuiltInModel.into()), FAILED);
        assert_eq!(exit_code(&UsageError("x".into()).into()), USAGE);
    }

    #[test]
    fn sentences_do_not_repeat() {
        let error = Err::<(), _>(EngineError::Cancelled).context("cannot draw").unwrap_err();
        assert_eq!(sentence(&error), "cannot draw: cancelled");
    }
}
