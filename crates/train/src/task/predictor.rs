//! What a trained model predicts of some pictures at a time, for tasks that learn from it.

use std::sync::Arc;

use graph::{Executor, Graph, PackedParameters, Parameters, Precision};
use kernels::Cpu;
use models::jit::{self, finish};

use crate::TrainError;

pub(super) struct Predictor {
    network: Executor,
    finisher: Option<Executor>,
    predicted: Vec<f32>,
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
        let jit::Geometry { batch, height, width, .. } = geometry;
        let executor = |mut graph: Graph, prediction| {
            graph.output("x_hat", prediction)?;
            let graph = Arc::new(graph::fuse::fuse(&graph));
            let packed = Arc::new(PackedParameters::new(cpu, &[&graph], parameters, precision)?);
            Ok::<_, TrainError>(Executor::new(cpu, graph, packed)?)
        };
        let mut graph = Graph::new();
        let prediction = jit::build(&mut graph, config, geometry)?.prediction;
        let network = executor(graph, prediction)?;
        let finisher = if config.finish_width > 0 {
            let mut graph = Graph::new();
            let prediction = finish::build(&mut graph, config, [batch, height, width])?.prediction;
            Some(executor(graph, prediction)?)
        } else {
            None
        };
        Ok(Self { network, finisher, predicted: Vec::new(), t: vec![0.0; batch] })
    }

    /// Sets an input of the network.
    pub(super) fn set(&mut self, name: &str, values: &[f32]) -> Result<(), TrainError> {
        self.network.set_input(name, values)?;
        if name == "t" {
            self.t.copy_from_slice(values);
        }
        if let Some(finisher) = &mut self.finisher
            && ["z", "t"].contains(&name)
        {
            finisher.set_input(name, values)?;
        }
        Ok(())
    }

    /// The predictions `[B, H, W, C]`, finished where the time is one of the finisher's.
    pub(super) fn run(&mut self) -> Result<&[f32], TrainError> {
        self.network.run()?;
        self.predicted.clear();
        self.predicted.extend_from_slice(self.network.output("x_hat"));
        if let Some(finisher) = &mut self.finisher {
            finisher.set_input("predicted", &self.predicted)?;
            finisher.run()?;
            let item = self.predicted.len() / self.t.len();
            let finished = finisher.output("x_hat").chunks_exact(item);
            for ((predicted, finished), t) in self.predicted.chunks_exact_mut(item).zip(finished).zip(&self.t) {
                if *t <= finish::FROM {
                    predicted.copy_from_slice(finished);
                }
            }
        }
        Ok(&self.predicted)
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
            predictor.set("t", &[0.5, 0.6]).unwrap();
            predictor.set("text_lengths", &[3.0, 1.0]).unwrap();
            predictor.run().unwrap().to_vec()
        };
        let (plain, finished) = (predict(&network), predict(&config));
        let (late, early) = plain.split_at(plain.len() / 2);
        assert!(late.iter().zip(&finished).any(|(a, b)| (a - b).abs() > 1e-3));
        assert_eq!(early, &finished[late.len()..]);
    }
}
