//! A folder with images made by code, and the program run in it.

use std::path::PathBuf;
use std::process::Command;

use volkit_bench::{ProgramFolder, ProgramRun};
use volkit_core::{Affine, Region, Volume, VolumeMeta, read_all};
use volkit_io::{ReadOptions, WriteOptions};

/// A temporary folder to run in.
pub(crate) struct Bench {
    folder: ProgramFolder,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: ProgramFolder::new(env!("CARGO_BIN_EXE_tile-infer")).unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
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
        self.folder.command(arguments)
    }

    /// Runs the program with arguments separated by blanks.
    pub(crate) fn run(&self, arguments: &str) -> ProgramRun {
        ProgramRun::of(&mut self.command(arguments)).unwrap()
    }

    /// Runs the program, which must succeed.
    pub(crate) fn done(&self, arguments: &str) -> ProgramRun {
        self.run(arguments).succeeded().unwrap()
    }

    /// Every file and folder, by relative path, sorted.
    pub(crate) fn listing(&self) -> Vec<String> {
        self.folder.listing().unwrap()
    }
}
