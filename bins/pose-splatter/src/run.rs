//! The steps of a project, those that are due.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use volkit_bench::{Display, peak_bytes};
use volkit_core::{BoxError, Progress as _};

use crate::args::Step;
use crate::project::Project;
use crate::{evaluate, prepare, render, stamp, track, train};

/// What a run did.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    steps: Vec<StepReport>,
    wall_secs: f64,
    peak_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct StepReport {
    step: &'static str,
    /// What came out, or that nothing was to be done.
    outcome: String,
    wall_secs: f64,
}

impl Report {
    /// A line a step.
    pub(crate) fn lines(&self) -> String {
        let line = |s: &StepReport| format!("{:9} {:8.2} s  {}", s.step, s.wall_secs, s.outcome);
        self.steps.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Runs the steps from the first to the last that are not done yet.
pub(crate) fn run(
    config: &Path,
    [from, to]: [Option<Step>; 2],
    threads: usize,
    display: &Display,
) -> Result<Report, BoxError> {
    let began = Instant::now();
    let project = Project::open(config, threads)?;
    for key in project.config.unknown_keys() {
        display.say(&format!("warning: {}: the key {key} is not known", config.display()));
    }
    let keys = stamp::keys(&project)?;
    let mut report = Report::default();
    for (step, key) in &keys {
        if from.is_some_and(|from| *step < from) || to.is_some_and(|to| *step > to) {
            continue;
        }
        display.check()?;
        let step_began = Instant::now();
        let outcome = if stamp::holds(&project, *step, key) {
            "done before".to_owned()
        } else {
            let outcome = match step {
                Step::World => prepare::world(&project),
                Step::Images => prepare::images(&project, key, display),
                Step::Track => track::track(&project, display),
                Step::Crop => prepare::crop(&project, display),
                Step::Train => train::train(&project, display),
                Step::Evaluate => evaluate::evaluate(&project, display),
                Step::Render => render::turntable(&project, display),
                Step::Export => render::export(&project, display),
            };
            let outcome = outcome.map_err(|error| Failed { step: step.name(), source: error })?;
            stamp::set(&project, *step, key)?;
            log(&project, *step, &outcome, step_began.elapsed().as_secs_f64())?;
            outcome
        };
        let wall_secs = step_began.elapsed().as_secs_f64();
        report.steps.push(StepReport { step: step.name(), outcome, wall_secs });
    }
    report.wall_secs = began.elapsed().as_secs_f64();
    report.peak_bytes = peak_bytes();
    Ok(report)
}

#[derive(Debug)]
struct Failed {
    step: &'static str,
    source: BoxError,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step {}", self.step)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// Adds a line to the log of a step.
fn log(project: &Project, step: Step, outcome: &str, secs: f64) -> Result<(), BoxError> {
    let folder = project.file("logs");
    fs::create_dir_all(&folder)?;
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join(format!("{}.log", step.name())))?;
    Ok(writeln!(file, "{secs:.2} s: {outcome}")?)
}
