//! What this machine is.

use serde::Serialize;

/// Facts about the machine that results and times depend on.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) os: &'static str,
    pub(crate) arch: &'static str,
    /// Name of the processor, where the system tells it in a file.
    pub(crate) cpu: Option<String>,
    /// Threads that can run at once.
    pub(crate) cores: usize,
    pub(crate) memory_bytes: Option<u64>,
    /// Instruction set extensions that the kernels may use and that this processor has.
    pub(crate) cpu_features: Vec<&'static str>,
}

impl Machine {
    pub(crate) fn detect() -> Self {
        Self {
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            cpu: cpu_name(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory_bytes(),
            cpu_features: cpu_features(),
        }
    }
}

fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(all(unix, not(target_vendor = "apple")))]
fn memory_bytes() -> Option<u64> {
    use nix::unistd::{SysconfVar, sysconf};
    let pages = sysconf(SysconfVar::_PHYS_PAGES).ok()??;
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    u64::try_from(pages).ok()?.checked_mul(u64::try_from(page_bytes).ok()?)
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn memory_bytes() -> Option<u64> {
    None
}

/// Extensions that a program can ask for, with whether this processor has them.
macro_rules! detected {
    ($macro:ident: $($name:tt),*) => {
        [$(($name, std::arch::$macro!($name))),*]
    };
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn known_features() -> Vec<(&'static str, bool)> {
    detected!(is_x86_feature_detected: "sse4.2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512vl", "avx512dq",
        "avx512bw", "avx512vnni", "avx512bf16")
    .to_vec()
}

#[cfg(target_arch = "aarch64")]
pub(crate) fn known_features() -> Vec<(&'static str, bool)> {
    detected!(is_aarch64_feature_detected: "neon", "fp16", "dotprod", "bf16", "i8mm", "sve").to_vec()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn known_features() -> Vec<(&'static str, bool)> {
    Vec::new()
}

fn cpu_features() -> Vec<&'static str> {
    known_features().into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}
