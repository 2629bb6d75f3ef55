//! Zarr arrays of 256^3 `u16` in chunks of 64^3: whole, by a box that lies across chunks, and by one plane; with and
//! without shards. Throughput is bytes of values.
#![allow(missing_docs)] // criterion_group! makes an undocumented function.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use volkit_core::{DType, Voxels};
use volkit_io::{BloscCodec, BloscShuffle, ZarrArray, ZarrCodec, ZarrSpec};

const SIDE: usize = 256;
const CHUNK: [usize; 3] = [64; 3];
const SHARD: [usize; 3] = [128; 3];

/// A smooth object with noise in its last bits.
fn image() -> Voxels {
    let mut state = 1_u32;
    let values = (0..SIDE * SIDE * SIDE).map(|at| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((at % SIDE) * (at / SIDE % SIDE) / 4) as u16 + (state >> 27) as u16
    });
    Voxels::U16(values.collect())
}

fn suite(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let values = image();
    let shape = [SIDE; 3];
    let zstd = ZarrCodec::Zstd { level: 3, checksum: false };
    let blosc = ZarrCodec::Blosc { codec: BloscCodec::Lz4, level: 5, shuffle: BloscShuffle::Bit };
    let spec = |codec| ZarrSpec::new(shape, DType::U16).with_chunk(CHUNK).with_codec(codec);
    let layouts = [("zstd3", spec(zstd)), ("blosc", spec(blosc)), ("zstd3-shards", spec(zstd).with_shard(SHARD))];
    let mut group = criterion.benchmark_group("io/zarr");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    for (name, spec) in layouts {
        let array = ZarrArray::create(folder.path().join(name), &spec).expect("an array");
        group.throughput(Throughput::Bytes(2 * values.len() as u64));
        group.bench_function(format!("write/256x256x256/{name}"), |bencher| {
            bencher.iter(|| array.write_box(&[0; 3], &shape, values.view()).expect("written"));
        });
        let boxes = [
            ("256x256x256", [0; 3], shape),
            ("64x64x64", [32, 100, 70], [64; 3]),
            ("1x256x256", [77, 0, 0], [1, SIDE, SIDE]),
        ];
        for (box_name, start, size) in boxes {
            let n = size.iter().product();
            let mut out = Voxels::zeros(DType::U16, n).expect("memory");
            group.throughput(Throughput::Bytes(2 * n as u64));
            group.bench_function(format!("read/{box_name}/{name}"), |bencher| {
                bencher.iter(|| array.read_box(&start, black_box(&size), out.view_mut()).expect("values"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, suite);
criterion_main!(benches);
