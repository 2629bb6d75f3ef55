//! NIfTI files of 256^3 voxels, warm: whole reads plain and compressed, conversion to f32, one slice, writing of labels.
//! Throughput is bytes of voxels as stored.
#![allow(missing_docs)] // criterion_group! makes an undocumented function.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use volkit_core::{Affine, Region, Volume, read_vec};
use volkit_io::{Image, ReadOptions, Values, WriteOptions, open, read_with, write};

const SIDE: usize = 256;
const COUNT: usize = SIDE * SIDE * SIDE;

/// A ball of tissue with grain on an empty background, as a head is.
fn scan() -> Volume {
    let voxel = |at: usize| {
        let centred = |n: usize| (n & 255) as f32 - 127.5;
        let radius = [at, at >> 8, at >> 16].iter().map(|&n| centred(n).powi(2)).sum::<f32>().sqrt();
        let grain = (at.wrapping_mul(2_654_435_761) >> 13 & 63) as i16;
        if radius < 100.0 { 400 + (radius * 3.0) as i16 + grain } else { grain >> 3 }
    };
    Volume::new([SIDE; 3], (0..COUNT).map(voxel).collect::<Vec<i16>>(), Affine::IDENTITY).expect("a cube")
}

/// Nested shells: labels as a segmentation has.
fn labels() -> Volume {
    let voxel = |at: usize| {
        let centred = |n: usize| (n & 255) as f32 - 127.5;
        let radius = [at, at >> 8, at >> 16].iter().map(|&n| centred(n).powi(2)).sum::<f32>().sqrt();
        if radius < 100.0 { 1 + (radius / 6.0) as u8 + u8::from(at & 128 != 0) * 20 } else { 0 }
    };
    Volume::new([SIDE; 3], (0..COUNT).map(voxel).collect::<Vec<u8>>(), Affine::IDENTITY).expect("a cube")
}

fn written(folder: &Path, name: &str, volume: Volume) -> PathBuf {
    let path = folder.join(name);
    write(&path, &Image::new(volume), &WriteOptions::default()).expect("a file");
    path
}

fn suite(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = written(folder.path(), "scan.nii", scan());
    let packed = written(folder.path(), "scan.nii.gz", scan());
    let segmented = Image::new(labels());
    let mut group = criterion.benchmark_group("io/nifti");
    group.throughput(Throughput::Bytes(2 * COUNT as u64)).sample_size(10);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    let voxels = scan();
    group.bench_function("copy/256x256x256/memory", |bencher| bencher.iter(|| black_box(voxels.clone())));
    for (path, how) in [(&plain, "plain"), (&packed, "gz")] {
        for (values, name) in [(Values::Native, "i16"), (Values::F32, "f32")] {
            let options = ReadOptions::new().with_values(values);
            group.bench_function(format!("read-{name}/256x256x256/{how}"), |bencher| {
                bencher.iter(|| black_box(read_with(path, &options).expect("a scan")));
            });
        }
        group.bench_function(format!("slice-10/256x256x1/{how}"), |bencher| {
            let region = Region::new([0, 0, 10], [SIDE, SIDE, 1]).expect("a slice");
            bencher.iter(|| {
                let source = open(path, &ReadOptions::default()).expect("a scan");
                black_box(read_vec::<f32>(&source, &region).expect("a slice"))
            });
        });
    }
    group.throughput(Throughput::Bytes(COUNT as u64));
    for level in [1, 6] {
        let options = WriteOptions::new().with_gzip_level(level);
        let path = folder.path().join("labels.nii.gz");
        group.bench_function(format!("write-labels/256x256x256/gz-{level}"), |bencher| {
            bencher.iter(|| write(&path, &segmented, &options).expect("a file"));
        });
    }
    group.finish();
}

criterion_group!(benches, suite);
criterion_main!(benches);
