//! The noise that other programs start a seed from, so that a seed gives the same picture here.
//!
//! Unlike `crate::noise`, whose numbers are addressed, these are streams: what a draw gives depends on the draws before
//! it, and on their lengths. One stream belongs to one picture; each draw is one picture's noise in torch's order
//! `[C, h, w]`, channels outermost. The first draw is the starting noise, the next ones are the sampler's.

mod mt19937;
mod torch_cpu;
mod torch_cuda;

pub use torch_cpu::TorchCpu;
pub use torch_cuda::TorchCuda;

use crate::names::named_enum;

named_enum! {
    /// Whose noise a seed stands for; names after A1111's setting `randn_source`.
    pub enum RandomSource("random source") {
        /// `torch.randn` on the CPU: ComfyUI, diffusers with a CPU generator, A1111 with `CPU`.
        Cpu = "cpu",
        /// `torch.randn` on CUDA as A1111 computes it without a card: A1111 with `NV`, and all but the last bits of its
        /// default `GPU`.
        Nv = "nv",
    }
}

/// One picture's stream of standard normals.
#[derive(Debug, Clone)]
pub enum RandomStream {
    /// See [`RandomSource::Cpu`].
    Cpu(Box<TorchCpu>),
    /// See [`RandomSource::Nv`].
    Nv(TorchCuda),
}

impl RandomStream {
    /// The stream of `seed`, at its beginning.
    pub fn new(source: RandomSource, seed: u64) -> Self {
        match source {
            RandomSource::Cpu => Self::Cpu(Box::new(TorchCpu::new(seed))),
            RandomSource::Nv => Self::Nv(TorchCuda::new(seed)),
        }
    }

    /// Fills `out` with the next draw of `out.len()` standard normals.
    ///
    /// # Panics
    /// When `out` holds more than 2^32 numbers and the source is `nv`.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        match self {
            Self::Cpu(stream) => stream.fill_normal(out),
            Self::Nv(stream) => stream.fill_normal(out),
        }
    }
}
