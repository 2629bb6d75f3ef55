//! Whole HDF5 files to Zarr.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use volkit_core::{Array, DType, Progress, SilentProgress, Stopped, Voxels};
use volkit_io::{
    ChunkRule, ConvertOptions, Hdf5Backend, Hdf5Layout, Hdf5Value, IoError, Limits, WriteOptions, ZarrArray,
    ZarrVersion, convert_hdf5, create_hdf5, list_zarr, open_hdf5,
};

use crate::shared::{json, names_in, noise, shared};

/// A file with a stack of images, a small array in a group, and attributes.
fn write_source(path: &Path, seed: u64) {
    let file = create_hdf5(path, Hdf5Backend::Pure, &WriteOptions::default()).unwrap();
    let shape = [12, 2, 24, 20, 3];
    let layout = Hdf5Layout::for_array(&shape, DType::U8).with_chunk(Some(vec![5, 1, 12, 10, 1]));
    file.create_data_set("images", &shape, DType::U8, &layout).unwrap();
    let values = noise(&[shape.iter().product()], DType::U8, seed);
    file.write_box("images", &[0; 5], &shape, values.voxels().view()).unwrap();
    file.create_group("day 1").unwrap();
    let layout = Hdf5Layout::for_array(&[7], DType::F64);
    file.create_data_set("day 1/angles", &[7], DType::F64, &layout).unwrap();
    let angles = noise(&[7], DType::F64, seed);
    file.write_box("day 1/angles", &[0], &[7], angles.voxels().view()).unwrap();
    let one = Hdf5Value::Numbers(Array::new([], Voxels::I32(vec![30])).unwrap());
    file.set_attribute("", "title", &Hdf5Value::Text("two days".to_owned())).unwrap();
    file.set_attribute("images", "fps", &one).unwrap();
    file.finish().unwrap();
}

fn check_equal(source: &Path, store: &Path) {
    let file = open_hdf5(source, Hdf5Backend::Pure, &Limits::default()).unwrap();
    for name in ["images", "day 1/angles"] {
        let array = ZarrArray::open(store.join(name), &Limits::default()).unwrap();
        let data_set = file.data_set(name).unwrap();
        assert_eq!(array.shape(), data_set.info().shape);
        let n = array.shape().iter().product();
        let (mut a, mut b) = (Voxels::zeros(array.dtype(), n).unwrap(), Voxels::zeros(array.dtype(), n).unwrap());
        array.read_box(&vec![0; array.shape().len()], array.shape(), a.view_mut()).unwrap();
        data_set.read_box(&vec![0; array.shape().len()], array.shape(), b.view_mut()).unwrap();
        assert_eq!(a, b, "{name}");
    }
}

/// Every file of a store with its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in names_in(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            all.insert(name, std::fs::read(path).unwrap());
        }
    }
    all
}

#[test]
fn fill_values_are_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a.h5"), folder.path().join("a.zarr"));
    let file = create_hdf5(&source, Hdf5Backend::Pure, &WriteOptions::default()).unwrap();
    let fills: [(&str, DType, Vec<u8>, serde_json::Value); 4] = [
        ("i16", DType::I16, (-77i16).to_ne_bytes().to_vec(), (-77).into()),
        ("u64", DType::U64, u64::MAX.to_ne_bytes().to_vec(), u64::MAX.into()),
        ("f32", DType::F32, f32::NAN.to_ne_bytes().to_vec(), "NaN".into()),
        ("none", DType::U8, vec![0], 0.into()),
    ];
    for (name, dtype, fill, _) in &fills {
        let fill = (*name != "none").then(|| fill.clone());
        let layout = Hdf5Layout::for_array(&[6], *dtype).with_chunk(Some(vec![2])).with_fill(fill);
        file.create_data_set(name, &[6], *dtype, &layout).unwrap();
        file.write_box(name, &[1], &[1], Voxels::F32(vec![3.0]).view()).unwrap();
    }
    file.finish().unwrap();
    for version in [ZarrVersion::V3, ZarrVersion::V2] {
        let options = ConvertOptions::new().with_version(version).with_overwrite(true).with_verify(true);
        convert_hdf5(&source, &target, &options, &SilentProgress).unwrap();
        for (name, dtype, fill, declared) in &fills {
            let metadata = if version == ZarrVersion::V3 { "zarr.json" } else { ".zarray" };
            assert_eq!(json(&target.join(name).join(metadata))["fill_value"], *declared, "{name}");
            let array = ZarrArray::open(target.join(name), &Limits::default()).unwrap();
            let mut values = Voxels::zeros(*dtype, 6).unwrap();
            array.read_box(&[0], &[6], values.view_mut()).unwrap();
            assert_eq!(values.view().bytes()[2 * dtype.size()..], fill.repeat(4), "{name}");
        }
        // Only the chunk that was written is a file.
        let chunks = if version == ZarrVersion::V3 { target.join("i16/c") } else { target.join("i16") };
        assert_eq!(names_in(&chunks).iter().filter(|name| !name.starts_with(".z")).count(), 1);
    }
}

#[test]
fn groups_arrays_and_attributes() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a.h5"), folder.path().join("a.zarr"));
    write_source(&source, 1);
    for version in [ZarrVersion::V3, ZarrVersion::V2] {
        let options = ConvertOptions::new().with_version(version).with_overwrite(true).with_verify(true);
        let report = convert_hdf5(&source, &target, &options, &SilentProgress).unwrap();
        assert!(!report.up_to_date && !report.resumed && report.warnings.is_empty(), "{report:?}");
        assert_eq!(report.arrays.len(), 2);
        let images = report.arrays.iter().find(|array| array.path == "images").unwrap();
        assert_eq!(images.chunk, [1, 1, 24, 20, 3]);
        assert!(images.checksum.is_some() && images.converted == images.boxes);
        check_equal(&source, &target);
        assert_eq!(ZarrArray::open(target.join("images"), &Limits::default()).unwrap().attributes()["fps"], 30);
        let root = json(&target.join(if version == ZarrVersion::V3 { "zarr.json" } else { ".zattrs" }));
        let root = if version == ZarrVersion::V3 { &root["attributes"] } else { &root };
        assert_eq!(root["title"], "two days");
        assert_eq!(root["volkit_source"]["bytes"], std::fs::metadata(&source).unwrap().len());
        let (entries, warnings) = list_zarr(&target, &Limits::default()).unwrap();
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!((paths, warnings.len()), (vec!["day 1", "day 1/angles", "images"], 0));
    }
    assert_eq!(names_in(folder.path()), ["a.h5", "a.zarr"]);
}

#[test]
fn a_second_run_does_nothing_and_another_source_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a.h5"), folder.path().join("a.zarr"));
    write_source(&source, 1);
    let run = |options: &ConvertOptions| convert_hdf5(&source, &target, options, &SilentProgress);
    run(&ConvertOptions::new()).unwrap();
    let before = files(&target);
    let report = run(&ConvertOptions::new()).unwrap();
    assert!(report.up_to_date && report.arrays.is_empty());
    let report = run(&ConvertOptions::new().with_verify(true)).unwrap();
    assert!(report.up_to_date && report.arrays.iter().all(|array| array.checksum.is_some()));
    // Other options, and another source, make another store.
    let keep = ConvertOptions::new().with_chunks(ChunkRule::Keep);
    assert!(matches!(run(&keep), Err(IoError::Exists { .. })));
    write_source(&source, 2);
    assert!(matches!(run(&ConvertOptions::new()), Err(IoError::Exists { .. })));
    assert_eq!(files(&target), before);
    run(&ConvertOptions::new().with_overwrite(true)).unwrap();
    check_equal(&source, &target);
    // What is not ours is not touched either.
    let other = folder.path().join("other.zarr");
    std::fs::create_dir(&other).unwrap();
    let result = convert_hdf5(&source, &other, &ConvertOptions::new(), &SilentProgress);
    assert!(matches!(result, Err(IoError::Exists { .. })));
    assert_eq!(names_in(folder.path()), ["a.h5", "a.zarr", "other.zarr"]);
}

/// Stops after some boxes.
struct StopsAfter(AtomicUsize);

impl Progress for StopsAfter {
    fn begin(&self, _stage: &str, _total: u64) {}

    fn advance(&self, _steps: u64) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    }

    fn check(&self) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) == 0 { Err(Stopped) } else { Ok(()) }
    }
}

#[test]
fn an_interrupted_conversion_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a.h5"), folder.path().join("a.zarr"));
    write_source(&source, 1);
    convert_hdf5(&source, folder.path().join("whole.zarr"), &ConvertOptions::new(), &SilentProgress).unwrap();
    let error = convert_hdf5(&source, &target, &ConvertOptions::new(), &StopsAfter(AtomicUsize::new(3))).unwrap_err();
    assert!(error.to_string().contains("stopped on request"), "{error}");
    assert_eq!(names_in(folder.path()), ["a.h5", "a.zarr.partial", "a.zarr.partial.journal", "whole.zarr"]);
    // What a killed process was writing.
    std::fs::write(folder.path().join("a.zarr.partial/images/7.tmp-12-3"), b"x").unwrap();
    let report = convert_hdf5(&source, &target, &ConvertOptions::new(), &SilentProgress).unwrap();
    let (converted, boxes): (Vec<usize>, Vec<usize>) = report.arrays.iter().map(|a| (a.converted, a.boxes)).unzip();
    assert!(report.resumed && converted.iter().sum::<usize>() < boxes.iter().sum::<usize>(), "{report:?}");
    assert_eq!(files(&target), files(&folder.path().join("whole.zarr")));
    // A journal of other options is not gone on with.
    std::fs::remove_dir_all(&target).unwrap();
    convert_hdf5(&source, &target, &ConvertOptions::new(), &StopsAfter(AtomicUsize::new(3))).unwrap_err();
    let keep = ConvertOptions::new().with_chunks(ChunkRule::Keep);
    let report = convert_hdf5(&source, &target, &keep, &SilentProgress).unwrap();
    assert!(!report.resumed);
    check_equal(&source, &target);
    assert_eq!(names_in(folder.path()), ["a.h5", "a.zarr", "whole.zarr"]);
}

#[test]
fn damage_in_the_store_shows_when_it_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a.h5"), folder.path().join("a.zarr"));
    write_source(&source, 1);
    let options = ConvertOptions::new();
    convert_hdf5(&source, &target, &options, &SilentProgress).unwrap();
    let array = ZarrArray::open(target.join("images"), &Limits::default()).unwrap();
    let mut one = Voxels::zeros(DType::U8, 1).unwrap();
    array.read_box(&[3, 1, 5, 5, 0], &[1; 5], one.view_mut()).unwrap();
    let other = [!one.as_slice::<u8>().unwrap()[0]];
    array.write_box(&[3, 1, 5, 5, 0], &[1; 5], (&other[..]).into()).unwrap();
    let error = convert_hdf5(&source, &target, &options.with_verify(true), &SilentProgress).unwrap_err().to_string();
    assert!(error.contains("images: damaged: box ") && error.contains("CRC-32"), "{error}");
}

#[test]
fn names_that_no_store_can_have_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a.h5"), folder.path().join("a.zarr"));
    let file = create_hdf5(&source, Hdf5Backend::Pure, &WriteOptions::default()).unwrap();
    file.create_group("zarr.json").unwrap();
    file.finish().unwrap();
    let error = convert_hdf5(&source, &target, &ConvertOptions::new(), &SilentProgress).unwrap_err().to_string();
    assert!(error.contains("a.h5: name = 'zarr.json': is the name of a metadata file"), "{error}");
    assert_eq!(names_in(folder.path()), ["a.h5"]);
}

#[test]
fn files_of_other_programs_are_converted() {
    let Some(goldens) = shared("golden/volume/hdf5") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut n_arrays = 0;
    for entry in json(&goldens.join("index.json")).as_array().unwrap() {
        let name = entry["file"].as_str().unwrap();
        // Data layouts and filters that the pure-Rust reader refuses by name.
        if matches!(name, "latest.h5" | "filters_plugin.h5") {
            continue;
        }
        let target = folder.path().join(name).with_extension("zarr");
        let options = ConvertOptions::new().with_verify(true);
        let report = convert_hdf5(goldens.join(name), &target, &options, &SilentProgress);
        let report = report.unwrap_or_else(|error| panic!("{name}: {error}"));
        n_arrays += report.arrays.len();
    }
    assert!(n_arrays > 20, "{n_arrays}");
}
