//! Strict matching of a weight file against a network's parameters.
//!
//! A weight key is the module path, so files written by Calotype need no renaming. The report says
//! what was loaded, missing, unused or of the wrong shape; anything but `loaded` is an error.

use std::collections::BTreeMap;
use std::fmt;

use crate::parameter::ParameterSpec;

/// How a file's keys fit a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys that are in both, with the right shape.
    pub loaded: Vec<String>,
    /// Parameters the file lacks.
    pub missing: Vec<String>,
    /// Keys of the file that no parameter wants.
    pub unused: Vec<String>,
    /// Keys whose shape differs.
    pub wrong_shape: Vec<WrongShape>,
}

/// A key whose shape differs from the parameter's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongShape {
    /// The key.
    pub name: String,
    /// The parameter's shape.
    pub expected: Vec<usize>,
    /// The file's shape.
    pub found: Vec<usize>,
}

/// Matches the keys and shapes found in a file against `parameters`.
pub fn match_keys<'a>(parameters: &[ParameterSpec], found: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Report {
    let mut found: BTreeMap<&str, &[usize]> = found.into_iter().collect();
    let mut report = Report::default();
    for parameter in parameters {
        match found.remove(parameter.name.as_str()) {
            None => report.missing.push(parameter.name.clone()),
            Some(shape) if shape == parameter.shape => report.loaded.push(parameter.name.clone()),
            Some(shape) => report.wrong_shape.push(WrongShape {
                name: parameter.name.clone(),
                expected: parameter.shape.clone(),
                found: shape.to_vec(),
            }),
        }
    }
    report.unused = found.into_keys().map(str::to_owned).collect();
    report
}

impl Report {
    /// Whether every parameter was found with its shape, and nothing else.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.wrong_shape.is_empty()
    }
}

/// One line: the counts, and the first few names of each problem.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} loaded", self.loaded.len())?;
        problem(f, "missing", &self.missing)?;
        problem(f, "unused", &self.unused)?;
        let wrong: Vec<String> = self
            .wrong_shape
            .iter()
            .map(|w| format!("{} is {:?} but must be {:?}", w.name, w.found, w.expected))
            .collect();
        problem(f, "of wrong shape", &wrong)
    }
}

fn problem(f: &mut fmt::Formatter<'_>, what: &str, names: &[String]) -> fmt::Result {
    const SHOWN: usize = 3;
    if names.is_empty() {
        return Ok(());
    }
    let first = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    write!(f, "; {} {what} ({first}{more})", names.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::Init;

    #[test]
    fn every_key_falls_in_one_class() {
        let spec = |name: &str, shape: &[usize]| ParameterSpec {
            name: name.into(),
            shape: shape.into(),
            init: Init::Zeros,
            matrix: false,
            stacked: 1,
        };
        let parameters = [spec("a", &[2]), spec("b", &[3, 4]), spec("c", &[1])];
        let report = match_keys(&parameters, [("a", &[2][..]), ("b", &[4, 3]), ("z", &[9])]);
        assert_eq!((report.loaded.len(), &report.missing[..]), (1, &["c".to_owned()][..]));
        assert!(!report.is_complete());
        assert_eq!(
            report.to_string(),
            "1 loaded; 1 missing (c); 1 unused (z); 1 of wrong shape (b is [4, 3] but must be [3, 4])"
        );
        let all = match_keys(&parameters, [("a", &[2][..]), ("b", &[3, 4]), ("c", &[1])]);
        assert!(all.is_complete() && all.to_string() == "3 loaded");
    }
}
