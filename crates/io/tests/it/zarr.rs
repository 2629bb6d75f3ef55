//! Zarr arrays: what other programs wrote, and what we write.

use proptest::prelude::*;
use serde_json::{Map, json};
use volkit_core::conformance::{check_sink, check_source};
use volkit_core::{Affine, DType, Region, Volume, VolumeSink as _, Voxels, read_all};
use volkit_io::{
    BloscCodec, BloscShuffle, Image, IoError, Limits, Partial, ReadOptions, WriteOptions, ZarrArray, ZarrCodec,
    ZarrSink, ZarrSource, ZarrSpec, ZarrVersion, open, read, write,
};

use crate::shared::{NUMBERS, bytes_of, json as read_json, names_in, noise, oblique, sha256, shared};

fn limits() -> Limits {
    Limits::default()
}

fn read_whole(array: &ZarrArray) -> Voxels {
    let mut values = Voxels::zeros(array.dtype(), array.shape().iter().product()).unwrap();
    array.read_box(&vec![0; array.shape().len()], array.shape(), values.view_mut()).unwrap();
    values
}

#[test]
fn stores_of_other_programs_hold_what_they_should() {
    let Some(folder) = shared("golden/volume/zarr") else { return };
    let index = read_json(&folder.join("index.json"));
    let mut failures = Vec::new();
    for entry in index.as_array().unwrap() {
        let store = entry["store"].as_str().unwrap();
        let array = match ZarrArray::open(folder.join(store), &limits()) {
            Ok(array) => array,
            Err(error) => {
                failures.push(format!("{store}: {error}"));
                continue;
            }
        };
        let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone()).unwrap();
        if array.shape() != shape {
            failures.push(format!("{store}: shape {:?}", array.shape()));
        }
        let values = read_whole(&array);
        if sha256(values.view()) != entry["c_order_le_sha256"].as_str().unwrap() {
            failures.push(format!("{store}: other values"));
        }
        let source = ZarrSource::new(array, &ReadOptions::default()).unwrap();
        let volume = read_all(&source).unwrap();
        if !volume.dtype().is_float()
            && let Err(error) = check_source(&source, &volume)
        {
            failures.push(format!("{store}: {error}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(index.as_array().unwrap().len() > 70);
}

fn codecs() -> Vec<ZarrCodec> {
    let blosc = |codec, shuffle| ZarrCodec::Blosc { codec, level: 5, shuffle };
    vec![
        ZarrCodec::None,
        ZarrCodec::Gzip { level: 3 },
        ZarrCodec::Zstd { level: 1, checksum: true },
        ZarrCodec::default(),
        blosc(BloscCodec::Lz4, BloscShuffle::Bit),
        blosc(BloscCodec::Zstd, BloscShuffle::Byte),
        blosc(BloscCodec::BloscLz, BloscShuffle::None),
    ]
}

#[test]
fn every_type_and_codec_goes_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (version, dtype)) in NUMBERS
        .into_iter()
        .chain([DType::BF16])
        .flat_map(|dtype| [(ZarrVersion::V2, dtype), (ZarrVersion::V3, dtype)])
        .enumerate()
    {
        if (version, dtype) == (ZarrVersion::V2, DType::BF16) {
            continue;
        }
        let volume = noise(&[7, 5, 6], dtype, number as u64);
        for codec in codecs() {
            let path = folder.path().join("a.zarr");
            let spec =
                ZarrSpec::for_volume(volume.meta()).with_version(version).with_codec(codec).with_chunk([4, 3, 2]);
            let sink = ZarrSink::create(&path, &spec, &WriteOptions::default()).unwrap();
            sink.write_region(&Region::whole(volume.shape()), volume.voxels().view()).unwrap();
            Box::new(sink).finish().unwrap();
            let source = open(&path, &ReadOptions::default()).unwrap();
            assert_eq!(source.info().format, if version == ZarrVersion::V2 { "Zarr v2" } else { "Zarr v3" });
            let back = read_all(&source).unwrap();
            assert_eq!(bytes_of(&back), bytes_of(&volume), "{version:?} {dtype} {codec:?}");
            assert_eq!(back.affine(), &oblique());
        }
    }
    assert_eq!(names_in(folder.path()), ["a.zarr"]);
}

#[test]
fn sinks_and_sources_keep_their_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let volume = noise(&[9, 4, 11], DType::U16, 3);
    for (name, spec) in [
        ("plain.zarr", ZarrSpec::for_volume(volume.meta()).with_chunk([3, 4, 4])),
        ("shards.zarr", ZarrSpec::for_volume(volume.meta()).with_chunk([3, 2, 4]).with_shard([6, 4, 8])),
        ("one.zarr", ZarrSpec::for_volume(volume.meta())),
        ("v2.zarr", ZarrSpec::for_volume(volume.meta()).with_version(ZarrVersion::V2).with_chunk([1, 4, 9])),
    ] {
        let path = folder.path().join(name);
        let sink = ZarrSink::create(&path, &spec, &WriteOptions::default()).unwrap();
        check_sink(Box::new(sink), &volume).unwrap();
        check_source(&open(&path, &ReadOptions::default()).unwrap(), &volume).unwrap();
    }
}

#[test]
fn volumes_are_written_and_read_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.zarr");
    let volume = noise(&[5, 6, 7, 2], DType::I16, 1);
    write(&path, &Image::new(volume.clone()), &WriteOptions::default()).unwrap();
    assert_eq!(read(&path).unwrap().volume(), &volume);
    let other = noise(&[2, 2], DType::F32, 2);
    let kept = WriteOptions::default().with_overwrite(false);
    assert!(matches!(write(&path, &Image::new(other.clone()), &kept), Err(IoError::Exists { .. })));
    assert_eq!(read(&path).unwrap().volume(), &volume);
    write(&path, &Image::new(other.clone()), &WriteOptions::default()).unwrap();
    assert_eq!(read(&path).unwrap().volume(), &other);
    assert_eq!(names_in(folder.path()), ["scan.zarr"]);
}

#[test]
fn an_unfinished_store_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zarr");
    let volume = noise(&[4, 4], DType::U8, 1);
    let spec = ZarrSpec::for_volume(volume.meta()).with_chunk([2, 2]);
    let sink = ZarrSink::create(&path, &spec, &WriteOptions::default()).unwrap();
    sink.write_region(&Region::whole(&[4, 4]), volume.voxels().view()).unwrap();
    drop(sink);
    assert!(names_in(folder.path()).is_empty());
    // A partial one stays and can be gone on with.
    let partial = |how| WriteOptions::default().with_partial(how);
    let sink = ZarrSink::create(&path, &spec, &partial(Partial::New)).unwrap();
    let (top, bottom) = (Region::new([0, 0], [4, 2]).unwrap(), Region::new([0, 2], [4, 2]).unwrap());
    let values = volume.voxels().as_slice::<u8>().unwrap();
    sink.write_region(&top, (&values[..8]).into()).unwrap();
    drop(sink);
    assert_eq!(names_in(folder.path()), ["a.zarr.partial"]);
    let other = ZarrSpec::for_volume(volume.meta());
    assert!(ZarrSink::create(&path, &other, &partial(Partial::Resume)).is_err());
    let sink = ZarrSink::create(&path, &spec, &partial(Partial::Resume)).unwrap();
    sink.write_region(&bottom, (&values[8..]).into()).unwrap();
    Box::new(sink).finish().unwrap();
    assert_eq!(names_in(folder.path()), ["a.zarr"]);
    assert_eq!(read(&path).unwrap().volume(), &volume);
}

#[test]
fn several_writers_share_an_array() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.zarr");
    let volume = noise(&[8, 8, 8], DType::F32, 5);
    let spec = ZarrSpec::for_volume(volume.meta()).with_chunk([2, 4, 8]);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (path, spec, volume) = (&path, &spec, &volume);
            scope.spawn(move || {
                let sink = ZarrSink::create_or_open(path, spec).unwrap();
                let region = Region::new([0, 0, 2 * writer], [8, 8, 2]).unwrap();
                let values = volkit_core::read_vec::<f32>(volume, &region).unwrap();
                sink.write_region(&region, values.as_slice().into()).unwrap();
                Box::new(sink).finish().unwrap();
            });
        }
    });
    assert_eq!(read(&path).unwrap().volume(), &volume);
    let sink = ZarrSink::open(&path, &limits()).unwrap();
    sink.write_region(&Region::new([0, 0, 0], [1, 1, 1]).unwrap(), (&[7.5_f32][..]).into()).unwrap();
    Box::new(sink).finish().unwrap();
    assert_eq!(read(&path).unwrap().volume().voxels().as_slice::<f32>().unwrap()[0], 7.5);
    let other = spec.clone().with_chunk([2, 4, 4]);
    assert!(matches!(ZarrSink::create_or_open(&path, &other), Err(IoError::Exists { .. })));
}

#[test]
fn chunks_of_the_fill_value_are_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    for (keeps, files) in [(false, 1), (true, 4)] {
        let spec = ZarrSpec::new([4, 4], DType::F32).with_chunk([2, 2]).with_fill("NaN");
        let path = folder.path().join(format!("{keeps}.zarr"));
        let array = ZarrArray::create(&path, &spec).unwrap().with_fill_chunks(keeps);
        let mut values = vec![f32::NAN; 16];
        values[5] = 1.0;
        array.write_box(&[0, 0], &[4, 4], values.as_slice().into()).unwrap();
        let stored = walk(&path).into_iter().filter(|name| !name.ends_with("zarr.json")).count();
        assert_eq!((stored, array.n_files()), (files, 4));
        let back = read_whole(&array);
        assert!(back.as_slice::<f32>().unwrap().iter().zip(&values).all(|(a, b)| a.to_bits() == b.to_bits()));
        // Writing the fill value over it takes the chunk away.
        array.write_box(&[1, 1], &[1, 1], (&[f32::NAN][..]).into()).unwrap();
        let stored = walk(&path).into_iter().filter(|name| !name.ends_with("zarr.json")).count();
        assert_eq!(stored, if keeps { 4 } else { 0 });
    }
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path.display().to_string()) }
    }
    found
}

#[test]
fn one_frame_is_read_without_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (frames, height, width) = (6, 40, 50);
    let volume = noise(&[3, width, height, 1, frames], DType::U8, 9);
    for (name, spec) in [
        ("frames.zarr", ZarrSpec::for_volume(volume.meta()).with_chunk([1, 1, height, width, 3])),
        (
            "shards.zarr",
            ZarrSpec::for_volume(volume.meta())
                .with_chunk([1, 1, height, width, 3])
                .with_shard([6, 1, height, width, 3]),
        ),
    ] {
        let path = folder.path().join(name);
        let spec = spec.with_codec(ZarrCodec::None);
        let sink = ZarrSink::create(&path, &spec, &WriteOptions::default()).unwrap();
        sink.write_region(&Region::whole(volume.shape()), volume.voxels().view()).unwrap();
        Box::new(sink).finish().unwrap();
        let source = ZarrSource::new(ZarrArray::open(&path, &limits()).unwrap(), &ReadOptions::default()).unwrap();
        let frame = Region::new([0, 0, 0, 0, 4], [3, width, height, 1, 1]).unwrap();
        let values = volkit_core::read_vec::<u8>(&source, &frame).unwrap();
        assert_eq!(values, volkit_core::read_vec::<u8>(&volume, &frame).unwrap());
        let index = if name == "shards.zarr" { 6 * 16 + 4 } else { 0 };
        assert_eq!(source.array().bytes_read(), (3 * width * height) as u64 + index);
    }
}

#[test]
fn odd_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let number = ZarrSpec::new([], DType::I32).with_attributes(Map::from_iter([("unit".to_owned(), json!("mm"))]));
    let mut array = ZarrArray::create(folder.path().join("number.zarr"), &number).unwrap();
    array.write_box(&[], &[], (&[-5][..]).into()).unwrap();
    assert_eq!(read_whole(&array), Voxels::I32(vec![-5]));
    array.set_attributes(Map::from_iter([("unit".to_owned(), json!("cm"))])).unwrap();
    let array = ZarrArray::open(array.folder(), &limits()).unwrap();
    assert_eq!(array.attributes()["unit"], "cm");
    assert_eq!(read(array.folder()).unwrap().volume().shape(), [1]);
    let empty = ZarrArray::create(folder.path().join("empty.zarr"), &ZarrSpec::new([0, 3], DType::U8)).unwrap();
    assert_eq!(read_whole(&empty), Voxels::U8(Vec::new()));
    // Far more elements than any memory has; only what is read counts.
    let vast = ZarrSpec::new([1 << 29, 1 << 29], DType::U8).with_chunk([16, 16]);
    let vast = ZarrArray::create(folder.path().join("vast.zarr"), &vast).unwrap();
    vast.write_box(&[1 << 28, 5], &[1, 2], (&[1_u8, 2][..]).into()).unwrap();
    let mut values = Voxels::zeros(DType::U8, 4).unwrap();
    vast.read_box(&[1 << 28, 4], &[1, 4], values.view_mut()).unwrap();
    assert_eq!(values, Voxels::U8(vec![0, 1, 2, 0]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn any_box_of_any_array(
        axes in prop::collection::vec((1_usize..9, 1_usize..5, 1_usize..3, 0_usize..9, 0_usize..9), 1..4),
        sharded in any::<bool>(),
        seed in 0_u64..1000,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let shape: Vec<usize> = axes.iter().map(|a| a.0).collect();
        let chunk: Vec<usize> = axes.iter().map(|a| a.1).collect();
        let mut spec = ZarrSpec::new(shape.clone(), DType::U16).with_chunk(chunk.clone()).with_codec(ZarrCodec::None);
        if sharded {
            spec = spec.with_shard(axes.iter().map(|a| a.1 * a.2).collect::<Vec<_>>());
        }
        let array = ZarrArray::create(folder.path().join("a"), &spec).unwrap();
        let start: Vec<usize> = axes.iter().map(|a| a.3 % a.0).collect();
        let size: Vec<usize> = axes.iter().zip(&start).map(|(a, s)| 1 + a.4 % (a.0 - s)).collect();
        // A volume's axes are the array's, reversed.
        let reversed = |axes: &[usize]| axes.iter().rev().copied().collect::<Vec<_>>();
        let whole = noise(&reversed(&shape), DType::U16, seed);
        array.write_box(&vec![0; shape.len()], &shape, whole.voxels().view()).unwrap();
        let region = Region::new(reversed(&start), reversed(&size)).unwrap();
        let wanted = volkit_core::read_vec::<u16>(&whole, &region).unwrap();
        let mut got = Voxels::zeros(DType::U16, region.len()).unwrap();
        array.read_box(&start, &size, got.view_mut()).unwrap();
        prop_assert_eq!(got.as_slice::<u16>().unwrap(), wanted.as_slice());
        // Another content in the box, all else as it was.
        let other: Vec<u16> = wanted.iter().map(|x| !x).collect();
        array.write_box(&start, &size, other.as_slice().into()).unwrap();
        let after = Volume::new(reversed(&shape), read_whole(&array), Affine::IDENTITY).unwrap();
        prop_assert_eq!(volkit_core::read_vec::<u16>(&after, &region).unwrap(), other);
        array.write_box(&start, &size, wanted.as_slice().into()).unwrap();
        prop_assert_eq!(read_whole(&array), whole.voxels().clone());
    }
}
