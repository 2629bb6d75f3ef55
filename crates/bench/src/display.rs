//! Progress on standard error: a bar on a terminal, lines otherwise, and the stop on Ctrl-C.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use volkit_core::{Progress, Stopped, duration_text};

use crate::BenchError;

/// Steps from which a stage shows how far it is.
const LONG_STAGE: u64 = 100;
/// Lines of a long stage where there is no bar.
const STAGE_LINES: u64 = 4;
/// Lines of a stage whose steps are counted.
const COUNT_LINES: u64 = 10;

/// Shows stages of work on standard error, and asks the work to stop on Ctrl-C.
///
/// A terminal gets a bar, anything else lines: four for each stage of at least 100 steps, or, with
/// [`Display::counting`], ten for each stage whatever its length.
#[derive(Debug)]
pub struct Display {
    shown: Shown,
    /// What a step is, where steps are counted.
    unit: Option<&'static str>,
    stop: Arc<AtomicBool>,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines,
}

#[derive(Debug)]
struct Stage {
    name: String,
    began: Instant,
    total: u64,
    done: u64,
}

impl Display {
    /// A display for this process, silent with `quiet`; Ctrl-C and termination ask for a stop, a second Ctrl-C ends the
    /// process at once. There can be one only.
    ///
    /// # Errors
    /// [`BenchError::Parameter`] when the system refuses the handler, or there is one already.
    pub fn new(quiet: bool) -> Result<Self, BenchError> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::Relaxed) {
                std::process::exit(1);
            }
        })
        .map_err(|error| BenchError::Parameter {
            name: "Ctrl-C",
            value: error.to_string(),
            why: "the system lets nobody watch for it",
        })?;
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::default_bar());
            Shown::Bar(bar)
        } else {
            Shown::Lines
        };
        let stage = Stage { name: String::new(), began: Instant::now(), total: 0, done: 0 };
        Ok(Self { shown, unit: None, stop, stage: Mutex::new(stage) })
    }

    /// The same for stages whose steps are `unit`s worth counting, as `tiles`.
    #[must_use]
    pub fn counting(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// Prints a line, above the bar where there is one.
    pub fn say(&self, line: &str) {
        if !matches!(self.shown, Shown::Nothing) {
            self.say_error(line);
        }
    }

    /// Prints an error, whatever is shown otherwise.
    pub fn say_error(&self, line: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| eprintln!("{line}")),
            Shown::Nothing | Shown::Lines => eprintln!("{line}"),
        }
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    /// Adds steps; the line to print where one is due.
    fn advance(&mut self, steps: u64, unit: Option<&str>) -> Option<String> {
        let n_lines = if unit.is_some() { COUNT_LINES } else { STAGE_LINES };
        let (before, total) = (self.done, self.total.max(1));
        self.done += steps;
        let part = n_lines * self.done / total;
        let is_shown = unit.is_some() || self.total >= LONG_STAGE;
        if !is_shown || part == n_lines * before / total {
            return None;
        }
        let secs = self.began.elapsed().as_secs_f64();
        Some(match unit {
            Some(unit) => {
                let left = secs / self.done as f64 * self.total.saturating_sub(self.done) as f64;
                let (secs, left) = (duration_text(secs), duration_text(left));
                format!("{} of {} {unit}, {secs}, {left} left", self.done, self.total)
            }
            None => format!("  {} {} %, {}", self.name, 100 / n_lines * part, duration_text(secs)),
        })
    }
}

impl Progress for Display {
    fn begin(&self, stage: &str, total: u64) {
        *self.stage() = Stage { name: stage.to_owned(), began: Instant::now(), total, done: 0 };
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                let template = match self.unit {
                    Some(unit) => format!("{{bar:40}} {{pos}}/{{len}} {unit}, {{elapsed}}, left {{eta}}"),
                    None if total < LONG_STAGE => "  {msg}".to_owned(),
                    None => "  {msg:<20} [{bar:32}] {percent:>3} % {elapsed} (left {eta})".to_owned(),
                };
                bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.reset();
                bar.set_length(total);
                bar.set_message(stage.to_owned());
                bar.tick();
            }
            Shown::Lines if self.unit.is_none() && total >= LONG_STAGE => eprintln!("  {stage}"),
            Shown::Lines => {}
        }
    }

    fn advance(&self, steps: u64) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.inc(steps),
            Shown::Lines => {
                if let Some(line) = self.stage().advance(steps, self.unit) {
                    eprintln!("{line}");
                }
            }
        }
    }

    fn check(&self) -> Result<(), Stopped> {
        if self.is_stopped() { Err(Stopped) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Stage;
    use std::time::Instant;

    fn lines(total: u64, steps: u64, unit: Option<&str>) -> Vec<String> {
        let mut stage = Stage { name: "network".into(), began: Instant::now(), total, done: 0 };
        (0..total.div_ceil(steps)).filter_map(|_| stage.advance(steps, unit)).collect()
    }

    #[test]
    fn a_long_stage_shows_its_quarters() {
        let shown = lines(1000, 10, None);
        assert_eq!(shown.len(), 4, "{shown:?}");
        assert!(shown[0].starts_with("  network 25 %, 0.00 s") && shown[3].contains("100 %"), "{shown:?}");
        assert!(lines(99, 1, None).is_empty() && lines(0, 1, None).is_empty());
    }

    #[test]
    fn counted_steps_show_what_is_left() {
        let shown = lines(20, 1, Some("tiles"));
        assert_eq!(shown.len(), 10);
        assert!(shown[0].starts_with("2 of 20 tiles, ") && shown[9].ends_with(" 0.00 s left"), "{shown:?}");
        assert_eq!(lines(3, 1, Some("tiles")).len(), 3);
    }
}
