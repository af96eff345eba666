//! How to run: instruction set, threads, precision. None of it but ISA and precision can change a pixel.

use graph::Precision;
use kernels::Cpu;
use serde::{Deserialize, Serialize};
use simd::Isa;

use crate::EngineError;

/// Most threads that can be asked for.
pub const MAX_THREADS: usize = 1024;

/// Precision of matrix products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// bf16 where the instruction set multiplies it, f32 elsewhere.
    #[default]
    Auto,
    /// f32 throughout.
    F32,
    /// bf16 operands, f32 sums.
    Bf16,
}

/// How to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Threads; default: physical cores.
    pub threads: Option<usize>,
    /// Precision of matrix products.
    pub precision: PrecisionChoice,
    /// Instruction set; default: `CALOTYPE_ISA`, or the best there is.
    pub isa: Option<Isa>,
}

impl Options {
    /// Whether this machine can run so.
    pub fn check(&self) -> Result<(), EngineError> {
        self.choose().map(drop)
    }

    /// The processor (with its threads started) and the precision to use.
    pub fn resolve(&self) -> Result<(Cpu, Precision), EngineError> {
        let (isa, threads, precision) = self.choose()?;
        Ok((Cpu::new(isa, threads), precision))
    }

    /// Instruction set, threads and precision.
    pub(crate) fn choose(&self) -> Result<(Isa, usize, Precision), EngineError> {
        let isa = match self.isa {
            Some(isa) if isa > Isa::detected() => {
                return Err(simd::IsaError::Unavailable { wanted: isa, best: Isa::detected() }.into());
            }
            Some(isa) => isa,
            None => Isa::from_env()?,
        };
        let threads = self.threads.unwrap_or_else(physical_cores);
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(EngineError::field("threads", format!("{threads} is not in 1..={MAX_THREADS}")));
        }
        let has_bf16 = isa >= Isa::Avx512Bf16;
        let precision = match self.precision {
            PrecisionChoice::F32 => Precision::F32,
            PrecisionChoice::Bf16 if !has_bf16 => return Err(EngineError::NoBf16 { isa }),
            PrecisionChoice::Auto if !has_bf16 => Precision::F32,
            PrecisionChoice::Auto | PrecisionChoice::Bf16 => Precision::Bf16,
        };
        Ok((isa, threads, precision))
    }
}

/// The name of a precision in recipes.
pub fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    }
}

/// Physical cores this process may use, at least 1: hyper-threads share the units that matter here.
pub fn physical_cores() -> usize {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let siblings: std::collections::BTreeSet<String> = (0..available)
        .filter_map(|cpu| {
            std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")).ok()
        })
        .collect();
    if siblings.is_empty() { available } else { siblings.len().min(available) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_follows_the_instruction_set() {
        let resolve = |precision, isa| Options { threads: Some(1), precision, isa: Some(isa) }.resolve();
        assert_eq!(resolve(PrecisionChoice::Auto, Isa::Scalar).unwrap().1, Precision::F32);
        assert!(resolve(PrecisionChoice::Bf16, Isa::Scalar).unwrap_err().is_usage());
        if Isa::detected() >= Isa::Avx512Bf16 {
            assert_eq!(resolve(PrecisionChoice::Auto, Isa::Avx512Bf16).unwrap().1, Precision::Bf16);
        }
    }

    #[test]
    fn threads_have_a_range() {
        for threads in [0, MAX_THREADS + 1, usize::MAX] {
            let error = Options { threads: Some(threads), ..Options::default() }.resolve().unwrap_err();
            assert!(error.to_string().starts_with("threads"), "{error}");
        }
        assert!(physical_cores() >= 1);
    }
}
