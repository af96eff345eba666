//! The instruction sets: detection, choice, and the functions that enter code compiled for one.
//!
//! The `#[target_feature]` lists below stand beside the detection they must equal.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::{Kernel, Scalar};

/// An instruction set. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Plain Rust arithmetic.
    Scalar,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX-512 with products of bf16 pairs (`vdpbf16ps`).
    Avx512Bf16,
    /// Tile products of bf16 (AMX-TILE, AMX-BF16), permitted by the operating system.
    Amx,
}

/// Why an instruction set cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsaError {
    /// The name is not one of the known ones.
    #[error("unknown instruction set `{0}`; known: scalar, avx2, avx512, avx512bf16, amx")]
    Unknown(String),
    /// The machine (or its operating system) lacks it.
    #[error("this machine has no {wanted}; the best it has is {best}")]
    Unavailable {
        /// What was asked for.
        wanted: Isa,
        /// The best there is.
        best: Isa,
    },
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(s: &str) -> Result<Self, IsaError> {
        Self::ALL.into_iter().find(|isa| isa.name() == s).ok_or_else(|| IsaError::Unknown(s.to_owned()))
    }
}

impl Isa {
    /// All, from the least to the most capable.
    pub const ALL: [Self; 5] = [Self::Scalar, Self::Avx2, Self::Avx512, Self::Avx512Bf16, Self::Amx];

    /// The name used in `CALOTYPE_ISA` and in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512bf16",
            Self::Amx => "amx",
        }
    }

    /// The best instruction set of this machine; found once.
    pub fn detected() -> Self {
        static DETECTED: OnceLock<Isa> = OnceLock::new();
        *DETECTED.get_or_init(detect)
    }

    /// All that this machine has, [`Isa::Scalar`] first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|isa| *isa <= Self::detected()).collect()
    }

    /// The one that `CALOTYPE_ISA` names, or else the best.
    ///
    /// # Errors
    /// When the name is unknown or the machine lacks what it names.
    pub fn from_env() -> Result<Self, IsaError> {
        match std::env::var("CALOTYPE_ISA") {
            Ok(name) if !name.is_empty() => {
                let wanted: Self = name.parse()?;
                let best = Self::detected();
                if wanted <= best { Ok(wanted) } else { Err(IsaError::Unavailable { wanted, best }) }
            }
            _ => Ok(Self::detected()),
        }
    }

    /// Runs `kernel` compiled for this instruction set.
    ///
    /// # Panics
    /// When the machine lacks it.
    #[inline]
    pub fn dispatch<K: Kernel>(self, kernel: K) -> K::Out {
        assert!(self <= Self::detected(), "this machine has no {self}");
        match self {
            Self::Scalar => kernel.run(Scalar::new()),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the assertion above: detection found every feature of the entered function.
            Self::Avx2 => unsafe { enter_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above; the later sets include AVX-512.
            Self::Avx512 | Self::Avx512Bf16 | Self::Amx => unsafe { enter_avx512(kernel) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => kernel.run(Scalar::new()),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn enter_avx2<K: Kernel>(kernel: K) -> K::Out {
    // SAFETY: this function's features are the token's.
    kernel.run(unsafe { crate::Avx2::new_unchecked() })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn enter_avx512<K: Kernel>(kernel: K) -> K::Out {
    // SAFETY: this function's features are the token's.
    kernel.run(unsafe { crate::Avx512::new_unchecked() })
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Isa {
    Isa::Scalar
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    use std::arch::is_x86_feature_detected as has;
    // `is_x86_feature_detected` includes the operating system's support (XCR0).
    if !(has!("avx2") && has!("fma")) {
        Isa::Scalar
    } else if !(has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl")) {
        Isa::Avx2
    } else if !(has!("avx512bf16") || cfg!(feature = "emulate-amx")) {
        Isa::Avx512
    } else if !(amx::permitted() || emulated()) {
        Isa::Avx512Bf16
    } else {
        Isa::Amx
    }
}

/// Whether tile instructions work although the processor has none.
#[cfg(target_arch = "x86_64")]
fn emulated() -> bool {
    #[cfg(all(feature = "emulate-amx", target_os = "linux"))]
    return crate::emulate_amx::install();
    #[cfg(not(all(feature = "emulate-amx", target_os = "linux")))]
    false
}

#[cfg(target_arch = "x86_64")]
mod amx {
    //! Whether tile instructions may be used: CPUID(7,0).EDX, XCR0 and, on Linux, permission for this process.

    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const OSXSAVE: u32 = 1 << 27;
    /// XCR0: tile configuration (17) and tile data (18).
    const XCR0_TILES: u32 = (1 << 17) | (1 << 18);

    pub(super) fn permitted() -> bool {
        #[allow(unused_unsafe, reason = "CPUID became a safe function after Rust 1.89")]
        // SAFETY: CPUID exists on every x86-64 CPU; leaf 7 is read only when leaf 0 says it exists.
        let (leaf1, leaf7) = unsafe {
            if __cpuid(0).eax < 7 {
                return false;
            }
            (__cpuid(1), __cpuid_count(7, 0))
        };
        if leaf7.edx & AMX_BF16 == 0 || leaf7.edx & AMX_TILE == 0 || leaf1.ecx & OSXSAVE == 0 {
            return false;
        }
        let xcr0: u32;
        // SAFETY: OSXSAVE is set, so XGETBV exists and may read XCR0.
        unsafe {
            asm!("xgetbv", in("ecx") 0, out("eax") xcr0, out("edx") _, options(nomem, nostack, preserves_flags));
        }
        xcr0 & XCR0_TILES == XCR0_TILES && request_permission()
    }

    /// `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`: Linux lets a process use tile data only after asking.
    #[cfg(target_os = "linux")]
    fn request_permission() -> bool {
        const SYS_ARCH_PRCTL: u64 = 158;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        const XFEATURE_XTILEDATA: u64 = 18;
        let result: i64;
        // SAFETY: this system call reads no memory of ours and changes only which CPU state the kernel saves for us.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") SYS_ARCH_PRCTL as i64 => result,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") XFEATURE_XTILEDATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result == 0
    }

    /// Other systems' rules are not known here: no tiles.
    #[cfg(not(target_os = "linux"))]
    fn request_permission() -> bool {
        false
    }
}
