//! Workloads in turn and beside each other.

use volkit_bench::{BenchError, Comparison, RunPlan, Sample, Workload, record_in_turn};
use volkit_core::BoxError;

/// A workload whose runs take what it is told.
struct Told {
    name: &'static str,
    secs: Vec<f64>,
    runs: usize,
}

impl Told {
    fn new(name: &'static str, secs: &[f64]) -> Self {
        Self { name, secs: secs.to_vec(), runs: 0 }
    }
}

impl Workload for Told {
    fn name(&self) -> &str {
        self.name
    }

    fn run(&mut self) -> Result<(), BoxError> {
        self.sample().map(|_| ())
    }

    fn sample(&mut self) -> Result<Sample, BoxError> {
        let wall_secs = *self.secs.get(self.runs).ok_or("no more runs")?;
        self.runs += 1;
        Ok(Sample { wall_secs, cpu_secs: Some(2.0 * wall_secs), peak_bytes: Some(1000 * self.runs as u64) })
    }

    fn amount(&self) -> Option<(f64, &'static str)> {
        Some((12.0, "voxel"))
    }
}

#[test]
fn workloads_take_turns() {
    let (mut a, mut b) = (Told::new("a", &[9.0, 1.0, 2.0, 6.0]), Told::new("b", &[9.0, 4.0, 4.0, 4.0]));
    let mut told = Vec::new();
    let mut each = |number: usize, run: usize, sample: &Sample| told.push((number, run, sample.wall_secs));
    let plan = RunPlan::new().with_warmup(1).with_repeats(3);
    let all = record_in_turn(&mut [&mut a, &mut b], &plan, &mut each).unwrap();
    assert_eq!(told[..4], [(0, 0, 9.0), (1, 0, 9.0), (0, 1, 1.0), (1, 1, 4.0)]);
    assert_eq!(told.len(), 8);
    assert_eq!((all[0].id.as_str(), &all[0].wall_secs[..]), ("a", &[1.0, 2.0, 6.0][..]));
    // The warm-up is in no figure; the peak is that of the largest run.
    assert_eq!((all[0].wall().unwrap().mean, all[0].cpu().unwrap().median), (3.0, 4.0));
    assert_eq!((all[0].peak_bytes, all[0].rate()), (Some(4000), Some(6.0)));
}

#[test]
fn the_ratio_is_that_of_medians() {
    let (mut a, mut b) = (Told::new("a", &[1.0, 2.0, 60.0]), Told::new("b", &[4.0, 4.0, 4.0]));
    let plan = RunPlan::new().with_warmup(0).with_repeats(3);
    let comparison = Comparison::of(&mut a, &mut b, &plan, &mut |_, _, _| {}).unwrap();
    assert_eq!((comparison.wall_ratio, comparison.cpu_ratio, comparison.peak_ratio), (0.5, Some(0.5), Some(1.0)));
    let text = comparison.to_string();
    assert!(text.ends_with("\nA / B: wall 0.500, CPU 0.500 (medians), peak memory 1.000\n"), "{text}");
    assert!(text.contains("B wall s    4.000     0.000   0.0 %     4.000"), "{text}");
    let again: Comparison = serde_json::from_str(&serde_json::to_string(&comparison).unwrap()).unwrap();
    assert_eq!(again, comparison);
}

#[test]
fn a_failure_names_its_workload() {
    let (mut a, mut b) = (Told::new("a", &[1.0; 5]), Told::new("b", &[1.0; 2]));
    let error = record_in_turn(&mut [&mut a, &mut b], &RunPlan::new(), &mut |_, _, _| {}).unwrap_err();
    assert!(matches!(&error, BenchError::Workload { name, .. } if name == "b"), "{error}");
    let none = RunPlan::new().with_repeats(0);
    assert!(record_in_turn(&mut [&mut a], &none, &mut |_, _, _| {}).is_err());
    assert!(record_in_turn(&mut [], &RunPlan::new(), &mut |_, _, _| {}).unwrap().is_empty());
}
