//! Progress on standard error: a bar on a terminal, some lines otherwise; the stop on Ctrl-C.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use volkit_core::{BoxError, Progress, Stopped};

/// Shows how far a run is.
#[derive(Debug)]
pub(crate) struct Display {
    bar: Option<ProgressBar>,
    lines: bool,
    stop: Arc<AtomicBool>,
    began: OnceLock<Instant>,
    total: AtomicU64,
    done: AtomicU64,
}

impl Display {
    /// A display for this process; Ctrl-C asks for a stop, a second one ends at once.
    pub(crate) fn new(quiet: bool) -> Result<Self, BoxError> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::Relaxed) {
                std::process::exit(1);
            }
        })?;
        let is_terminal = std::io::stderr().is_terminal();
        let bar = (!quiet && is_terminal).then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} tiles, {elapsed}, left {eta}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let lines = !quiet && !is_terminal;
        let (total, done) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { bar, lines, stop, began: OnceLock::new(), total, done })
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Display {
    fn begin(&self, _stage: &str, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.began.get_or_init(Instant::now);
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
    }

    fn advance(&self, steps: u64) {
        let before = self.done.fetch_add(steps, Ordering::Relaxed);
        let (done, total) = (before + steps, self.total.load(Ordering::Relaxed).max(1));
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
        // Ten lines a run.
        if self.lines && 10 * done / total > 10 * before / total {
            let secs = self.began.get().map_or(0.0, |began| began.elapsed().as_secs_f64());
            let left = secs / done as f64 * (total - done.min(total)) as f64;
            eprintln!("{done} of {total} tiles, {secs:.1} s, {left:.1} s left");
        }
    }

    fn check(&self) -> Result<(), Stopped> {
        if self.stop.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}
