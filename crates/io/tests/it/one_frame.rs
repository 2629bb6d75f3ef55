//! Reading one frame of a stack of images reads the bytes of that frame from the disk and little else.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use volkit_core::{DType, Voxels};
use volkit_io::{
    Hdf5Backend, Hdf5Layout, Limits, WriteOptions, ZarrArray, ZarrCodec, ZarrSpec, create_hdf5, open_hdf5,
};

use crate::shared::noise;

const SHAPE: [usize; 4] = [24, 256, 320, 3];
const FRAME_BYTES: usize = SHAPE[1] * SHAPE[2] * SHAPE[3];
/// Metadata and indexes of chunks.
const OVERHEAD_BYTES: u64 = 64 << 10;
/// Folder of the stacks, in the process that reads one frame of one of them.
const FOLDER: &str = "VOLKIT_IO_ONE_FRAME";

fn write_stacks(folder: &Path) {
    let values = noise(&[SHAPE.iter().product()], DType::U8, 5);
    for (name, chunk) in [("frames.h5", Some(Hdf5Layout::default_chunk(&SHAPE, DType::U8))), ("dense.h5", None)] {
        let layout = Hdf5Layout::for_array(&SHAPE, DType::U8).with_deflate(chunk.as_ref().map(|_| 1)).with_chunk(chunk);
        let file = create_hdf5(folder.join(name), Hdf5Backend::Pure, &WriteOptions::default()).unwrap();
        file.create_data_set("images", &SHAPE, DType::U8, &layout).unwrap();
        file.write_box("images", &[0; 4], &SHAPE, values.voxels().view()).unwrap();
        file.finish().unwrap();
    }
    let spec = ZarrSpec::new(SHAPE, DType::U8).with_codec(ZarrCodec::Zstd { level: 1, checksum: false });
    let frame = [1, SHAPE[1], SHAPE[2], SHAPE[3]];
    for (name, spec) in [
        ("frames.zarr", spec.clone().with_chunk(frame)),
        ("shards.zarr", spec.with_chunk(frame).with_shard([8, SHAPE[1], SHAPE[2], SHAPE[3]])),
    ] {
        let array = ZarrArray::create(folder.join(name), &spec).unwrap();
        array.write_box(&[0; 4], &SHAPE, values.voxels().view()).unwrap();
    }
}

/// Bytes that this process has asked its files for.
fn bytes_read() -> u64 {
    let counts = std::fs::read_to_string("/proc/self/io").unwrap();
    counts.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

fn read_frame(path: &Path, frame: usize) -> Voxels {
    let mut values = Voxels::zeros(DType::U8, FRAME_BYTES).unwrap();
    let (start, size) = ([frame, 0, 0, 0], [1, SHAPE[1], SHAPE[2], SHAPE[3]]);
    if path.extension().is_some_and(|suffix| suffix == "zarr") {
        ZarrArray::open(path, &Limits::default()).unwrap().read_box(&start, &size, values.view_mut()).unwrap();
    } else {
        let file = open_hdf5(path, Hdf5Backend::Pure, &Limits::default()).unwrap();
        file.data_set("images").unwrap().read_box(&start, &size, values.view_mut()).unwrap();
    }
    values
}

#[test]
fn one_frame_without_amplification() {
    const FRAME: usize = 13;
    if let Some(stack) = std::env::var_os(FOLDER) {
        let before = bytes_read();
        read_frame(Path::new(&stack), FRAME);
        println!("bytes={}", bytes_read() - before);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write_stacks(folder.path());
    let values = noise(&[SHAPE.iter().product()], DType::U8, 5);
    let wanted = &values.voxels().view().bytes()[FRAME * FRAME_BYTES..][..FRAME_BYTES];
    for name in ["frames.h5", "dense.h5", "frames.zarr", "shards.zarr"] {
        let path = folder.path().join(name);
        assert!(read_frame(&path, FRAME).view().bytes() == wanted, "{name}");
        // In a process of its own: no other test reads there.
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["one_frame::one_frame_without_amplification", "--exact", "--nocapture"])
            .env(FOLDER, &path)
            .output()
            .unwrap();
        let text = String::from_utf8(child.stdout).unwrap();
        let read = text.lines().find_map(|line| Some(line.split_once("bytes=")?.1.parse::<u64>().unwrap()));
        let read = read.unwrap_or_else(|| panic!("{name}: {text}"));
        println!("{name}: {read} bytes read for a frame of {FRAME_BYTES}");
        assert!(read <= FRAME_BYTES as u64 + OVERHEAD_BYTES, "{name}: {read} bytes for a frame of {FRAME_BYTES}");
    }
}
