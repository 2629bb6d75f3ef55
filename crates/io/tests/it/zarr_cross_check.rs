//! Our files in the hands of the crate `zarrs`, and its files in ours.

use std::sync::Arc;

use volkit_core::{DType, Voxels};
use volkit_io::{BloscCodec, BloscShuffle, Limits, ZarrArray, ZarrCodec, ZarrSpec, ZarrVersion};
use zarrs::array::codec::{BytesCodec, Crc32cCodec, GzipCodec, ShardingCodecBuilder, ZstdCodec};
use zarrs::array::{Array, ArrayBuilder, data_type};
use zarrs::filesystem::FilesystemStore;

const SHAPE: [usize; 3] = [7, 10, 9];

fn values() -> Vec<f32> {
    (0..SHAPE.iter().product::<usize>() as u32).map(|x| (x * x % 1013) as f32 / 8.0).collect()
}

fn store(folder: &std::path::Path) -> Arc<FilesystemStore> {
    Arc::new(FilesystemStore::new(folder).unwrap())
}

#[test]
fn zarrs_reads_what_we_write() {
    let folder = tempfile::tempdir().unwrap();
    let spec = || ZarrSpec::new(SHAPE, DType::F32).with_chunk([3, 4, 5]);
    let blosc = ZarrCodec::Blosc { codec: BloscCodec::Lz4, level: 5, shuffle: BloscShuffle::Bit };
    let cases = [
        ("plain", spec().with_codec(ZarrCodec::None)),
        ("gzip", spec().with_codec(ZarrCodec::Gzip { level: 4 })),
        ("zstd", spec().with_codec(ZarrCodec::Zstd { level: 3, checksum: true }).with_fill("NaN")),
        ("blosc", spec().with_codec(blosc)),
        ("shards", spec().with_shard([6, 8, 10])),
        ("v2", spec().with_version(ZarrVersion::V2).with_codec(ZarrCodec::Zstd { level: 1, checksum: false })),
        ("v2_blosc", spec().with_version(ZarrVersion::V2).with_codec(blosc)),
    ];
    for (name, spec) in cases {
        let ours = ZarrArray::create(folder.path().join(name), &spec).unwrap();
        ours.write_box(&[0, 0, 0], &SHAPE, values().as_slice().into()).unwrap();
        let theirs = Array::open(store(folder.path()), &format!("/{name}")).unwrap();
        let read: Vec<f32> = theirs.retrieve_array_subset(&theirs.subset_all()).unwrap();
        assert_eq!(read, values(), "{name}");
    }
}

#[test]
fn we_read_what_zarrs_writes() {
    let folder = tempfile::tempdir().unwrap();
    let builder = || {
        let shape: Vec<u64> = SHAPE.iter().map(|&n| n as u64).collect();
        ArrayBuilder::new(shape, vec![3, 4, 5], data_type::float32(), 0.5_f32)
    };
    let inner = [1, 2, 5].map(|n: u64| std::num::NonZeroU64::new(n).unwrap()).to_vec();
    let mut sharding = ShardingCodecBuilder::new(inner, &data_type::float32());
    sharding.bytes_to_bytes_codecs(vec![Arc::new(ZstdCodec::new(3, false))]);
    let cases = [
        (
            "zstd",
            builder()
                .bytes_to_bytes_codecs(vec![Arc::new(ZstdCodec::new(5, true))])
                .build(store(folder.path()), "/zstd"),
        ),
        (
            "big",
            builder()
                .array_to_bytes_codec(Arc::new(BytesCodec::big()))
                .bytes_to_bytes_codecs(vec![Arc::new(GzipCodec::new(2).unwrap()), Arc::new(Crc32cCodec::new())])
                .build(store(folder.path()), "/big"),
        ),
        ("shards", builder().array_to_bytes_codec(sharding.build_arc()).build(store(folder.path()), "/shards")),
    ];
    for (name, theirs) in cases {
        let theirs = theirs.unwrap();
        theirs.store_metadata().unwrap();
        theirs.store_array_subset(&theirs.subset_all(), values()).unwrap();
        let ours = ZarrArray::open(folder.path().join(name), &Limits::default()).unwrap();
        let mut read = Voxels::zeros(DType::F32, values().len()).unwrap();
        ours.read_box(&[0, 0, 0], &SHAPE, read.view_mut()).unwrap();
        assert_eq!(read.as_slice::<f32>().unwrap(), values(), "{name}");
    }
}
