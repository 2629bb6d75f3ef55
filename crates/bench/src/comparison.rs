//! Two workloads beside each other.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::usage::load_average;
use crate::{BenchError, RunPlan, Sample, Series, Spread, Workload, record_in_turn};

/// What the runs of two workloads took, A and B in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The first workload.
    pub a: Series,
    /// The second.
    pub b: Series,
    /// Runs of each to warm up.
    pub warmup: usize,
    /// Mean number of processes that wanted to run in the minute before the first run, where the system tells.
    pub load_before: Option<f64>,
    /// The same after the last run; these runs are part of it.
    pub load_after: Option<f64>,
    /// Threads that this machine can run at once.
    pub cores: usize,
    /// Median wall time of A over that of B: above 1, B is faster.
    pub wall_ratio: f64,
    /// Median CPU time of A over that of B, where the system tells.
    pub cpu_ratio: Option<f64>,
    /// Peak memory of A over that of B, where the system tells.
    pub peak_ratio: Option<f64>,
}

impl Comparison {
    /// Runs both as planned, in turn: A B A B. `each` is told of every run, as by [`record_in_turn`].
    ///
    /// # Errors
    /// As [`record_in_turn`].
    pub fn of(
        a: &mut dyn Workload,
        b: &mut dyn Workload,
        plan: &RunPlan,
        each: &mut dyn FnMut(usize, usize, &Sample),
    ) -> Result<Self, BenchError> {
        let load_before = load_average();
        let series = record_in_turn(&mut [a, b], plan, each)?;
        let [a, b] = <[Series; 2]>::try_from(series).expect("invariant: a series for each of two workloads");
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        let wall = median(a.wall()).zip(median(b.wall())).expect("invariant: at least one timed run");
        let ratio = |(a, b): (f64, f64)| a / b;
        Ok(Self {
            warmup: plan.warmup,
            load_before,
            load_after: load_average(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            wall_ratio: ratio(wall),
            cpu_ratio: median(a.cpu()).zip(median(b.cpu())).map(ratio),
            peak_ratio: a.peak_bytes.zip(b.peak_bytes).map(|(a, b)| a as f64 / b as f64),
            a,
            b,
        })
    }
}

impl fmt::Display for Comparison {
    /// The commands, then a table: mean, standard deviation, coefficient of variation and median of wall and CPU
    /// seconds, peak memory in megabytes (10^6 bytes), and the ratios A / B of medians and peaks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = |load: Option<f64>| load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
        writeln!(f, "A: {}", self.a.id)?;
        writeln!(f, "B: {}", self.b.id)?;
        let runs = self.a.wall_secs.len();
        let (before, after) = (load(self.load_before), load(self.load_after));
        writeln!(f, "{runs} timed runs of each in turn, {} to warm up", self.warmup)?;
        writeln!(f, "{} cores, load {before} before and {after} after\n", self.cores)?;
        writeln!(f, "       {:>9} {:>9} {:>7} {:>9}  {:>9}", "mean", "sd", "CV", "median", "peak MB")?;
        for (name, series) in [("A", &self.a), ("B", &self.b)] {
            write_row(f, name, "wall s", series.wall(), series.peak_bytes)?;
        }
        for (name, series) in [("A", &self.a), ("B", &self.b)] {
            write_row(f, name, "CPU s", series.cpu(), None)?;
        }
        write!(f, "\nA / B: wall {:.3}", self.wall_ratio)?;
        if let Some(ratio) = self.cpu_ratio {
            write!(f, ", CPU {ratio:.3}")?;
        }
        write!(f, " (medians)")?;
        match self.peak_ratio {
            Some(ratio) => writeln!(f, ", peak memory {ratio:.3}"),
            None => writeln!(f),
        }
    }
}

fn write_row(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    unit: &str,
    spread: Option<Spread>,
    peak: Option<u64>,
) -> fmt::Result {
    let Some(spread) = spread else { return Ok(()) };
    let cv = format!("{:.1} %", 100.0 * spread.cv);
    let (mean, sd, median) = (spread.mean, spread.sd, spread.median);
    write!(f, "{name} {unit:>6} {mean:>8.3} {sd:>9.3} {cv:>7} {median:>9.3}")?;
    match peak {
        Some(bytes) => writeln!(f, "  {:>9.1}", bytes as f64 * 1e-6),
        None => writeln!(f),
    }
}
