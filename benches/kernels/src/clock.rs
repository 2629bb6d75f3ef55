//! CPU time of the calling thread, and the peak of its core.

use nix::time::{ClockId, clock_gettime};
use volkit_kernels::{Isa, KernelError, burn_multiply_adds};

/// CPU seconds that the calling thread has used (0 where the clock is missing).
#[must_use]
pub fn cpu_secs() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0.0, |time| time.tv_sec() as f64 + time.tv_nsec() as f64 * 1e-9)
}

/// CPU seconds that all threads of the process have used (0 where the clock is missing).
#[must_use]
pub fn process_cpu_secs() -> f64 {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map_or(0.0, |time| time.tv_sec() as f64 + time.tv_nsec() as f64 * 1e-9)
}

/// Speeds in floating-point operations per CPU second, measured in turns: medians over the turns.
#[derive(Clone, Copy, Debug)]
pub struct Speeds {
    /// Fused multiply-adds on registers alone, long enough for the processor to settle on their clock rate.
    pub peak: f64,
    /// The work.
    pub work: f64,
    /// The median of `work / peak` of one turn.
    pub of_peak: f64,
    /// The same against a peak measured for an instant right after the work, before the clock rate changes: processors
    /// clock lower under loads, stores and multiply-adds together than under multiply-adds alone.
    pub of_peak_at_clock: f64,
}

/// CPU seconds of one measurement of the settled peak, and of the one right after the work.
const PEAK_SECS: [f64; 2] = [0.01, 2e-4];

/// Runs `work` (of `flops` operations) and the peaks of `isa` in turns for `budget_secs` of CPU time, at least five times.
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
    let trial = 100_000;
    let begin = cpu_secs();
    burn_multiply_adds(isa, trial)?;
    let rounds_per_sec = trial as f64 / (cpu_secs() - begin).max(1e-6);
    let rounds = PEAK_SECS.map(|secs| (rounds_per_sec * secs) as usize + 1);
    work()?;
    let mut columns: [Vec<f64>; 4] = Default::default();
    let start = cpu_secs();
    while columns[0].len() < 5 || cpu_secs() - start < budget_secs {
        let begin = cpu_secs();
        let settled = burn_multiply_adds(isa, rounds[0])? as f64;
        let between = cpu_secs();
        work()?;
        let end = cpu_secs();
        let instant = burn_multiply_adds(isa, rounds[1])? as f64;
        let (peak, at_clock) = (settled / (between - begin), instant / (cpu_secs() - end));
        let speed = flops / (end - between);
        for (column, value) in columns.iter_mut().zip([peak, speed, speed / peak, speed / at_clock]) {
            column.push(value);
        }
    }
    let [peak, work, of_peak, of_peak_at_clock] = columns.map(median);
    Ok(Speeds { peak, work, of_peak, of_peak_at_clock })
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
        assert!((0.3..3.0).contains(&speeds.of_peak), "{speeds:?}");
    }
}
