//! A piece of work, and what one run of it takes.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use volkit_core::BoxError;

use crate::usage::{cpu_secs, peak_bytes, reset_peak};

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

    /// Does the work once and tells what that took; by default times `run` in this process.
    ///
    /// The peak is that of the run alone where the system lets a process forget its peak (Linux), that of the process
    /// so far elsewhere.
    ///
    /// # Errors
    /// Those of `run`.
    fn sample(&mut self) -> Result<Sample, BoxError> {
        reset_peak();
        let (start, start_cpu) = (Instant::now(), cpu_secs());
        self.run()?;
        let wall_secs = start.elapsed().as_secs_f64();
        let cpu_secs = cpu_secs().zip(start_cpu).map(|(end, start)| (end - start).max(0.0));
        Ok(Sample { wall_secs, cpu_secs, peak_bytes: peak_bytes() })
    }

    /// How much work one run is, with its unit (`"FLOP"`, `"byte"`, `"voxel"`), for rates.
    fn amount(&self) -> Option<(f64, &'static str)> {
        None
    }
}

/// A workload made of a closure.
///
/// ```
/// use volkit_bench::{FnWorkload, Workload};
/// let numbers = vec![1.0f64; 1000];
/// let mut sum = FnWorkload::new("doc/sum/1000/scalar", move || {
///     std::hint::black_box(numbers.iter().sum::<f64>());
///     Ok(())
/// })
/// .with_amount(8000.0, "B");
/// assert!(sum.sample()?.wall_secs >= 0.0);
/// # Ok::<(), volkit_core::BoxError>(())
/// ```
pub struct FnWorkload<F> {
    name: String,
    amount: Option<(f64, &'static str)>,
    run: F,
}

impl<F: FnMut() -> Result<(), BoxError>> FnWorkload<F> {
    /// A workload of that name whose runs are calls of `run`.
    pub fn new(name: impl Into<String>, run: F) -> Self {
        Self { name: name.into(), amount: None, run }
    }

    /// The same with the work that a run does.
    #[must_use]
    pub fn with_amount(self, amount: f64, unit: &'static str) -> Self {
        Self { amount: Some((amount, unit)), ..self }
    }
}

impl<F: FnMut() -> Result<(), BoxError>> Workload for FnWorkload<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&mut self) -> Result<(), BoxError> {
        (self.run)()
    }

    fn amount(&self) -> Option<(f64, &'static str)> {
        self.amount
    }
}

/// What one run of a workload took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds that passed.
    pub wall_secs: f64,
    /// Seconds of CPU time of all threads, where the system tells.
    pub cpu_secs: Option<f64>,
    /// Largest resident memory in bytes, where the system tells.
    pub peak_bytes: Option<u64>,
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
