//! `train/simple_u_net_step/<batch>_16_<size>_<size>/<kind>`: whole training steps on all cores, throughput in pixels. Each
//! prints the peak of its memory above what was there before.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use volkit_bench::{FnWorkload, Workload as _, anonymous_bytes};
use volkit_benches_train::{SimpleStep, StepKind};

/// Keeps the memory of tensors between steps; the system's allocator gives it back, and pages are cleared anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 4;
const SIZE: usize = 256;

fn steps(criterion: &mut Criterion) {
    for (kind, name) in StepKind::ALL {
        let mut step = SimpleStep::new(kind, BATCH, SIZE).expect("memory");
        let mut group = criterion.benchmark_group("train/simple_u_net_step");
        group.throughput(Throughput::Elements((BATCH * SIZE * SIZE) as u64));
        group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(5));
        group.bench_function(BenchmarkId::new(format!("{BATCH}_16_{SIZE}_{SIZE}"), name), |bencher| {
            bencher.iter(|| step.run().expect("valid arguments"));
        });
        group.finish();
        let before = anonymous_bytes();
        let mut work = FnWorkload::new(name, || step.run().map(drop));
        let peak = work.sample().expect("valid arguments").peak_bytes;
        if let Some((peak, before)) = peak.zip(before) {
            println!(
                "train/simple_u_net_step/{name}: {:.0} MB above the arguments",
                peak.saturating_sub(before) as f64 / 1e6
            );
        }
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
