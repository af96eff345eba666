//! Enlarging: a small picture as the network drew it, four times as wide and high.

use std::sync::Arc;

use formats::safetensors::File;
use graph::{Executor, Graph, PackedParameters, Parameters, Precision};
use kernels::Cpu;
use models::enlarger::{self, Config, FACTOR};
use models::weights::{Report, match_keys};

use crate::{EngineError, Size, built_in};

/// A loaded enlarger.
pub struct Enlarger {
    cpu: Cpu,
    config: Config,
    packed: Arc<PackedParameters>,
    /// For the last size.
    planned: Option<(Size, Executor)>,
}

/// The graph for one picture of `size`: `x [1, H, W, 4]` to `y [1, 4H, 4W, 4]`.
pub(crate) fn build_graph(config: &Config, size: Size) -> Result<Graph, EngineError> {
    let mut graph = Graph::new();
    let x = graph.input("x", &[1, size.height as usize, size.width as usize, enlarger::CHANNELS])?;
    let y = enlarger::build(&mut graph, config, x)?;
    graph.output("y", y)?;
    Ok(graph::fuse::fuse(&graph))
}

/// What an enlarger's file says about itself, and how its tensors fit.
pub fn inspect(file: &File) -> Result<(Config, Report), EngineError> {
    let wrong = |key, problem: String| EngineError::Metadata { file: file.name().to_owned(), key, problem };
    let text = |key: &'static str| file.metadata().get(key).ok_or_else(|| wrong(key, "is missing".into()));
    let family = text("family")?;
    if family != enlarger::FAMILY {
        let shown: String = family.chars().take(40).collect();
        return Err(wrong("family", format!("is '{shown}', an enlarger's is '{}'", enlarger::FAMILY)));
    }
    let config: Config =
        serde_json::from_str(text("config")?).map_err(|error| wrong("config", format!("is wrong: {error}")))?;
    config.validate().map_err(|error| wrong("config", format!("is wrong: {error}")))?;
    let mut found = Vec::new();
    for name in file.value_names() {
        found.push((name, file.shape(name)?));
    }
    let report = match_keys(&enlarger::parameters(&config), found);
    Ok((config, report))
}

impl Enlarger {
    /// The one built in, and its SHA-256.
    pub fn built_in(cpu: &Cpu, precision: Precision) -> Result<(Self, String), EngineError> {
        let bytes = built_in::enlarger().ok_or(EngineError::NoEnlarger)?;
        let file = File::from_static("built-in enlarger", bytes)?;
        Ok((Self::open(cpu, precision, &file)?, file.sha256()))
    }

    /// Sizes of the one built in.
    pub fn built_in_config() -> Result<Config, EngineError> {
        let bytes = built_in::enlarger().ok_or(EngineError::NoEnlarger)?;
        Ok(inspect(&File::from_static("built-in enlarger", bytes)?)?.0)
    }

    /// Takes a model file of the family `enlarger`; strict: every parameter must be there, and nothing else.
    pub fn open(cpu: &Cpu, precision: Precision, file: &File) -> Result<Self, EngineError> {
        let (config, report) = inspect(file)?;
        if !report.is_complete() {
            return Err(EngineError::Weights { file: file.name().to_owned(), report: Box::new(report) });
        }
        let mut parameters = Parameters::new();
        for spec in enlarger::parameters(&config) {
            let values = file.to_f32(&spec.name)?;
            if !values.iter().all(|value| value.is_finite()) {
                return Err(EngineError::NotFinite { file: file.name().to_owned(), name: spec.name });
            }
            parameters.insert(&spec.name, &spec.shape, values)?;
        }
        let graph = build_graph(&config, Size { width: 8, height: 8 })?;
        let packed = Arc::new(PackedParameters::new(cpu, &[&graph], &parameters, precision)?);
        Ok(Self { cpu: cpu.clone(), config, packed, planned: None })
    }

    /// `values` premultiplied RGBA in about [-1, 1], `[H, W, 4]`, of a picture of `size`; gives the same of one four times as
    /// wide and high.
    pub fn enlarge(&mut self, size: Size, values: &[f32]) -> Result<Vec<f32>, EngineError> {
        if self.planned.as_ref().is_none_or(|(planned, _)| *planned != size) {
            let graph = build_graph(&self.config, size)?;
            self.planned = Some((size, Executor::new(&self.cpu, Arc::new(graph), self.packed.clone())?));
        }
        let (_, executor) = self.planned.as_mut().expect("planned above");
        for (x, value) in executor.input_mut("x")?.iter_mut().zip(values) {
            *x = (0.5 * value + 0.5).clamp(0.0, 1.0);
        }
        executor.run()?;
        Ok(executor.output("y").iter().map(|y| 2.0 * y - 1.0).collect())
    }

    /// The size that [`enlarge`](Self::enlarge) gives.
    pub fn enlarged(size: Size) -> Size {
        Size { width: FACTOR as u32 * size.width, height: FACTOR as u32 * size.height }
    }
}
