//! Instruction sets and the choice among them at run time.

use crate::KernelError;

/// An instruction set that a kernel body exists for.
///
/// All variants exist on every architecture, so that a program can name one in an option; [`Isa::is_available`] tells
/// whether this machine can run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// Portable code: the twin of every SIMD body, with the same order of operations.
    Scalar,
    /// AVX2 with FMA, 8 lanes (x86-64).
    Avx2,
    /// AVX-512 F, VL and DQ, 16 lanes (x86-64).
    Avx512,
    /// Advanced SIMD, 4 lanes (`AArch64`).
    Neon,
}

impl Isa {
    /// Every instruction set, in the order of preference from last to first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// The best instruction set of this machine, or the one named by the environment variable `VOLKIT_ISA`
    /// (`scalar`, `avx2`, `avx512`, `neon`) where that one is available.
    #[must_use]
    pub fn detect() -> Self {
        let asked = std::env::var("VOLKIT_ISA").ok().and_then(|name| Self::from_name(&name));
        match asked {
            Some(isa) if isa.is_available() => isa,
            _ => *Self::ALL.iter().rev().find(|isa| isa.is_available()).unwrap_or(&Self::Scalar),
        }
    }

    /// Whether this machine can run the set.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && Self::Avx2.is_available()
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            _ => false,
        }
    }

    /// The set itself, or an error when this machine lacks it.
    ///
    /// # Errors
    /// [`KernelError::IsaUnavailable`].
    pub fn require(self) -> Result<Self, KernelError> {
        if self.is_available() { Ok(self) } else { Err(KernelError::IsaUnavailable(self.name())) }
    }

    /// Lower-case name, as [`Isa::from_name`] reads it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// The set with that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|isa| isa.name() == name)
    }
}
