//! Timing a piece of work with warm-up and repeats.

use serde::{Deserialize, Serialize};
use std::time::Instant;
use volkit_core::BoxError;

use crate::BenchError;
use crate::usage::{cpu_secs, peak_bytes};

/// A piece of work that can be timed.
///
/// # Protocol
/// `run` may be called any number of times and does the same work each time; whatever is made once (inputs, plans,
/// weights) is made before the workload is handed over. After an error it is not called again.
pub trait Workload {
    /// Name for reports, as `crate/operation/shape/path`.
    fn name(&self) -> &str;

    /// Does the work once.
    ///
    /// # Errors
    /// Whatever the work gives.
    fn run(&mut self) -> Result<(), BoxError>;

    /// How much work one run is, with its unit (`"FLOP"`, `"byte"`, `"voxel"`), for rates.
    fn amount(&self) -> Option<(f64, &'static str)> {
        None
    }
}

/// How often a workload is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunPlan {
    /// Runs that are not timed (default 1).
    pub warmup: usize,
    /// Runs that are timed, at least 1 (default 5).
    pub repeats: usize,
}

impl RunPlan {
    /// One run to warm up, five that are timed.
    #[must_use]
    pub fn new() -> Self {
        Self { warmup: 1, repeats: 5 }
    }

    /// The same with another number of runs before the timed ones.
    #[must_use]
    pub fn with_warmup(self, warmup: usize) -> Self {
        Self { warmup, ..self }
    }

    /// The same with another number of timed runs.
    #[must_use]
    pub fn with_repeats(self, repeats: usize) -> Self {
        Self { repeats, ..self }
    }
}

impl Default for RunPlan {
    fn default() -> Self {
        Self::new()
    }
}

/// Mean and scatter of repeated measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spread {
    /// `sum x / n`.
    pub mean: f64,
    /// Standard deviation of the sample, `sqrt(sum (x - mean)^2 / (n - 1))`; 0 for one value.
    pub sd: f64,
    /// Coefficient of variation, `sd / mean`; 0 where the mean is 0.
    pub cv: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl Spread {
    /// The spread of some values; none for no value.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let (&first, rest) = values.split_first()?;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        let sd = if rest.is_empty() { 0.0 } else { (squares / (n - 1.0)).sqrt() };
        let cv = if mean == 0.0 { 0.0 } else { sd / mean };
        let min = rest.iter().fold(first, |a, &b| a.min(b));
        let max = rest.iter().fold(first, |a, &b| a.max(b));
        Some(Self { mean, sd, cv, min, max })
    }
}

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
    /// Largest resident memory of the process after the last run, in bytes, where the system tells.
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
    if plan.repeats == 0 {
        return Err(BenchError::Parameter { name: "repeats", value: "0".to_owned(), why: "at least 1 run is timed" });
    }
    let name = workload.name().to_owned();
    let failed = |source| BenchError::Workload { name: name.clone(), source };
    for _ in 0..plan.warmup {
        workload.run().map_err(failed)?;
    }
    let (mut wall, mut cpu) = (Vec::with_capacity(plan.repeats), Vec::with_capacity(plan.repeats));
    for _ in 0..plan.repeats {
        let (start, start_cpu) = (Instant::now(), cpu_secs());
        workload.run().map_err(failed)?;
        wall.push(start.elapsed().as_secs_f64());
        cpu.extend(cpu_secs().zip(start_cpu).map(|(end, start)| end - start));
    }
    let wall_secs = Spread::of(&wall).expect("invariant: at least one timed run");
    let rate = workload.amount().map(|(amount, unit)| (amount / wall_secs.mean, unit.to_owned()));
    Ok(Measurement {
        repeats: plan.repeats,
        wall_secs,
        cpu_secs: Spread::of(&cpu),
        peak_bytes: peak_bytes(),
        rate,
        name,
    })
}
