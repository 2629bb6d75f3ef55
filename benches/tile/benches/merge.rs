//! What tiling costs beside the model: an identity through the Gaussian window, from memory into a sink that keeps
//! nothing. Throughput is bytes of the image.
#![allow(missing_docs)] // criterion_group! makes an undocumented function.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use volkit_benches_tile::{MERGES, NullSink, noise, volume};
use volkit_core::SilentProgress;
use volkit_tile::{AxisSpec, NamedWindow, Pointwise, Target, TilePlan, TiledInference};

fn suite(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tile/merge/gaussian");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800));
    for (shape, tile) in MERGES {
        let n = shape.iter().product::<usize>();
        let image = volume(&[&[1], shape].concat(), noise(n, 1)).expect("a volume");
        let plan = TilePlan::new(shape, &vec![AxisSpec::fraction(tile, 0.25); shape.len()]).expect("a plan");
        let sink = NullSink::new(shape).expect("a sink");
        let mut model = Pointwise::identity(1, shape.len());
        group.throughput(Throughput::Bytes(4 * n as u64));
        group.bench_function(format!("{shape:?}/{tile}"), |bencher| {
            bencher.iter(|| {
                let inference = TiledInference::new(&plan).with_blend(NamedWindow::gaussian());
                inference.run(&image, &mut [&mut model], vec![Target::new(&sink)], &SilentProgress).expect("a run")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, suite);
criterion_main!(benches);
