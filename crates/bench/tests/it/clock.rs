//! Stages, processor time and peak memory.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use volkit_bench::{RunReport, StageClock};
use volkit_core::{Progress, Stopped};

#[derive(Default)]
struct Listener {
    stages: Mutex<Vec<(String, u64)>>,
    steps: AtomicU64,
    stop: AtomicBool,
}

impl Progress for Listener {
    fn begin(&self, stage: &str, total: u64) {
        self.stages.lock().unwrap().push((stage.to_owned(), total));
    }

    fn advance(&self, steps: u64) {
        self.steps.fetch_add(steps, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), Stopped> {
        if self.stop.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

#[test]
fn stages_last_until_the_next_and_add_up_by_name() {
    let clock = StageClock::new();
    sleep(Duration::from_millis(5));
    for _ in 0..2 {
        clock.begin("load", 1);
        sleep(Duration::from_millis(20));
        clock.begin("run", 1);
        sleep(Duration::from_millis(40));
    }
    let report = clock.report("tool", "1.2.3");
    let [load, run] = &report.stages[..] else { panic!("{report:?}") };
    assert_eq!((load.name.as_str(), load.count, run.name.as_str(), run.count), ("load", 2, "run", 2));
    assert!(load.wall_secs >= 0.04 && run.wall_secs >= 0.08, "{report:?}");
    assert!(load.wall_secs < run.wall_secs, "{report:?}");
    assert!(report.wall_secs >= load.wall_secs + run.wall_secs + 0.004, "{report:?}");
    // The open stage goes on.
    sleep(Duration::from_millis(10));
    assert!(clock.report("tool", "1.2.3").stages[1].wall_secs >= run.wall_secs + 0.01);
}

#[test]
#[cfg(unix)]
fn processor_time_and_memory_are_told() {
    let clock = StageClock::new();
    clock.begin("sleep", 1);
    sleep(Duration::from_millis(30));
    clock.begin("work", 1);
    let mut block = vec![0u8; 50 << 20];
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_millis(100) {
        for (i, value) in block.iter_mut().enumerate() {
            *value = value.wrapping_add(i as u8);
        }
    }
    assert!(std::hint::black_box(&block).iter().any(|&x| x > 0));
    let report = clock.report("tool", "1");
    let work = &report.stages[1];
    // Other tests of this process run meanwhile, so only lower bounds hold.
    assert!(work.cpu_secs.unwrap() > 0.01, "{report:?}");
    assert!(work.peak_bytes.unwrap() >= 50 << 20, "{report:?}");
    assert!(report.peak_bytes.unwrap() >= work.peak_bytes.unwrap());
    assert!(report.cpu_secs.unwrap() >= work.cpu_secs.unwrap());
}

#[test]
fn a_wrapped_progress_hears_everything_and_can_stop() {
    let listener = Arc::new(Listener::default());
    let clock = StageClock::wrapping(listener.clone());
    clock.begin("a", 7);
    clock.advance(3);
    clock.advance(4);
    clock.begin("b", 0);
    assert_eq!(*listener.stages.lock().unwrap(), [("a".to_owned(), 7), ("b".to_owned(), 0)]);
    assert_eq!(listener.steps.load(Ordering::Relaxed), 7);
    assert_eq!(clock.check(), Ok(()));
    listener.stop.store(true, Ordering::Relaxed);
    assert_eq!(clock.check(), Err(Stopped));
    assert_eq!(StageClock::new().check(), Ok(()));
}

#[test]
fn a_report_survives_json_and_reads_as_a_table() {
    let clock = StageClock::default();
    clock.begin("segment", 1);
    let report = clock.report("tool", "1.2.3").with_isa("avx2").with_threads(2).with_extra("voxels", 12);
    let text = report.to_json();
    assert!(text.ends_with("}\n"));
    let back: RunReport = serde_json::from_str(&text).unwrap();
    assert_eq!(back.stages.len(), 1);
    assert_eq!((back.isa.as_deref(), back.threads, back.extra["voxels"].as_u64()), (Some("avx2"), Some(2), Some(12)));
    let table = report.to_string();
    assert_eq!(table.lines().count(), 2);
    assert!(table.starts_with("segment") && table.contains("\ntotal "), "{table}");
    let empty = StageClock::new().report("t", "0");
    assert!(empty.to_string().starts_with("total "));
    assert!(!empty.to_json().contains("isa"));
}
