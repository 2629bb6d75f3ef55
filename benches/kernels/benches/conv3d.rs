//! `kernels/conv3d/<layer>/<instruction set>`: one thread, throughput in floating-point operations.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use volkit_benches_kernels::{Case, cases};
use volkit_kernels::{Isa, Threads};

fn conv3d(criterion: &mut Criterion) {
    for layer in cases() {
        let mut group = criterion.benchmark_group(format!("kernels/conv3d/{}", layer.name));
        group.throughput(Throughput::Elements(layer.flops() as u64));
        group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(600));
        for isa in Isa::ALL.into_iter().filter(|isa| *isa != Isa::Scalar && isa.is_available()) {
            let Ok(mut case) = Case::new(&layer, isa) else { continue };
            group.bench_function(isa.name(), |bencher| bencher.iter(|| case.run(&Threads::single())));
        }
        group.finish();
    }
}

criterion_group!(benches, conv3d);
criterion_main!(benches);
