//! `kernels/conv3d/<layer>/<mode>/<instruction set>`: one thread, throughput in floating-point operations.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use volkit_benches_kernels::{Case, cases};
use volkit_kernels::{ConvOptions, Isa, Mode, Threads};

fn conv3d(criterion: &mut Criterion) {
    for layer in cases() {
        let mut group = criterion.benchmark_group(format!("kernels/conv3d/{}", layer.name));
        group.throughput(Throughput::Elements(layer.flops() as u64));
        group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(600));
        for isa in Isa::ALL.into_iter().filter(|isa| *isa != Isa::Scalar && isa.is_available()) {
            for mode in Mode::ALL {
                let Ok(mut case) = Case::new(&layer, ConvOptions::new(isa).with_mode(mode)) else { continue };
                let id = BenchmarkId::new(mode.name(), isa.name());
                group.bench_function(id, |bencher| bencher.iter(|| case.run(&Threads::single())));
            }
        }
        group.finish();
    }
}

criterion_group!(benches, conv3d);
criterion_main!(benches);
