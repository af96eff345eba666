//! What a trained model predicts of some pictures at a time, for tasks that learn from it.

use std::sync::Arc;

use graph::{Executor, Graph, PackedParameters, Parameters, Precision};
use kernels::Cpu;
use models::jit::{self, finish};

use crate::TrainError;

pub(super) struct Predictor {
    network: Executor,
    finisher: Option<Executor>,
    /// The predictions first.
    given: [(&'static str, Vec<f32>); 3],
    t: Vec<f32>,
}

impl Predictor {
    /// Of the model `config` with these `parameters`, which are its finisher's too if it has one.
    pub(super) fn new(
        cpu: &Cpu,
        precision: Precision,
        config: &jit::Config,
        parameters: &Parameters,
        geometry: jit::Geometry,
    ) -> Result<Self, TrainError> {
        let executor = |graph: Graph| {
            let graph = Arc::new(graph);
            let packed = Arc::new(PackedParameters::new(cpu, &[&graph], parameters, precision)?);
            Ok::<_, TrainError>(Executor::new(cpu, graph, packed)?)
        };
        let mut graph = Graph::new();
        let given = jit::build(&mut graph, config, geometry)?.unfinished;
        let given = [("prediction", given.prediction), ("tokens", given.tokens), ("condition", given.condition)];
        for (name, tensor) in given {
            graph.output(name, tensor)?;
        }
        let given = given.map(|(name, tensor)| (name, vec![0.0; graph.shape(tensor).iter().product()]));
        let network = executor(graph::fuse::fuse(&graph))?;
        let finisher = if config.finish_width > 0 {
            Some(executor(finish::graph(config, [geometry.batch, geometry.height, geometry.width])?)?)
        } else {
            None
        };
        Ok(Self { network, finisher, given, t: vec![0.0; geometry.batch] })
    }

    /// Sets an input of the network.
    pub(super) fn set(&mut self, name: &str, values: &[f32]) -> Result<(), TrainError> {
        self.network.set_input(name, values)?;
        if name == "t" {
            self.t.copy_from_slice(values);
        }
        if let Some(finisher) = &mut self.finisher
            && name == "z"
        {
            finisher.set_input(name, values)?;
        }
        Ok(())
    }

    /// Predicts for the inputs that were set.
    pub(super) fn run(&mut self) -> Result<(), TrainError> {
        self.network.run()?;
        for (name, given) in &mut self.given {
            given.copy_from_slice(self.network.output(name));
        }
        if let Some(finisher) = &mut self.finisher {
            for (name, given) in &self.given {
                finisher.set_input(name, given)?;
            }
            finisher.run()?;
            let predicted = &mut self.given[0].1;
            let item = predicted.len() / self.t.len();
            let corrections = finisher.output("correction").chunks_exact(item);
            for ((predicted, correction), t) in predicted.chunks_exact_mut(item).zip(corrections).zip(&self.t) {
                if *t <= finish::FROM {
                    predicted.iter_mut().zip(correction).for_each(|(value, correction)| *value += correction);
                }
            }
        }
        Ok(())
    }

    /// The predictions `[B, H, W, C]`, finished where the model has a finisher and the time is one of its.
    pub(super) fn predictions(&self) -> &[f32] {
        &self.given[0].1
    }

    /// What the network gives a finisher, by the names of its inputs: the predictions first.
    pub(super) fn given(&self) -> &[(&'static str, Vec<f32>)] {
        &self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_predictions_are_finished() {
        let network =
            jit::Config { width: 32, blocks: 1, heads: 2, hidden: 48, patch: 8, stem: 16, ..jit::Config::default() };
        let config = jit::Config { finish_width: 8, ..network.clone() };
        let mut parameters = jit::initial_parameters(&config, 3).unwrap();
        // What starts as zero would predict nothing and correct nothing.
        for (i, (_, _, data)) in parameters.iter_mut().enumerate() {
            data.iter_mut().enumerate().for_each(|(j, x)| *x += 0.05 * ((i * 131 + j * 7) as f32).sin());
        }
        let geometry = jit::Geometry { batch: 2, height: 16, width: 16, text_tokens: 3 };
        let predict = |config: &jit::Config| {
            let mut predictor =
                Predictor::new(&Cpu::detected(1), Precision::F32, config, &parameters, geometry).unwrap();
            let z: Vec<f32> = (0..2 * 16 * 16 * 4).map(|i| (i as f32 * 0.37).sin()).collect();
            predictor.set("z", &z).unwrap();
            predictor.set("t", &[0.5, 0.9]).unwrap();
            predictor.set("text_lengths", &[3.0, 1.0]).unwrap();
            predictor.run().unwrap();
            predictor.predictions().to_vec()
        };
        let (plain, finished) = (predict(&network), predict(&config));
        let (late, early) = plain.split_at(plain.len() / 2);
        assert!(late.iter().zip(&finished).any(|(a, b)| (a - b).abs() > 1e-3));
        assert_eq!(early, &finished[late.len()..]);
    }
}
