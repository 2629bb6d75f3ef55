//! What a program's benchmarks took on a machine, and whether they took longer than before.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BenchError, Series, Spread};

/// Smallest change of a median that counts as one.
pub const LEAST_CHANGE: f64 = 0.05;
/// How many times its own noise a median must move to count as changed.
pub const NOISE_FACTOR: f64 = 3.0;

/// The facts about a machine that times depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// Operating system.
    pub os: String,
    /// Architecture.
    pub arch: String,
    /// Name of the processor; empty where the system does not tell it.
    pub cpu: String,
    /// Threads that can run at once.
    pub cores: usize,
    /// Instruction set that the kernels use.
    pub isa: String,
    /// Threads that the benchmarks use.
    pub threads: usize,
}

impl MachineFacts {
    /// A name for machines of which one can stand for another, fit for a file: lower-case letters, digits, `-`.
    ///
    /// ```
    /// let facts = volkit_bench::MachineFacts { os: "linux".into(), cores: 2, ..Default::default() };
    /// assert_eq!(facts.kind(), "linux-2-cores-0-threads");
    /// ```
    #[must_use]
    pub fn kind(&self) -> String {
        let text = format!(
            "{} {} {} {} cores {} {} threads",
            self.os, self.arch, self.cpu, self.cores, self.isa, self.threads
        );
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
    }
}

/// All series of a run of benchmarks; serialises to JSON with `serde_json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// Version of volkit.
    pub version: String,
    /// Where it ran.
    pub machine: MachineFacts,
    /// Mean number of processes that wanted to run in the minute before, where the system tells.
    pub load_before: Option<f64>,
    /// The same in the minute up to the end; the benchmarks are part of it.
    pub load_after: Option<f64>,
    /// Runs to warm up.
    pub warmup: usize,
    /// The series, in the order in which they were run.
    pub series: Vec<Series>,
}

impl BenchReport {
    /// Reads a report.
    ///
    /// # Errors
    /// [`BenchError::Report`] for what is not JSON of this form, a series without a run, or two of one name.
    pub fn from_json(text: &str) -> Result<Self, BenchError> {
        let report: Self = serde_json::from_str(text).map_err(|error| BenchError::Report(error.to_string()))?;
        for (at, series) in report.series.iter().enumerate() {
            let why = if series.wall_secs.is_empty() {
                "has no run"
            } else if report.series[..at].iter().any(|other| other.id == series.id) {
                "is there twice"
            } else {
                continue;
            };
            return Err(BenchError::Report(format!("series {} {why}", series.id)));
        }
        Ok(report)
    }

    /// The report as a Markdown table: one line a series.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let machine = &self.machine;
        let load = |load: Option<f64>| load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
        let mut text = format!(
            "volkit {} on {}, {} ({}), {} cores, {}, {} threads, load {} before and {} after.\n\n\
             | id | wall, median | sd | CPU, median | sd | peak | throughput |\n|---|---|---|---|---|---|---|\n",
            self.version,
            if machine.cpu.is_empty() { "an unnamed processor" } else { &machine.cpu },
            machine.arch,
            machine.os,
            machine.cores,
            machine.isa,
            machine.threads,
            load(self.load_before),
            load(self.load_after),
        );
        for series in &self.series {
            let times = |spread: Option<Spread>| match spread {
                Some(spread) => format!("{} | {:.1} %", secs(spread.median), 100.0 * spread.cv),
                None => "- | -".to_owned(),
            };
            let peak =
                series.peak_bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 * 1e-6));
            let rate = match (series.rate(), &series.unit) {
                (Some(rate), Some(unit)) => format!("{:.3} G{unit}/s", rate * 1e-9),
                _ => "-".to_owned(),
            };
            text +=
                &format!("| {} | {} | {} | {peak} | {rate} |\n", series.id, times(series.wall()), times(series.cpu()));
        }
        text
    }
}

/// Seconds with a unit that keeps three figures.
fn secs(value: f64) -> String {
    match value {
        value if value < 1e-3 => format!("{:.1} us", value * 1e6),
        value if value < 1.0 => format!("{:.2} ms", value * 1e3),
        value => format!("{value:.3} s"),
    }
}

/// How a series compares with its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Neither faster nor slower by more than is allowed.
    Same,
    /// Slower.
    Slower,
    /// Faster.
    Faster,
    /// Only in the new report.
    New,
    /// Only in the baseline, though the new report has others of its suite.
    Missing,
}

/// A series beside its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateRow {
    /// Name of the workload.
    pub id: String,
    /// What was compared: `CPU`, or `wall` where one side has no CPU times.
    pub meter: String,
    /// Median of the baseline, in seconds.
    pub base_secs: Option<f64>,
    /// Median now, in seconds.
    pub now_secs: Option<f64>,
    /// `now / base - 1`.
    pub change: Option<f64>,
    /// Change beyond which it counts: the larger of 5 % and three times the noise of the noisier of the two series.
    pub allowed: Option<f64>,
    /// What follows.
    pub verdict: Change,
}

/// The outcome of [`gate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateReport {
    /// Kind of machine of both reports.
    pub kind: String,
    /// All series, those of the new report first.
    pub rows: Vec<GateRow>,
}

impl GateReport {
    /// Whether nothing is slower and nothing missing.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !self.rows.iter().any(|row| matches!(row.verdict, Change::Slower | Change::Missing))
    }
}

/// Compares a report with a baseline of the same kind of machine.
///
/// The median CPU time counts where both sides have it, since wall time on a shared machine is the neighbours' doing.
/// Noise is the coefficient of variation of a series. A series of a suite (what comes before the first `/` of its name)
/// that the new report does not have at all is left out.
///
/// # Errors
/// [`BenchError::Report`] for reports of different kinds of machines.
pub fn gate(base: &BenchReport, now: &BenchReport) -> Result<GateReport, BenchError> {
    let (kind, now_kind) = (base.machine.kind(), now.machine.kind());
    if kind != now_kind {
        return Err(BenchError::Report(format!("the baseline is of {kind}, this run of {now_kind}: not comparable")));
    }
    let find = |report: &'_ BenchReport, id: &str| report.series.iter().position(|series| series.id == id);
    let mut rows: Vec<GateRow> = now
        .series
        .iter()
        .map(|series| match find(base, &series.id) {
            Some(at) => compared(&base.series[at], series),
            None => row(&series.id, None, Some(series)),
        })
        .collect();
    let suite = |id: &str| id.split('/').next().unwrap_or_default().to_owned();
    let is_missing = |series: &&Series| {
        find(now, &series.id).is_none() && now.series.iter().any(|other| suite(&other.id) == suite(&series.id))
    };
    rows.extend(base.series.iter().filter(is_missing).map(|series| row(&series.id, Some(series), None)));
    Ok(GateReport { kind, rows })
}

/// A row of a series that one side lacks.
fn row(id: &str, base: Option<&Series>, now: Option<&Series>) -> GateRow {
    let median = |series: Option<&Series>| series.and_then(Series::wall).map(|spread| spread.median);
    let verdict = if base.is_none() { Change::New } else { Change::Missing };
    let (base_secs, now_secs) = (median(base), median(now));
    GateRow { id: id.to_owned(), meter: "wall".into(), base_secs, now_secs, change: None, allowed: None, verdict }
}

fn compared(base: &Series, now: &Series) -> GateRow {
    let (meter, pair) = match base.cpu().zip(now.cpu()) {
        Some(pair) => ("CPU", Some(pair)),
        None => ("wall", base.wall().zip(now.wall())),
    };
    let Some((base_spread, now_spread)) = pair else { return row(&now.id, Some(base), Some(now)) };
    let change = now_spread.median / base_spread.median - 1.0;
    let allowed = LEAST_CHANGE.max(NOISE_FACTOR * base_spread.cv.max(now_spread.cv));
    // A speed-up by a factor is as far as a slow-down by it.
    let faster = base_spread.median / now_spread.median - 1.0;
    let verdict = match () {
        () if change > allowed => Change::Slower,
        () if faster > allowed => Change::Faster,
        () => Change::Same,
    };
    GateRow {
        id: now.id.clone(),
        meter: meter.into(),
        base_secs: Some(base_spread.median),
        now_secs: Some(now_spread.median),
        change: Some(change),
        allowed: Some(allowed),
        verdict,
    }
}

impl fmt::Display for GateReport {
    /// One line a series and a last line with the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.kind)?;
        let width = self.rows.iter().map(|row| row.id.chars().count()).max().unwrap_or(0);
        for row in &self.rows {
            let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), secs);
            write!(f, "{:width$}  {} {} -> {}", row.id, row.meter, shown(row.base_secs), shown(row.now_secs))?;
            if let Some((change, allowed)) = row.change.zip(row.allowed) {
                write!(f, "  {:+.1} %, allowed {:.1} %", 100.0 * change, 100.0 * allowed)?;
            }
            let verdict = match row.verdict {
                Change::Same => "same",
                Change::Slower => "SLOWER",
                Change::Faster => "faster",
                Change::New => "new",
                Change::Missing => "MISSING",
            };
            writeln!(f, "  {verdict}")?;
        }
        let count = |wanted: Change| self.rows.iter().filter(|row| row.verdict == wanted).count();
        let [slower, missing, faster, same, new] =
            [Change::Slower, Change::Missing, Change::Faster, Change::Same, Change::New].map(count);
        writeln!(f, "{slower} slower, {missing} missing, {faster} faster, {same} the same, {new} new")
    }
}
