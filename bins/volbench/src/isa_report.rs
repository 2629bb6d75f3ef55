//! Which instruction sets the kernels can use here, which they do, and why not the others.

use serde::Serialize;
use volkit_kernels::Isa;

use crate::machine::known_features;
use crate::self_check::{SelfCheck, self_check};

/// Overrides the choice of the kernels.
const ISA_VARIABLE: &str = "VOLKIT_ISA";

/// An instruction set on this machine.
#[derive(Debug, Serialize)]
pub(crate) struct IsaReport {
    pub(crate) name: &'static str,
    /// Whether the kernels use it unless told otherwise.
    pub(crate) chosen: bool,
    pub(crate) available: bool,
    /// Why it is not available, or not chosen.
    pub(crate) why: String,
    /// A convolution compared with the portable code; none where the set is not available.
    pub(crate) self_check: Option<SelfCheck>,
}

pub(crate) fn isa_reports() -> Vec<IsaReport> {
    let chosen = Isa::detect();
    let report = |isa: Isa| IsaReport {
        name: isa.name(),
        chosen: isa == chosen,
        available: isa.is_available(),
        why: reason(isa, chosen),
        self_check: isa.is_available().then(|| self_check(isa)),
    };
    Isa::ALL.into_iter().map(report).collect()
}

fn reason(isa: Isa, chosen: Isa) -> String {
    let by_variable = std::env::var(ISA_VARIABLE).is_ok_and(|name| name == chosen.name());
    if isa == chosen {
        return if by_variable { format!("named by {ISA_VARIABLE}") } else { "the best that is available".to_owned() };
    }
    if isa.is_available() {
        return if by_variable {
            format!("{ISA_VARIABLE} names another")
        } else {
            format!("{} is better", chosen.name())
        };
    }
    let (arch, needed): (&str, &[&str]) = match isa {
        Isa::Scalar => ("", &[]),
        Isa::Avx2 => ("x86_64", &["avx2", "fma"]),
        Isa::Avx512 => ("x86_64", &["avx512f", "avx512vl", "avx512dq", "avx2", "fma"]),
        Isa::Neon => ("aarch64", &["neon"]),
    };
    if std::env::consts::ARCH != arch {
        return format!("needs an {arch} processor, this is {}", std::env::consts::ARCH);
    }
    let features = known_features();
    let lacking: Vec<&str> = needed.iter().copied().filter(|name| !features.contains(&(*name, true))).collect();
    format!("this processor lacks {}", lacking.join(", "))
}
