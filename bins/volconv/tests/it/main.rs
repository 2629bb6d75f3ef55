//! The command line of volconv.
#![allow(clippy::unwrap_used)]

mod convert;
mod diff;
mod info;
mod stores;
mod weights;

use std::path::Path;
use std::process::Command;

use volkit_core::{Affine, Volume, Voxels};
use volkit_io::{Image, WriteOptions, write};

/// What a run of the program gave.
struct Run {
    code: i32,
    out: String,
    err: String,
}

fn volconv(folder: &Path, args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_volconv")).args(args).current_dir(folder).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A volume of 4 x 3 x 2 voxels of 2 mm, first axis to the left.
fn save(path: &Path, voxels: impl Into<Voxels>) {
    let affine = Affine::from_scale([-2.0, 2.0, 2.0]).with_translation([3.0, -2.0, -1.0]);
    let volume = Volume::new([4, 3, 2], voxels.into(), affine).unwrap();
    write(path, &Image::new(volume), &WriteOptions::default()).unwrap();
}

fn counting() -> Vec<i16> {
    (0..24).collect()
}

fn one_line(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{text}");
    line
}
