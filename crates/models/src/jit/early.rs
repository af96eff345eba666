//! The early expert: a network of its own for the first steps, in which a picture is laid out.
//!
//! At high noise the question is which picture it will be; at low noise, where its edges lie. One network for both shares its
//! capacity between them, and most of its loss comes from the second. So a model can have a second trunk for flow times above
//! [`UNTIL`] ("eDiff-I", arXiv 2211.01324, section 4), which begins as a copy of the first and is then trained there alone. It has no
//! detail network: edges come later. From there on the first network predicts, with its finisher if it has one.

use graph::{ParameterError, Parameters};

use crate::jit::{Config, finish, parameters};
use crate::parameter::ParameterSpec;

/// Flow times above this are the early expert's.
pub const UNTIL: f32 = finish::FROM;
/// What the names of its parameters begin with in a model's file.
pub const PREFIX: &str = "early.";

/// The early expert of a model as a network, whose parameters are called as those of others; none if it has none.
pub fn config(config: &Config) -> Option<Config> {
    config.early.then(|| Config {
        early: false,
        detail_width: 0,
        finish_width: 0,
        step_length: false,
        ..config.clone()
    })
}

/// Every parameter of the early expert as it is called in the model's file.
pub(super) fn prefixed_parameters(config: &Config) -> Vec<ParameterSpec> {
    let own = self::config(config).map_or(Vec::new(), |config| parameters(&config));
    own.into_iter().map(|spec| ParameterSpec { name: format!("{PREFIX}{}", spec.name), ..spec }).collect()
}

/// The parameters, called as those of a network of its own, from which the early expert of `model` starts: those of its network.
///
/// # Panics
/// When the model has no early expert, or `network` lacks a parameter.
pub fn begin(model: &Config, network: &Parameters) -> Result<Parameters, ParameterError> {
    let mut result = Parameters::new();
    for spec in parameters(&config(model).expect("the model has an early expert")) {
        let trained = network.get(&spec.name).expect("the network has it");
        result.insert(&spec.name, &spec.shape, trained.data.clone())?;
    }
    Ok(result)
}

/// The early expert's parameters called as those of a network of its own; others are left out.
pub fn without_prefix(model: &Parameters) -> Result<Parameters, ParameterError> {
    let mut result = Parameters::new();
    for parameter in model.iter() {
        if let Some(name) = parameter.name.strip_prefix(PREFIX) {
            result.insert(name, &parameter.shape, parameter.data.clone())?;
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jit::initial_parameters;

    #[test]
    fn it_begins_as_the_network_under_names_of_its_own() {
        let network = Config { width: 32, blocks: 1, heads: 2, hidden: 48, detail_width: 8, ..Config::default() };
        let model = Config { early: true, ..network.clone() };
        let trained = initial_parameters(&network, 4).unwrap();
        let expert = begin(&model, &trained).unwrap();
        assert!(expert.iter().all(|p| trained.get(&p.name).unwrap().data == p.data));
        assert!(trained.iter().filter(|p| !p.name.starts_with("detail.")).all(|p| expert.get(&p.name).is_some()));

        let own = without_prefix(&initial_parameters(&model, 4).unwrap()).unwrap();
        assert_eq!(own.len(), expert.len());
        assert!(own.iter().zip(expert.iter()).all(|(a, b)| a.name == b.name && a.shape == b.shape));
        assert!(config(&network).is_none());
    }
}
