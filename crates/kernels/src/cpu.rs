//! What a kernel runs on: an instruction set and a pool of threads.

use std::sync::Arc;

use simd::Isa;

use crate::Pool;

/// The first argument of every kernel. Cloning is cheap and shares the pool.
#[derive(Clone, Debug)]
pub struct Cpu {
    /// The instruction set kernels are dispatched to.
    pub isa: Isa,
    /// The threads kernels run on.
    pub pool: Arc<Pool>,
}

impl Cpu {
    /// A CPU with the given instruction set and its own pool of `threads` threads (at least one).
    ///
    /// # Panics
    /// When the machine lacks `isa`.
    pub fn new(isa: Isa, threads: usize) -> Self {
        assert!(isa <= Isa::detected(), "this machine has no {isa}");
        Self { isa, pool: Arc::new(Pool::new(threads)) }
    }

    /// The best instruction set of this machine with `threads` threads.
    pub fn detected(threads: usize) -> Self {
        Self::new(Isa::detected(), threads)
    }
}
