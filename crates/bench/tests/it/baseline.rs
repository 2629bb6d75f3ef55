//! Reports and the gate between them.

use serde_json::json;
use volkit_bench::{BenchReport, Change, gate};

/// A report of some series of CPU times (wall time is twice that).
fn report(series: &[(&str, &[f64])]) -> BenchReport {
    let series: Vec<_> = series
        .iter()
        .map(|(id, cpu)| {
            let wall: Vec<f64> = cpu.iter().map(|secs| 2.0 * secs).collect();
            json!({"id": id, "wall_secs": wall, "cpu_secs": cpu, "peak_bytes": 5_000_000, "amount": 1e9, "unit": "B"})
        })
        .collect();
    let machine =
        json!({"os": "linux", "arch": "x86_64", "cpu": "Fast (TM) 1", "cores": 2, "isa": "avx2", "threads": 1});
    let value = json!({"version": "1", "machine": machine, "load_before": 0.5, "load_after": null, "warmup": 1,
        "series": series});
    BenchReport::from_json(&value.to_string()).unwrap()
}

fn verdicts(base: &BenchReport, now: &BenchReport) -> Vec<Change> {
    gate(base, now).unwrap().rows.iter().map(|row| row.verdict).collect()
}

#[test]
fn a_slowdown_beyond_five_per_cent_is_flagged() {
    let base = report(&[("io/read", &[1.0, 1.0, 1.0])]);
    assert_eq!(verdicts(&base, &report(&[("io/read", &[1.06, 1.06, 1.06])])), [Change::Slower]);
    assert_eq!(verdicts(&base, &report(&[("io/read", &[1.04, 1.04, 1.04])])), [Change::Same]);
    assert_eq!(verdicts(&base, &report(&[("io/read", &[0.9, 0.9, 0.9])])), [Change::Faster]);
    let flagged = gate(&base, &report(&[("io/read", &[1.06, 1.06, 1.06])])).unwrap();
    assert!(!flagged.is_ok());
    let text = flagged.to_string();
    assert!(text.contains("io/read  CPU 1.000 s -> 1.060 s  +6.0 %, allowed 5.0 %  SLOWER\n1 slower, "), "{text}");
}

#[test]
fn a_noisy_series_is_allowed_more() {
    // sd 0.1 around 1: 30 % are allowed.
    let base = report(&[("io/read", &[0.9, 1.0, 1.1])]);
    let row = gate(&base, &report(&[("io/read", &[1.25, 1.25, 1.25])])).unwrap().rows.remove(0);
    assert_eq!(row.verdict, Change::Same);
    assert!((row.allowed.unwrap() - 0.3).abs() < 1e-12 && (row.change.unwrap() - 0.25).abs() < 1e-12);
    // The noise of either side counts.
    assert_eq!(verdicts(&report(&[("a/b", &[1.0, 1.0])]), &report(&[("a/b", &[0.9, 1.5])])), [Change::Same]);
    assert_eq!(verdicts(&base, &report(&[("io/read", &[1.4, 1.4, 1.4])])), [Change::Slower]);
}

#[test]
fn series_come_and_go() {
    let base = report(&[("io/read", &[1.0]), ("io/write", &[1.0]), ("seg/all", &[1.0])]);
    let now = gate(&base, &report(&[("io/read", &[1.0]), ("io/copy", &[1.0])])).unwrap();
    let found: Vec<_> = now.rows.iter().map(|row| (row.id.as_str(), row.verdict)).collect();
    // The suite `seg` was not run; `io/write` has gone from one that was.
    assert_eq!(found, [("io/read", Change::Same), ("io/copy", Change::New), ("io/write", Change::Missing)]);
    assert!(!now.is_ok());
    assert!(gate(&base, &base).unwrap().is_ok());
}

#[test]
fn other_machines_are_not_compared() {
    let base = report(&[("io/read", &[1.0])]);
    assert_eq!(base.machine.kind(), "linux-x86-64-fast-tm-1-2-cores-avx2-1-threads");
    let mut now = base.clone();
    now.machine.isa = "avx512".into();
    let message = gate(&base, &now).unwrap_err().to_string();
    assert!(message.contains("avx2") && message.contains("avx512"), "{message}");
}

#[test]
fn wall_time_counts_where_there_is_no_other() {
    let base = report(&[("io/read", &[1.0, 1.0])]);
    let mut now = base.clone();
    now.series[0].cpu_secs.clear();
    now.series[0].wall_secs = vec![2.5, 2.5];
    let row = gate(&base, &now).unwrap().rows.remove(0);
    assert_eq!((row.meter.as_str(), row.verdict, row.change), ("wall", Change::Slower, Some(0.25)));
}

#[test]
fn reports_are_tables() {
    let text = report(&[("io/read", &[0.5, 0.5]), ("io/open", &[2e-6, 2e-6])]).to_markdown();
    assert!(text.starts_with("volkit 1 on Fast (TM) 1, x86_64 (linux), 2 cores, avx2, 1 threads, load 0.50 before"));
    assert!(text.contains("\n| io/read | 1.000 s | 0.0 % | 500.00 ms | 0.0 % | 5 MB | 1.000 GB/s |\n"), "{text}");
    assert!(text.contains("| io/open | 4.0 us |"), "{text}");
}

#[test]
fn broken_reports_are_refused() {
    for (text, told) in [("[]", "invalid length 0"), ("{", "EOF"), ("{\"version\": 3}", "expected a string")] {
        let message = BenchReport::from_json(text).unwrap_err().to_string();
        assert!(message.contains(told), "{message}");
    }
    let mut twice = report(&[("a/b", &[1.0])]);
    twice.series.push(twice.series[0].clone());
    let text = serde_json::to_string(&twice).unwrap();
    assert_eq!(BenchReport::from_json(&text).unwrap_err().to_string(), "series a/b is there twice");
    twice.series.truncate(1);
    twice.series[0].wall_secs.clear();
    let text = serde_json::to_string(&twice).unwrap();
    assert_eq!(BenchReport::from_json(&text).unwrap_err().to_string(), "series a/b has no run");
}
