//! `nn3d/<work>/<shape>/<path>`: forward and backward on all cores, throughput in voxels.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use volkit_benches_nn3d::{ConvStep, Step as _, UNetStep};
use volkit_nn3d::OpPath;

/// Keeps the memory of tensors between steps; the system's allocator gives it back, and pages are cleared anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PATHS: [(OpPath, &str); 2] = [(OpPath::Kernel, "kernel"), (OpPath::Composite, "composite")];

fn convolutions(criterion: &mut Criterion) {
    for (channels, size) in [(24, 64), (96, 16)] {
        for (path, name) in PATHS {
            let step = ConvStep::new(channels, size, path).expect("memory");
            for pass in ["conv_forward", "conv_forward_backward"] {
                let mut group = criterion.benchmark_group(format!("nn3d/{pass}"));
                group.throughput(Throughput::Elements(size.pow(3) as u64));
                group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
                group.bench_function(BenchmarkId::new(format!("{channels}_{size}"), name), |bencher| {
                    bencher.iter(|| match pass {
                        "conv_forward" => drop(step.forward().expect("valid arguments")),
                        _ => drop(step.run().expect("valid arguments")),
                    });
                });
                group.finish();
            }
        }
    }
}

fn networks(criterion: &mut Criterion) {
    for (path, name) in PATHS {
        let step = UNetStep::new([48, 48, 32], path).expect("memory");
        let mut group = criterion.benchmark_group("nn3d/u_net_forward_backward");
        group.throughput(Throughput::Elements(48 * 48 * 32));
        group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        group.bench_function(BenchmarkId::new("48_48_32", name), |bencher| {
            bencher.iter(|| step.run().expect("valid arguments"));
        });
        group.finish();
    }
}

criterion_group!(benches, convolutions, networks);
criterion_main!(benches);
