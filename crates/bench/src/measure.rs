//! Timing a piece of work with warm-up and repeats.

use serde::{Deserialize, Serialize};

use crate::{BenchError, RunPlan, Series, Spread, Workload, record_in_turn};

/// What the timed runs of a workload took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Measurement {
    /// Name of the workload.
    pub name: String,
    /// Timed runs.
    pub repeats: usize,
    /// Seconds that passed in a run.
    pub wall_secs: Spread,
    /// Seconds of CPU time of all threads in a run, where the system tells.
    pub cpu_secs: Option<Spread>,
    /// Largest resident memory of the process in the timed runs, in bytes, where the system tells.
    pub peak_bytes: Option<u64>,
    /// Work done a second at the mean wall time, with its unit, when the workload says how much it does.
    pub rate: Option<(f64, String)>,
}

/// Runs a workload as planned and times it.
///
/// # Errors
/// [`BenchError::Parameter`] for no timed run, [`BenchError::Workload`] when a run fails.
///
/// ```
/// use volkit_bench::{RunPlan, Workload, measure};
/// struct Sum(Vec<f64>);
/// impl Workload for Sum {
///     fn name(&self) -> &str {
///         "doc/sum/1000/scalar"
///     }
///     fn run(&mut self) -> Result<(), volkit_core::BoxError> {
///         std::hint::black_box(self.0.iter().sum::<f64>());
///         Ok(())
///     }
/// }
/// let measurement = measure(&mut Sum(vec![1.0; 1000]), &RunPlan::new().with_repeats(3))?;
/// assert_eq!(measurement.repeats, 3);
/// # Ok::<(), volkit_bench::BenchError>(())
/// ```
pub fn measure(workload: &mut dyn Workload, plan: &RunPlan) -> Result<Measurement, BenchError> {
    let Series { id, wall_secs, cpu_secs, peak_bytes, amount, unit } =
        record_in_turn(&mut [workload], plan, &mut |_, _, _| {})?.remove(0);
    let wall_secs = Spread::of(&wall_secs).expect("invariant: at least one timed run");
    let rate = amount.map(|amount| amount / wall_secs.mean).zip(unit);
    let cpu_secs = Spread::of(&cpu_secs);
    Ok(Measurement { name: id, repeats: plan.repeats, wall_secs, cpu_secs, peak_bytes, rate })
}
