//! Times of volkit-geom on a 256^3 volume, on one thread and on two. Throughput is bytes read + bytes written; the
//! first group copies the same volume, which is as fast as memory allows.
#![allow(missing_docs)] // criterion_group! makes an undocumented function.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use volkit_core::{Affine, AxisMap};
use volkit_geom::{Gaussian, NanRule, Order, Resampling, components, percentiles, reorient_slice, resample_map};

const SIZE: [usize; 3] = [256; 3];
const COUNT: usize = 256 * 256 * 256;

/// Smooth bumps with some grain.
fn volume() -> Vec<f32> {
    let voxel = |at: usize| {
        let wave = |n: usize| (n as f32 * 0.07).sin();
        let grain = (at.wrapping_mul(2_654_435_761) >> 16 & 255) as f32 / 2550.0;
        (wave(at & 255) + wave(at >> 8 & 255) + wave(at >> 16)).max(0.0) + grain
    };
    (0..COUNT).map(voxel).collect()
}

fn oblique() -> Affine {
    let (s, c) = 0.2f64.sin_cos();
    let linear = [[c, -s, 0.03], [s, c, -0.05], [-0.02, 0.06, 1.0]];
    let centre = [127.5; 3];
    let turned = Affine::from_parts(linear, [0.0; 3]).apply_linear(centre);
    Affine::from_parts(linear, std::array::from_fn(|a| centre[a] - turned[a]))
}

fn on_threads(criterion: &mut Criterion, name: &str, bytes: usize, mut work: impl FnMut() + Send) {
    let mut group = criterion.benchmark_group(format!("geom/{name}"));
    group.throughput(Throughput::Bytes(bytes as u64)).sample_size(10);
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800));
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        group.bench_function(format!("256x256x256/{threads}t"), |bencher| pool.install(|| bencher.iter(&mut work)));
    }
}

fn suite(criterion: &mut Criterion) {
    let values = volume();
    let both = 8 * COUNT;
    on_threads(criterion, "copy/f32", both, || drop(black_box(values.to_vec())));
    let straight = Affine::from_scale([0.97, 1.02, 0.99]).with_translation([0.3, -0.2, 0.4]);
    let half = Affine::IDENTITY.with_translation([0.5; 3]);
    let narrow: Vec<u8> = values.iter().map(|x| (x * 80.0) as u8).collect();
    let cases = [
        ("linear-straight", Order::Linear, straight),
        ("linear-shift", Order::Linear, half),
        ("linear-oblique", Order::Linear, oblique()),
        ("nearest-straight", Order::Nearest, straight),
        ("nearest-oblique", Order::Nearest, oblique()),
        ("cubic-straight", Order::Cubic, straight),
        ("cubic-oblique", Order::Cubic, oblique()),
    ];
    for (name, order, map) in cases {
        let how = Resampling::new(order);
        let run = || drop(black_box(resample_map(&values, SIZE, &map, SIZE, &how)));
        on_threads(criterion, &format!("resample-{name}/f32"), both, run);
    }
    let how = Resampling::linear();
    let run = || drop(black_box(resample_map(&narrow, SIZE, &oblique(), SIZE, &how)));
    on_threads(criterion, "resample-linear-oblique/u8", 2 * COUNT, run);
    let swap = AxisMap { source_axis: [2, 1, 0], flipped: [true, false, true] };
    on_threads(criterion, "reorient/f32", both, || drop(black_box(reorient_slice(&values, SIZE, &swap))));
    let filter = Gaussian::new([1.0; 3]);
    on_threads(criterion, "gaussian-sigma1/f32", both, || drop(black_box(filter.apply_slice(&values, SIZE))));
    let q = [0.5, 99.5];
    on_threads(criterion, "percentiles/f32", 4 * COUNT, || {
        drop(black_box(percentiles(&values, &q, NanRule::Propagate)));
    });
    on_threads(criterion, "percentiles/u8", COUNT, || drop(black_box(percentiles(&narrow, &q, NanRule::Propagate))));
    let mask: Vec<u8> = values.iter().map(|&x| u8::from(x > 0.3)).collect();
    on_threads(criterion, "components/u8", COUNT, || drop(black_box(components(&mask, SIZE))));
}

criterion_group!(benches, suite);
criterion_main!(benches);
