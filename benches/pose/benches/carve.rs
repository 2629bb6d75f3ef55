//! Carving 112^3 points from six views: counting votes by instruction set, whole hulls, coloured volumes, tracking.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use volkit_benches_pose::{Scene, scene};
use volkit_kernels::{Beyond, Carve, Isa, Silhouette, Threads};
use volkit_pose::{CarveGrid, CarveRules, Carver, ColourRules, TrackConfig, track_frame};

const SIZE: usize = 112;

fn votes(c: &mut Criterion) {
    let mask: Vec<u8> =
        (0..256 * 288).map(|i| u8::from((i % 288usize).abs_diff(144) + (i / 288).abs_diff(128) < 60)).collect();
    // A camera four edges away, turned by as much for each view as makes them differ.
    let view = |k: usize| {
        let (s, c) = (k as f32).sin_cos();
        let size = SIZE as f32;
        let depth = [-s, c, 0.1, 4.0 * size];
        let f = 600.0;
        let row = |a: [f32; 4], centre: f32| std::array::from_fn(|i| f * a[i] + centre * depth[i]);
        let right = [c, s, 0.0, -0.5 * size * (c + s)];
        Silhouette {
            mask: &mask,
            size: [256, 288],
            pixel_from_grid: [row(right, 144.0), row([0.0, 0.0, -1.0, 0.5 * size], 128.0), depth],
        }
    };
    let views: Vec<_> = (0..6).map(view).collect();
    let n = SIZE * SIZE * SIZE;
    let mut group = c.benchmark_group("carve/votes/112^3x6");
    group.throughput(Throughput::Elements(6 * n as u64));
    let [mut inside, mut outside] = [vec![0; n], vec![0; n]];
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let Ok(carve) = Carve::new(isa, Beyond::Unknown) else { continue };
        group.bench_function(isa.name(), |b| {
            b.iter(|| {
                let counts = [&mut inside[..], &mut outside[..]];
                carve.count(black_box(&views), [SIZE; 3], counts, &Threads::single()).expect("sizes fit");
            });
        });
    }
    group.finish();
}

fn frames(c: &mut Criterion) {
    let Scene { views, rig, pose } = scene().expect("sizes fit");
    let threads = Arc::new(Threads::single());
    let observed: Vec<usize> = (0..6).collect();
    let carver = Carver::new(&rig, &observed, CarveRules::Strict, Arc::clone(&threads)).expect("views are there");
    let whole = CarveGrid::new(0.40, SIZE);
    c.bench_function("carve/hull/112^3x6", |b| {
        b.iter(|| carver.hull(black_box(&views), &whole, &pose).expect("sizes fit"));
    });
    let crop = CarveGrid::new(0.40, SIZE).with_crop([[8, 104], [16, 96], [24, 88]]).expect("fits");
    c.bench_function("carve/volume/96x80x64x6", |b| {
        b.iter(|| carver.volume(black_box(&views), &crop, &pose, &ColourRules::default()).expect("sizes fit"));
    });
    let config = TrackConfig { edge: 0.40, grid_size: SIZE, observed, rules: CarveRules::Strict, threads };
    c.bench_function("track/frame/112^3x6", |b| {
        b.iter(|| track_frame(&rig, black_box(&views), &config).expect("sizes fit"));
    });
}

criterion_group!(benches, votes, frames);
criterion_main!(benches);
