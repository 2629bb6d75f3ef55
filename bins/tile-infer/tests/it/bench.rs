//! A folder with images made by code, and the program run in it.

use std::path::PathBuf;
use std::process::{Command, Output};

use volkit_core::{Affine, Region, Volume, VolumeMeta, read_all};
use volkit_io::{ReadOptions, WriteOptions};

/// What a run printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A temporary folder to run in.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a row-major array of numbers that look random; gives them.
    pub(crate) fn array(&self, name: &str, shape: &[usize]) -> Vec<f32> {
        let n = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..n).map(|i| (i.wrapping_mul(2_654_435_761) % 4093) as f32 / 4093.0).collect();
        self.save(name, shape, &values);
        values
    }

    pub(crate) fn save(&self, name: &str, shape: &[usize], values: &[f32]) {
        let reversed: Vec<usize> = shape.iter().rev().copied().collect();
        let meta = VolumeMeta::new(reversed, volkit_core::DType::F32, Affine::IDENTITY).unwrap();
        let sink = volkit_io::create_array(self.path(name), &meta, &WriteOptions::new()).unwrap();
        sink.write_region(&Region::whole(meta.shape()), values.into()).unwrap();
        sink.finish().unwrap();
    }

    /// Reads a row-major array.
    pub(crate) fn load(&self, name: &str) -> Volume {
        read_all(volkit_io::open_array(self.path(name), &ReadOptions::default()).unwrap().as_ref()).unwrap()
    }

    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tile-infer"));
        command.current_dir(self.folder.path()).args(arguments.split_whitespace());
        command
    }

    /// Runs the program with arguments separated by blanks.
    pub(crate) fn run(&self, arguments: &str) -> Ran {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs the program, which must succeed.
    pub(crate) fn done(&self, arguments: &str) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran
    }

    /// The names of all files, sorted.
    pub(crate) fn listing(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
