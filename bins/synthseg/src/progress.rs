//! Progress on standard error: a bar on a terminal, lines otherwise, and the stop on Ctrl-C.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use volkit_core::{Progress, Stopped};

/// Steps from which a stage shows how far it is.
const LONG_STAGE: u64 = 100;

/// Shows stages and stops on request.
#[derive(Debug)]
pub(crate) struct Display {
    shown: Shown,
    stop: Arc<AtomicBool>,
    total: AtomicU64,
    done: AtomicU64,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

#[derive(Debug)]
struct Lines {
    stage: String,
    began: Instant,
    last_quarter: u64,
}

impl Display {
    /// A display for this process; Ctrl-C and termination ask for a stop, a second Ctrl-C ends at once.
    pub(crate) fn new(quiet: bool) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::Relaxed) {
                std::process::exit(1);
            }
        })
        .context("can not watch for Ctrl-C")?;
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::default_bar());
            Shown::Bar(bar)
        } else {
            Shown::Lines(Mutex::new(Lines { stage: String::new(), began: Instant::now(), last_quarter: 0 }))
        };
        Ok(Self { shown, stop, total: AtomicU64::new(0), done: AtomicU64::new(0) })
    }

    /// Prints a line, above the bar where there is one.
    pub(crate) fn say(&self, line: &str) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.suspend(|| eprintln!("{line}")),
            Shown::Lines(_) => eprintln!("{line}"),
        }
    }

    /// Prints an error, whatever is shown otherwise.
    pub(crate) fn say_error(&self, line: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| eprintln!("{line}")),
            Shown::Nothing | Shown::Lines(_) => eprintln!("{line}"),
        }
    }

    /// Whether a stop was asked for.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Display {
    fn begin(&self, stage: &str, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                let template = "  {msg:<20} [{bar:32}] {percent:>3} % {elapsed} (left {eta})";
                let long = ProgressStyle::with_template(if total >= LONG_STAGE { template } else { "  {msg}" });
                bar.set_style(long.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.reset();
                bar.set_length(total);
                bar.set_message(stage.to_owned());
                bar.tick();
            }
            Shown::Lines(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                *lines = Lines { stage: stage.to_owned(), began: Instant::now(), last_quarter: 0 };
                if total >= LONG_STAGE {
                    eprintln!("  {stage}");
                }
            }
        }
    }

    fn advance(&self, steps: u64) {
        let done = self.done.fetch_add(steps, Ordering::Relaxed) + steps;
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Lines(lines) => {
                let total = self.total.load(Ordering::Relaxed);
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                let quarter = 4 * done / total.max(1);
                if total >= LONG_STAGE && quarter > lines.last_quarter {
                    lines.last_quarter = quarter;
                    let seconds = lines.began.elapsed().as_secs_f64();
                    eprintln!("  {} {} %, {seconds:.1} s", lines.stage, 25 * quarter);
                }
            }
        }
    }

    fn check(&self) -> Result<(), Stopped> {
        if self.is_stopped() { Err(Stopped) } else { Ok(()) }
    }
}
