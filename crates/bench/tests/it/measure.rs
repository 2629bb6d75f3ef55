//! Repeated runs of a workload.

use std::error::Error as _;

use volkit_bench::{BenchError, RunPlan, Spread, Workload, measure};
use volkit_core::BoxError;

struct Counter {
    runs: usize,
    fails_at: usize,
}

impl Workload for Counter {
    fn name(&self) -> &str {
        "tests/count/1/none"
    }

    fn run(&mut self) -> Result<(), BoxError> {
        self.runs += 1;
        std::thread::sleep(std::time::Duration::from_millis(2));
        if self.runs == self.fails_at { Err("out of numbers".into()) } else { Ok(()) }
    }

    fn amount(&self) -> Option<(f64, &'static str)> {
        Some((10.0, "voxel"))
    }
}

#[test]
fn spread_by_hand() {
    let spread = Spread::of(&[1.0, 2.0, 6.0]).unwrap();
    assert_eq!((spread.mean, spread.median, spread.min, spread.max), (3.0, 2.0, 1.0, 6.0));
    assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 8.0]).unwrap().median, 3.0);
    assert!((spread.sd - 7.0f64.sqrt()).abs() < 1e-15);
    assert!((spread.cv - 7.0f64.sqrt() / 3.0).abs() < 1e-15);
    assert_eq!(Spread::of(&[4.0]).map(|x| (x.mean, x.sd, x.cv)), Some((4.0, 0.0, 0.0)));
    assert_eq!(Spread::of(&[0.0, 0.0]).unwrap().cv, 0.0);
    assert!(Spread::of(&[]).is_none());
}

#[test]
fn runs_as_planned() {
    let mut counter = Counter { runs: 0, fails_at: 0 };
    let measurement = measure(&mut counter, &RunPlan::new().with_warmup(2).with_repeats(3)).unwrap();
    assert_eq!((counter.runs, measurement.repeats, measurement.name.as_str()), (5, 3, "tests/count/1/none"));
    assert!(measurement.wall_secs.min >= 0.002);
    let (rate, unit) = measurement.rate.clone().unwrap();
    assert_eq!(unit, "voxel");
    assert!((rate - 10.0 / measurement.wall_secs.mean).abs() < 1e-9);
    let text = serde_json::to_string(&measurement).unwrap();
    assert!(text.contains("\"wall_secs\":{\"mean\":"), "{text}");
}

#[test]
fn failures_carry_the_name_and_the_cause() {
    let error = measure(&mut Counter { runs: 0, fails_at: 2 }, &RunPlan::new()).unwrap_err();
    assert_eq!(error.to_string(), "workload tests/count/1/none failed");
    assert_eq!(error.source().unwrap().to_string(), "out of numbers");
    let error = measure(&mut Counter { runs: 0, fails_at: 0 }, &RunPlan::new().with_repeats(0)).unwrap_err();
    assert!(matches!(error, BenchError::Parameter { name: "repeats", .. }));
}
