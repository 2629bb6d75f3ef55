//! Stores that are damaged or hostile.

use std::path::Path;

use serde_json::{Value, json};
use volkit_core::{DType, Voxels};
use volkit_io::{IoError, Limits, ReadOptions, ZarrArray, ZarrCodec, ZarrSpec, open, read};

use crate::shared::{json as read_json, shared};

fn error_of(folder: &Path) -> String {
    match ZarrArray::open(folder, &Limits::default()) {
        Err(error) => error.to_string(),
        Ok(array) => read_error(&array),
    }
}

fn read_error(array: &ZarrArray) -> String {
    let mut values = Voxels::zeros(array.dtype(), array.shape().iter().product()).unwrap();
    let read = array.read_box(&vec![0; array.shape().len()], array.shape(), values.view_mut());
    read.unwrap_err().to_string()
}

#[test]
fn the_bad_stores_are_refused_by_name() {
    let Some(folder) = shared("golden/volume/bad") else { return };
    for (name, wanted) in [
        ("z3_empty_json.zarr", "zarr.json: JSON = \"\": the file is empty"),
        ("z3_rank.zarr", "chunk_grid"),
        ("z3_short_chunk.zarr", "bytes, 72 expected"),
        ("z3_blosc_nbytes.zarr", "blosc: nbytes = "),
        ("z3_shard_index.zarr", "crc32c: stored"),
        ("z2_fill_str.zarr", "fill_value = \"abc\""),
        ("not_a_store.zarr", "a folder with none of zarr.json, .zarray, .zgroup"),
    ] {
        let error = error_of(&folder.join(name));
        assert!(error.contains(wanted), "{name}: {error}");
        assert!(read(folder.join(name)).is_err());
    }
}

/// A small array of version 3 whose metadata `change` may spoil.
fn spoiled(change: impl FnOnce(&mut Value)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zarr");
    let spec = ZarrSpec::new([4, 6], DType::U16).with_chunk([2, 3]).with_shard([4, 6]);
    ZarrArray::create(&path, &spec).unwrap();
    let mut metadata = read_json(&path.join("zarr.json"));
    change(&mut metadata);
    std::fs::write(path.join("zarr.json"), metadata.to_string()).unwrap();
    let error = ZarrArray::open(&path, &Limits::default()).unwrap_err().to_string();
    error.strip_prefix(&path.display().to_string()).unwrap().to_owned()
}

#[test]
fn metadata_errors_name_file_field_and_value() {
    let cases: [(&str, &str); 14] = [
        ("/zarr_format", "zarr_format = 2"),
        ("/shape", "shape = 2"),
        ("/data_type", "data_type = 2"),
        ("/fill_value", "fill_value"),
        ("/chunk_grid/name", "chunk_grid = "),
        ("/chunk_grid/configuration/chunk_shape", "chunk_grid.configuration.chunk_shape = 2"),
        ("/chunk_key_encoding/name", "chunk_key_encoding = "),
        ("/chunk_key_encoding/configuration/separator", "separator must be"),
        ("/codecs", "codecs = 2"),
        ("/codecs/0/name", "codec 0 has no name"),
        ("/codecs/0/configuration/chunk_shape", "codecs[0] (sharding_indexed).chunk_shape = 2"),
        ("/codecs/0/configuration/index_location", "codecs[0] (sharding_indexed).index_location = 2"),
        ("/codecs/0/configuration/codecs/0/configuration/endian", "codecs[0] (bytes).endian = 2"),
        ("/codecs/0/configuration/codecs/1/configuration/level", "(zstd).level = \"x\""),
    ];
    for (pointer, wanted) in cases {
        let value = if pointer == "/fill_value" || pointer.ends_with("level") { json!("x") } else { json!(2) };
        let error = spoiled(|metadata| *metadata.pointer_mut(pointer).unwrap() = value);
        assert!(error.starts_with("/zarr.json: ") && error.contains(wanted), "{pointer}: {error}");
    }
    let error = spoiled(|metadata| metadata["codecs"][0]["name"] = json!("zfp"));
    assert!(error.contains("the codec zfp is not known; known are"), "{error}");
    let error = spoiled(|metadata| metadata["codecs"] = json!([{"name": "gzip"}, {"name": "bytes"}]));
    assert!(error.contains("wrong side"), "{error}");
    let error = spoiled(|metadata| metadata["shape"] = json!([1_u64 << 40, 1_u64 << 40]));
    assert!(error.contains("below 2^60"), "{error}");
}

#[test]
fn must_understand() {
    let error = spoiled(|metadata| metadata["extra"] = json!({"name": "x"}));
    assert!(error.contains("extra = {\"name\":\"x\"}: is an extension"), "{error}");
    let error = spoiled(|metadata| {
        metadata["extra"] = json!({"name": "x", "must_understand": false});
        metadata["fill_value"] = json!("x");
    });
    assert!(error.contains("fill_value"), "{error}");
    // Known to be ignorable: kept when the attributes are written.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    ZarrArray::create(&path, &ZarrSpec::new([4], DType::U8)).unwrap();
    let mut metadata = read_json(&path.join("zarr.json"));
    metadata["extra"] = json!({"must_understand": false});
    std::fs::write(path.join("zarr.json"), metadata.to_string()).unwrap();
    ZarrArray::open(&path, &Limits::default()).unwrap().set_attributes(serde_json::Map::new()).unwrap();
    assert_eq!(read_json(&path.join("zarr.json"))["extra"]["must_understand"], false);
}

#[test]
fn nothing_is_allocated_for_a_chunk_that_can_not_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let spec = ZarrSpec::new([1 << 20, 1 << 20], DType::F64).with_chunk([1 << 20, 1 << 20]);
    assert!(matches!(ZarrArray::create(&path, &spec), Err(IoError::TooLarge { .. })));
    ZarrArray::create(&path, &spec.with_chunk([8, 8])).unwrap();
    let mut metadata = read_json(&path.join("zarr.json"));
    metadata["chunk_grid"]["configuration"]["chunk_shape"] = json!([1 << 20, 1 << 20]);
    std::fs::write(path.join("zarr.json"), metadata.to_string()).unwrap();
    let error = ZarrArray::open(&path, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("one chunk needs 8796093022208 bytes"), "{error}");
    assert!(matches!(read(&path), Err(IoError::TooLarge { .. })));
}

#[test]
fn chunks_that_are_damaged() {
    let folder = tempfile::tempdir().unwrap();
    for (name, codec) in [
        ("none", ZarrCodec::None),
        ("gzip", ZarrCodec::Gzip { level: 1 }),
        ("zstd", ZarrCodec::Zstd { level: 1, checksum: true }),
    ] {
        let path = folder.path().join(name);
        let spec = ZarrSpec::new([64], DType::U16).with_codec(codec);
        let array = ZarrArray::create(&path, &spec).unwrap();
        let values: Vec<u16> = (0..64).map(|x| x * x).collect();
        array.write_box(&[0], &[64], values.as_slice().into()).unwrap();
        let chunk = path.join("c/0");
        let good = std::fs::read(&chunk).unwrap();
        std::fs::write(&chunk, &good[..good.len() - 3]).unwrap();
        assert!(read_error(&array).contains("c/0: damaged: "), "{}", read_error(&array));
        std::fs::write(&chunk, b"").unwrap();
        assert!(read_error(&array).ends_with("the chunk is an empty file"));
        std::fs::write(&chunk, vec![7; 100_000]).unwrap();
        assert!(read_error(&array).contains("100000 bytes, a chunk of this array has at most"));
        std::fs::remove_file(&chunk).unwrap();
        let mut out = Voxels::zeros(DType::U16, 64).unwrap();
        array.read_box(&[0], &[64], out.view_mut()).unwrap();
        assert_eq!(out, Voxels::U16(vec![0; 64]));
    }
}

#[test]
fn boxes_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let array = ZarrArray::create(folder.path().join("a"), &ZarrSpec::new([4, 4], DType::U8)).unwrap();
    let mut out = Voxels::zeros(DType::U8, 4).unwrap();
    for (start, size) in [(vec![3, 0], vec![2, 2]), (vec![0], vec![4]), (vec![0, 0], vec![4, 4])] {
        assert!(array.read_box(&start, &size, out.view_mut()).is_err());
        assert!(array.write_box(&start, &size, out.view()).is_err());
    }
    assert!(array.read_box(&[usize::MAX, 0], &[2, 2], out.view_mut()).is_err());
    let mut other = Voxels::zeros(DType::U16, 4).unwrap();
    assert!(array.read_box(&[0, 0], &[2, 2], other.view_mut()).is_err());
    assert!(open(folder.path(), &ReadOptions::default()).is_err());
}
