//! What runs of workloads took, run by run.

use serde::{Deserialize, Serialize};

use crate::{BenchError, RunPlan, Sample, Spread, Workload};

/// What the timed runs of a workload took, one number a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Series {
    /// Name of the workload.
    pub id: String,
    /// Seconds that passed in each timed run.
    pub wall_secs: Vec<f64>,
    /// Seconds of CPU time in each timed run; empty where the system does not tell.
    pub cpu_secs: Vec<f64>,
    /// Largest resident memory in any timed run, in bytes, where the system tells.
    pub peak_bytes: Option<u64>,
    /// Work done in a run, in `unit`, when the workload says how much it does.
    pub amount: Option<f64>,
    /// Unit of `amount`.
    pub unit: Option<String>,
}

impl Series {
    pub(crate) fn new(workload: &dyn Workload) -> Self {
        let (amount, unit) = workload.amount().unzip();
        let (wall_secs, cpu_secs) = (Vec::new(), Vec::new());
        let (id, unit) = (workload.name().to_owned(), unit.map(str::to_owned));
        Self { id, wall_secs, cpu_secs, peak_bytes: None, amount, unit }
    }

    fn push(&mut self, sample: &Sample) {
        self.wall_secs.push(sample.wall_secs);
        self.cpu_secs.extend(sample.cpu_secs);
        self.peak_bytes = self.peak_bytes.max(sample.peak_bytes);
    }

    /// Spread of the wall times; none for no run.
    #[must_use]
    pub fn wall(&self) -> Option<Spread> {
        Spread::of(&self.wall_secs)
    }

    /// Spread of the CPU times; none where they are not known of every run.
    #[must_use]
    pub fn cpu(&self) -> Option<Spread> {
        if self.cpu_secs.len() == self.wall_secs.len() { Spread::of(&self.cpu_secs) } else { None }
    }

    /// Work done a second at the median wall time, in units of `amount`.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        Some(self.amount? / self.wall()?.median)
    }
}

/// Runs workloads in turn (A B A B ..): what disturbs the machine for a while disturbs all of them alike.
///
/// The runs to warm up are done in turn too, before the timed ones. `each` is told of every run that is done: the
/// number of the workload, the number of its timed run from 1 on (0: to warm up), and what it took.
///
/// # Errors
/// [`BenchError::Parameter`] for no timed run, [`BenchError::Workload`] when a run fails; then the others stop too.
pub fn record_in_turn(
    workloads: &mut [&mut dyn Workload],
    plan: &RunPlan,
    each: &mut dyn FnMut(usize, usize, &Sample),
) -> Result<Vec<Series>, BenchError> {
    if plan.repeats == 0 {
        return Err(BenchError::Parameter { name: "repeats", value: "0".to_owned(), why: "at least 1 run is timed" });
    }
    let mut all: Vec<Series> = workloads.iter().map(|workload| Series::new(&**workload)).collect();
    for run in 0..plan.warmup + plan.repeats {
        let timed = (run + 1).saturating_sub(plan.warmup);
        for (number, (workload, series)) in workloads.iter_mut().zip(&mut all).enumerate() {
            let sample = workload.sample();
            let sample = sample.map_err(|source| BenchError::Workload { name: series.id.clone(), source })?;
            if timed > 0 {
                series.push(&sample);
            }
            each(number, timed, &sample);
        }
    }
    Ok(all)
}
