//! [`GradientSum`]: the mean gradient over several runs, so that a large batch needs the memory of a small one.

use kernels::Cpu;
use kernels::elementwise::{add_assign, scale};

use crate::Executor;

/// Sum of the gradients of some runs, in the order of [`crate::Graph::gradients`].
#[derive(Debug, Clone, Default)]
pub struct GradientSum {
    sums: Vec<Vec<f32>>,
    scratch: Vec<f32>,
    runs: usize,
}

impl GradientSum {
    /// An empty sum; its memory is taken at the first [`GradientSum::add`] and kept.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the runs added so far.
    pub fn clear(&mut self) {
        self.runs = 0;
    }

    /// Adds the gradients of the last run of an executor. All executors added must have the same gradients.
    ///
    /// # Panics
    /// When the gradients have other shapes than those added before.
    pub fn add(&mut self, cpu: &Cpu, executor: &Executor) {
        let gradients = executor.gradients();
        self.sums.resize_with(gradients.len(), Vec::new);
        for (sum, (name, gradient)) in self.sums.iter_mut().zip(gradients) {
            if self.runs == 0 {
                sum.clear();
                sum.extend_from_slice(gradient);
            } else {
                assert_eq!(sum.len(), gradient.len(), "gradient of {name}");
                add_assign(cpu, sum, gradient);
            }
        }
        self.runs += 1;
    }

    /// Number of runs added.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Divides the sums by the number of runs, which becomes one, and gives the mean gradients.
    pub fn mean(&mut self, cpu: &Cpu) -> &[Vec<f32>] {
        if self.runs > 1 {
            let factor = 1.0 / self.runs as f32;
            for sum in &mut self.sums {
                self.scratch.clear();
                self.scratch.extend_from_slice(sum);
                scale(cpu, factor, &self.scratch, sum);
            }
            self.runs = 1;
        }
        &self.sums
    }
}
