//! `splat/<pass>/<Gaussians>_<pixels>/<instruction set>`: one thread, throughput in Gaussians; and, for the plot of cost,
//! `splat/step_by_gaussians/<n>` at 256 x 256 and `splat/step_by_pixels/<pixels>` of 10 000 Gaussians.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use volkit_benches_splat::Case;
use volkit_splat::{Isa, Threads};

/// Band of spherical harmonics.
const DEGREE: Option<usize> = Some(3);

fn case(n: usize, side: usize, isa: Isa) -> Case {
    Case::new(n, side, DEGREE, isa, Arc::new(Threads::single())).expect("an available instruction set")
}

fn step(case: &mut Case) {
    case.forward().expect("a valid scene");
    case.backward().expect("a valid scene");
}

fn passes(criterion: &mut Criterion) {
    for (n, side) in [(10_000, 256), (50_000, 512)] {
        for isa in Isa::ALL.into_iter().filter(|isa| *isa != Isa::Scalar && isa.is_available()) {
            let mut case = case(n, side, isa);
            for pass in ["forward", "forward_backward"] {
                let mut group = criterion.benchmark_group(format!("splat/{pass}"));
                group.throughput(Throughput::Elements(n as u64));
                group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
                let id = BenchmarkId::new(format!("{n}_{side}"), isa.name());
                group.bench_function(id, |bencher| {
                    bencher.iter(|| {
                        if pass == "forward" {
                            case.forward().expect("a valid scene");
                        } else {
                            step(&mut case);
                        }
                    });
                });
                group.finish();
            }
        }
    }
}

fn cost(criterion: &mut Criterion) {
    let sizes = [1_000, 3_000, 10_000, 30_000, 100_000].map(|n| ("step_by_gaussians", n, n, 256));
    let pixels = [64, 128, 256, 512, 1024].map(|side| ("step_by_pixels", side * side, 10_000, side));
    for (name, at, n, side) in sizes.into_iter().chain(pixels) {
        let mut group = criterion.benchmark_group(format!("splat/{name}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(600));
        let mut case = case(n, side, Isa::detect());
        group.bench_function(BenchmarkId::from_parameter(at), |bencher| bencher.iter(|| step(&mut case)));
        group.finish();
    }
}

criterion_group!(benches, passes, cost);
criterion_main!(benches);
