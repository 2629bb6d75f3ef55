//! What a run tells of itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Time and memory of one stage of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageTime {
    /// Name of the stage.
    pub name: String,
    /// How often the stage ran; the times are sums.
    pub count: u64,
    /// Seconds that passed.
    pub wall_secs: f64,
    /// Seconds of CPU time of all threads, where the system tells.
    pub cpu_secs: Option<f64>,
    /// Largest resident memory of the process up to the end of the stage, in bytes, where the system tells.
    pub peak_bytes: Option<u64>,
}

/// What a run of a program took, by stage; serialises to JSON with `serde_json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunReport {
    /// Name of the program.
    pub tool: String,
    /// Version of the program.
    pub version: String,
    /// Stages, in the order in which they first began.
    pub stages: Vec<StageTime>,
    /// Seconds from the start of the clock to the report.
    pub wall_secs: f64,
    /// Seconds of CPU time of all threads in that time, where the system tells.
    pub cpu_secs: Option<f64>,
    /// Largest resident memory of the process, in bytes, where the system tells.
    pub peak_bytes: Option<u64>,
    /// Instruction set of the kernels, when the program runs any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub isa: Option<String>,
    /// Threads that shared the work.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub threads: Option<usize>,
    /// Whatever else the program reports, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl RunReport {
    /// The same with the name of the instruction set.
    #[must_use]
    pub fn with_isa(self, isa: impl Into<String>) -> Self {
        Self { isa: Some(isa.into()), ..self }
    }

    /// The same with the number of threads.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: Some(threads), ..self }
    }

    /// The same with one more entry of [`RunReport::extra`].
    #[must_use]
    pub fn with_extra(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// The report as indented JSON with a newline at the end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("invariant: keys are strings and floats become numbers");
        text + "\n"
    }
}

impl fmt::Display for RunReport {
    /// One line a stage and a total, in seconds and megabytes (10^6 bytes).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0).max("total".len());
        for stage in &self.stages {
            write_line(f, width, &stage.name, stage.wall_secs, stage.cpu_secs, stage.peak_bytes)?;
        }
        write_line(f, width, "total", self.wall_secs, self.cpu_secs, self.peak_bytes)
    }
}

fn write_line(
    f: &mut fmt::Formatter<'_>,
    width: usize,
    name: &str,
    wall_secs: f64,
    cpu_secs: Option<f64>,
    peak_bytes: Option<u64>,
) -> fmt::Result {
    write!(f, "{name:width$}  {wall_secs:9.3} s")?;
    if let Some(cpu_secs) = cpu_secs {
        write!(f, "  {cpu_secs:9.3} CPU s")?;
    }
    if let Some(peak_bytes) = peak_bytes {
        write!(f, "  {:8.1} MB peak", peak_bytes as f64 * 1e-6)?;
    }
    writeln!(f)
}
