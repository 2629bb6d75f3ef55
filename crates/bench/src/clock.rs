//! A progress that times the stages it is told of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use volkit_core::{Progress, Stopped};

use crate::report::{RunReport, StageTime};
use crate::usage::{cpu_secs, peak_bytes};

/// Times the stages of long work: a [`Progress`] that notes wall time, CPU time and peak memory of each stage.
///
/// A stage lasts from its `begin` to the next one, or to the report. Stages of the same name add up, so that a run over
/// many scans has one line a stage. A clock may wrap another progress (a bar on a terminal); then both are told, and
/// the inner one decides whether to stop.
///
/// ```
/// use volkit_bench::StageClock;
/// use volkit_core::Progress;
/// let clock = StageClock::new();
/// clock.begin("load", 1);
/// clock.begin("run", 10);
/// let report = clock.report("mytool", "1.0.0");
/// assert_eq!(report.stages.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>(), ["load", "run"]);
/// ```
pub struct StageClock {
    inner: Option<Arc<dyn Progress>>,
    start: Mark,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct Mark {
    at: Instant,
    cpu_secs: Option<f64>,
}

impl Mark {
    fn now() -> Self {
        Self { at: Instant::now(), cpu_secs: cpu_secs() }
    }

    fn cpu_since(&self, earlier: &Self) -> Option<f64> {
        Some((self.cpu_secs? - earlier.cpu_secs?).max(0.0))
    }

    fn wall_since(&self, earlier: &Self) -> f64 {
        self.at.duration_since(earlier.at).as_secs_f64()
    }
}

#[derive(Clone, Default)]
struct State {
    stages: Vec<StageTime>,
    open: Option<(usize, Mark)>,
}

impl State {
    fn close(&mut self, now: &Mark) {
        let Some((index, began)) = self.open.take() else { return };
        let stage = &mut self.stages[index];
        stage.wall_secs += now.wall_since(&began);
        stage.cpu_secs = match (now.cpu_since(&began), stage.cpu_secs) {
            (Some(new), so_far) => Some(new + so_far.unwrap_or(0.0)),
            (None, _) => None,
        };
        stage.peak_bytes = peak_bytes();
    }

    fn open(&mut self, name: &str, now: Mark) {
        let known = self.stages.iter().position(|stage| stage.name == name);
        let index = known.unwrap_or_else(|| {
            self.stages.push(StageTime { name: name.to_owned(), ..StageTime::default() });
            self.stages.len() - 1
        });
        self.stages[index].count += 1;
        self.open = Some((index, now));
    }
}

impl StageClock {
    /// A clock that starts now and tells nobody else.
    #[must_use]
    pub fn new() -> Self {
        Self::with_inner(None)
    }

    /// A clock that starts now and passes everything on to `inner`.
    #[must_use]
    pub fn wrapping(inner: Arc<dyn Progress>) -> Self {
        Self::with_inner(Some(inner))
    }

    fn with_inner(inner: Option<Arc<dyn Progress>>) -> Self {
        Self { inner, start: Mark::now(), state: Mutex::default() }
    }

    /// What has been measured so far; an open stage is counted up to now and stays open.
    #[must_use]
    pub fn report(&self, tool: &str, version: &str) -> RunReport {
        let now = Mark::now();
        let mut state = self.lock().clone();
        state.close(&now);
        RunReport {
            tool: tool.to_owned(),
            version: version.to_owned(),
            stages: state.stages,
            wall_secs: now.wall_since(&self.start),
            cpu_secs: now.cpu_since(&self.start),
            peak_bytes: peak_bytes(),
            ..RunReport::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for StageClock {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for StageClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StageClock").field("stages", &self.lock().stages).finish_non_exhaustive()
    }
}

impl Progress for StageClock {
    fn begin(&self, stage: &str, total: u64) {
        let now = Mark::now();
        {
            let mut state = self.lock();
            state.close(&now);
            state.open(stage, now);
        }
        if let Some(inner) = &self.inner {
            inner.begin(stage, total);
        }
    }

    fn advance(&self, steps: u64) {
        if let Some(inner) = &self.inner {
            inner.advance(steps);
        }
    }

    fn check(&self) -> Result<(), Stopped> {
        self.inner.as_ref().map_or(Ok(()), |inner| inner.check())
    }
}
