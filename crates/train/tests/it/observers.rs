//! Observers: a line for each event, progress, the points of curves.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::Device;
use volkit_core::{Progress, Stopped};
use volkit_train::{
    Ending, JsonLines, LossHistory, Parameters, Precision, ProgressObserver, TrainReport, Trainer, TrainerOptions,
};

use crate::trainer::{Curve, Fit};

/// Counts steps, and asks to end after some.
#[derive(Default)]
struct Counter {
    begun: Mutex<Vec<(String, u64)>>,
    steps: AtomicU64,
    stop_after: Option<u64>,
}

impl Progress for Counter {
    fn begin(&self, stage: &str, total: u64) {
        self.begun.lock().unwrap().push((stage.to_owned(), total));
    }

    fn advance(&self, steps: u64) {
        self.steps.fetch_add(steps, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), Stopped> {
        let steps = self.steps.load(Ordering::Relaxed);
        if self.stop_after.is_some_and(|stop| steps >= stop) { Err(Stopped) } else { Ok(()) }
    }
}

fn run(counter: &Counter, log: &mut JsonLines<Vec<u8>>, history: &mut LossHistory) -> TrainReport {
    let parameters = Parameters::new(3, &Device::Cpu);
    let mut task = Fit::new(&parameters, Precision::F32);
    let mut trainer = Trainer::new(&parameters, TrainerOptions::new("curve").with_epochs(3)).unwrap();
    trainer.fit(&Curve(10), &mut task, &mut [&mut ProgressObserver::new(counter), log, history]).unwrap()
}

#[test]
fn all_hear_of_every_step_and_epoch() {
    let (counter, mut log, mut history) = (Counter::default(), JsonLines::new(Vec::new()), LossHistory::new());
    let report = run(&counter, &mut log, &mut history);
    assert_eq!(*counter.begun.lock().unwrap(), [("training".to_owned(), 9)]);
    assert_eq!(counter.steps.load(Ordering::Relaxed), 9);
    let text = String::from_utf8(log.into_inner()).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!((named("begin"), named("step"), named("epoch"), named("end"), lines.len()), (1, 9, 3, 1, 14));
    assert_eq!((lines[0]["samples"].as_u64(), lines[0]["kind"].as_str()), (Some(10), Some("curve")));
    assert_eq!((lines[1]["step"].as_u64(), lines[1]["taken"].as_bool()), (Some(0), Some(true)));
    assert_eq!(lines[13]["ending"], "Finished");
    assert_eq!((history.steps().len(), history.epochs().len(), history.validations().len()), (9, 3, 0));
    assert!((history.steps()[0].epoch - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!((history.epochs()[2].epoch, Some(history.epochs()[2].loss)), (3.0, report.loss));
}

#[test]
fn progress_ends_a_run() {
    let counter = Counter { stop_after: Some(4), ..Counter::default() };
    let report = run(&counter, &mut JsonLines::new(Vec::new()), &mut LossHistory::new());
    assert_eq!((report.ending, report.steps), (Ending::Stopped, 4));
}
