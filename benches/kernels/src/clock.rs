//! CPU time of the calling thread, and the peak of its core.

use nix::time::{ClockId, clock_gettime};
use volkit_kernels::{Isa, KernelError, burn_multiply_adds};

/// CPU seconds that the calling thread has used (0 where the clock is missing).
#[must_use]
pub fn cpu_secs() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0.0, |time| time.tv_sec() as f64 + time.tv_nsec() as f64 * 1e-9)
}

/// Speeds in floating-point operations per CPU second, measured in turns: medians over the turns.
#[derive(Clone, Copy, Debug)]
pub struct Speeds {
    /// Fused multiply-adds on registers alone: the peak of the core.
    pub peak: f64,
    /// The work.
    pub work: f64,
    /// The median of `work / peak` of one turn.
    pub fraction: f64,
}

/// CPU seconds of one turn of the peak: about those of a layer, so that both see the same clock rate and neighbours.
const PEAK_SECS: f64 = 0.01;

/// Runs `work` (of `flops` operations) and the peak of `isa` in turns for `budget_secs` of CPU time, at least five times.
///
/// Medians of turns, because other programs slow both, and CPU clocks of virtual machines now and then run short.
///
/// # Errors
/// [`KernelError::IsaUnavailable`], or the error of `work`.
pub fn measure(
    isa: Isa,
    flops: f64,
    budget_secs: f64,
    mut work: impl FnMut() -> Result<(), KernelError>,
) -> Result<Speeds, KernelError> {
    let mut rounds = 100_000;
    let begin = cpu_secs();
    burn_multiply_adds(isa, rounds)?;
    rounds = (rounds as f64 * PEAK_SECS / (cpu_secs() - begin).max(1e-6)) as usize + 1;
    work()?;
    let (mut peaks, mut works, mut fractions) = (Vec::new(), Vec::new(), Vec::new());
    let start = cpu_secs();
    while works.len() < 5 || cpu_secs() - start < budget_secs {
        let begin = cpu_secs();
        let operations = burn_multiply_adds(isa, rounds)? as f64;
        let middle = cpu_secs();
        work()?;
        let (peak, work) = (operations / (middle - begin), flops / (cpu_secs() - middle));
        peaks.push(peak);
        works.push(work);
        fractions.push(work / peak);
    }
    Ok(Speeds { peak: median(peaks), work: median(works), fraction: median(fractions) })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_as_fast_as_itself() {
        let mut operations = 0;
        let once = burn_multiply_adds(Isa::Scalar, 10_000).expect("available");
        let speeds = measure(Isa::Scalar, once as f64, 0.05, || {
            operations += burn_multiply_adds(Isa::Scalar, 10_000)?;
            Ok(())
        })
        .expect("available");
        assert!(operations >= 6 * once);
        assert!((0.3..3.0).contains(&speeds.fraction), "{speeds:?}");
    }
}
