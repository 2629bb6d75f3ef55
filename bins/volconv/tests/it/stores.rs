//! HDF5 to Zarr, volumes to Zarr and back, and conversions that are killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use volkit_core::{Affine, DType, Volume, Voxels};
use volkit_io::{Hdf5Backend, Hdf5Layout, Image, WriteOptions, create_hdf5, read, write};

use crate::{counting, one_line, save, volconv};

/// A stack of images that gzip hardly makes smaller.
fn write_stack(path: &Path, frames: usize) {
    let shape = [frames, 1, 256, 320, 3];
    let layout = Hdf5Layout::for_array(&shape, DType::U8).with_chunk(Some(vec![4, 1, 64, 64, 3]));
    let file = create_hdf5(path, Hdf5Backend::Pure, &WriteOptions::default()).unwrap();
    file.create_data_set("images", &shape, DType::U8, &layout).unwrap();
    let mut state = 1_u32;
    let mut values = Voxels::zeros(DType::U8, shape[1..].iter().product::<usize>() * 4).unwrap();
    for first in (0..frames).step_by(4) {
        for byte in values.view_mut().bytes_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8 & 63;
        }
        file.write_box("images", &[first, 0, 0, 0, 0], &[4, 1, 256, 320, 3], values.view()).unwrap();
    }
    file.finish().unwrap();
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            all.insert(name, std::fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn a_whole_file_becomes_a_store_once() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(&folder.path().join("a.h5"), 4);
    let run = volconv(folder.path(), &["convert", "a.h5", "a.zarr", "--verify", "--quiet"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.starts_with("images: [4, 1, 256, 320, 3] u8, chunks [1, 1, 256, 320, 3], equal to the source"));
    assert!(run.out.ends_with("a.zarr: converted\n"));
    let run = volconv(folder.path(), &["convert", "a.h5", "a.zarr", "--resume"]);
    assert_eq!((run.code, one_line(&run.out)), (0, "a.zarr: up to date"));
    let run = volconv(folder.path(), &["convert", "a.h5", "a.zarr", "--chunk", "4,1,64,64,3"]);
    assert_eq!(run.code, 2);
    assert!(one_line(&run.err).contains("a.zarr: destination exists") && run.err.contains("--overwrite"));
    let run = volconv(folder.path(), &["convert", "a.h5", "a.zarr", "--chunk", "4,1,64,0,3", "--overwrite", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["arrays"][0]["chunk"], serde_json::json!([4, 1, 64, 320, 3]));
    assert!(report["peak_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn killed_three_times_and_finished() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(&folder.path().join("a.h5"), 48);
    let args = ["convert", "a.h5", "a.zarr", "--threads", "1", "--quiet", "--codec", "gzip"];
    let whole = volconv(folder.path(), &["convert", "a.h5", "whole.zarr", "--quiet", "--codec", "gzip"]);
    assert_eq!(whole.code, 0, "{}", whole.err);
    let mut delays = Vec::new();
    let mut n_killed = 0;
    for _ in 0..3 {
        let random = u64::from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos());
        let delay = Duration::from_millis(20 + random / 1000 % 180);
        delays.push(delay);
        let mut child = Command::new(env!("CARGO_BIN_EXE_volconv"))
            .args(args)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(delay);
        // SIGKILL on Unix.
        n_killed += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
    }
    println!("{n_killed} of 3 runs were killed in their work, after {delays:?}");
    let run = volconv(folder.path(), &args);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(files(&folder.path().join("a.zarr")), files(&folder.path().join("whole.zarr")), "{delays:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn volumes_to_zarr_and_back() {
    let folder = tempfile::tempdir().unwrap();
    save(&folder.path().join("in.nii"), counting());
    let run = volconv(folder.path(), &["convert", "in.nii", "out.zarr", "--chunk", "2,3,1"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(one_line(&run.out), "out.zarr: [4, 3, 2] voxels, LAS, i16");
    let run = volconv(folder.path(), &["convert", "out.zarr", "back.nii.gz"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let (a, b) = (read(folder.path().join("in.nii")).unwrap(), read(folder.path().join("back.nii.gz")).unwrap());
    assert_eq!((a.volume().voxels(), a.volume().affine()), (b.volume().voxels(), b.volume().affine()));
    let run = volconv(folder.path(), &["diff", "in.nii", "out.zarr"]);
    assert_eq!(run.code, 0, "{}", run.out);
    let run = volconv(folder.path(), &["info", "out.zarr", "--json"]);
    let info: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&info["format"], &info["orientation"]), (&"Zarr v3".into(), &"LAS".into()));
}

#[test]
fn volumes_to_pyramids() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<u8> = (0..200 * 4 * 2).map(|i| (i % 5 == 0) as u8 * 7).collect();
    let volume = Volume::new([200, 4, 2], values, Affine::from_scale([0.5, 1.0, 2.0])).unwrap();
    write(folder.path().join("in.nii"), &Image::new(volume), &WriteOptions::default()).unwrap();
    for (version, format) in [("2", "OME-Zarr 0.4"), ("3", "OME-Zarr 0.5")] {
        let args = ["convert", "in.nii", "out.ome.zarr", "--zarr-version", version, "--downsampling", "mode"];
        let run = volconv(folder.path(), &[&args[..], &["--overwrite"]].concat());
        assert_eq!((run.code, run.err.as_str(), one_line(&run.out)), (0, "", "out.ome.zarr: [200, 4, 2] voxels, u8"));
        let run = volconv(folder.path(), &["diff", "in.nii", "out.ome.zarr"]);
        assert_eq!(run.code, 0, "{}", run.out);
        let run = volconv(folder.path(), &["info", "out.ome.zarr", "--json"]);
        let info: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(info["format"], format);
        let run = volconv(folder.path(), &["info", "out.ome.zarr", "--dataset", "1", "--stats", "--json"]);
        let info: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!((&info["shape"], &info["statistics"]["voxels"]), (&[100, 2, 1].as_slice().into(), &200.into()));
        let run = volconv(folder.path(), &["convert", "out.ome.zarr", "half.nii", "--dataset", "1", "--overwrite"]);
        assert!(run.out.starts_with("half.nii: [100, 2, 1] voxels"), "{}{}", run.out, run.err);
        assert_eq!(volconv(folder.path(), &args).code, 1);
    }
    let run = volconv(folder.path(), &["convert", "in.nii", "b.ome.zarr", "--chunk", "4,4,4"]);
    assert_eq!(run.code, 1);
    assert!(one_line(&run.err).contains("--chunk have no meaning for a pyramid"), "{}", run.err);
}
