//! HDF5 data sets: an i16 stack of 64 MiB whole and by boxes, and single frames of an image stack. Throughput is bytes of
//! values.
#![allow(missing_docs)] // criterion_group! makes an undocumented function.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use volkit_core::{DType, Voxels};
use volkit_io::{Hdf5Backend, Hdf5Layout, Limits, WriteOptions, create_hdf5, open_hdf5};

const STACK: [usize; 3] = [128, 512, 512];
const FRAMES: [usize; 5] = [16, 2, 512, 512, 3];

/// The libraries of this build.
const BACKENDS: &[Hdf5Backend] =
    if cfg!(feature = "hdf5-c") { &[Hdf5Backend::Pure, Hdf5Backend::C] } else { &[Hdf5Backend::Pure] };

fn smooth(n: usize) -> impl Iterator<Item = i16> {
    (0..n).map(|at| ((at % 512) as f32 * 0.05).sin().mul_add(500.0, (at >> 7 & 31) as f32) as i16)
}

fn suite(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stack.h5");
    let n_stack: usize = STACK.iter().product();
    let n_frames: usize = FRAMES.iter().product();
    let stack = Voxels::I16(smooth(n_stack).collect());
    let frames = Voxels::U8(smooth(n_frames).map(|value| (value >> 2) as u8).collect());
    let fill = |backend| {
        let writer = create_hdf5(&path, backend, &WriteOptions::default()).expect("a file");
        writer
            .create_data_set("x", &STACK, DType::I16, &Hdf5Layout::for_array(&STACK, DType::I16))
            .expect("a data set");
        writer.write_box("x", &[0; 3], &STACK, stack.view()).expect("values");
        let layout = Hdf5Layout::for_array(&FRAMES, DType::U8);
        writer.create_data_set("images", &FRAMES, DType::U8, &layout).expect("a data set");
        writer.write_box("images", &[0; 5], &FRAMES, frames.view()).expect("values");
        writer.finish().expect("a file");
    };
    let mut group = criterion.benchmark_group("io/hdf5");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    for &backend in BACKENDS {
        group.throughput(Throughput::Bytes((2 * n_stack + n_frames) as u64));
        group.bench_function(format!("write/128x512x512+16x2x512x512x3/{backend:?}"), |bencher| {
            bencher.iter(|| fill(backend));
        });
    }
    fill(Hdf5Backend::Pure);
    for &backend in BACKENDS {
        let read = |name: &str, start: &[usize], size: &[usize], dtype| {
            let file = open_hdf5(&path, backend, &Limits::default()).expect("a file");
            let mut out = Voxels::zeros(dtype, size.iter().product()).expect("memory");
            file.data_set(name).expect("a data set").read_box(start, size, out.view_mut()).expect("values");
            out
        };
        group.throughput(Throughput::Bytes(2 * n_stack as u64));
        group.bench_function(format!("read/128x512x512/{backend:?}"), |bencher| {
            bencher.iter(|| black_box(read("x", &[0; 3], &STACK, DType::I16)));
        });
        group.throughput(Throughput::Bytes(2 * 64 * 64 * 64));
        group.bench_function(format!("read/64x64x64/{backend:?}"), |bencher| {
            bencher.iter(|| black_box(read("x", &[32, 100, 200], &[64; 3], DType::I16)));
        });
        group.throughput(Throughput::Bytes(512 * 512 * 3));
        group.bench_function(format!("frame/1x1x512x512x3/{backend:?}"), |bencher| {
            bencher.iter(|| black_box(read("images", &[9, 1, 0, 0, 0], &[1, 1, 512, 512, 3], DType::U8)));
        });
    }
    group.finish();
}

criterion_group!(benches, suite);
criterion_main!(benches);
