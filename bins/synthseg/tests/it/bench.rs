//! A folder with scans and weights made by code, and the program run in it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use volkit_bench::{ProgramFolder, ProgramRun};
use volkit_core::{Affine, Array, MemoryStore, Volume};
use volkit_io::{Image, WriteOptions, write, write_safetensors};

/// A temporary folder to run in.
pub(crate) struct Bench {
    folder: ProgramFolder,
}

impl Bench {
    /// A folder that holds `model.safetensors`, a network of two classes: label 1 where a voxel is bright.
    pub(crate) fn new() -> Self {
        let bench = Self { folder: ProgramFolder::new(env!("CARGO_BIN_EXE_synthseg")).unwrap() };
        write_safetensors(bench.path("model.safetensors"), &threshold_weights()).unwrap();
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// Writes a scan of a bright block in the dark.
    pub(crate) fn scan(&self, name: &str) {
        self.volume(name, &block_scan());
    }

    pub(crate) fn volume(&self, name: &str, volume: &Volume) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        write(self.path(name), &Image::new(volume.clone()), &WriteOptions::new()).unwrap();
    }

    pub(crate) fn text(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = self.folder.command(arguments);
        command.env_remove("VOLKIT_MODELS").env_remove("FREESURFER_HOME");
        command.env("XDG_DATA_HOME", self.path("data")).env("HOME", self.path(""));
        command
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

pub(crate) const BLOCK_AFFINE: Affine =
    Affine::from_rows([[-4.0, 0.0, 0.0, 80.0], [0.0, 4.0, 0.0, -72.0], [0.0, 0.0, 4.0, -64.0]]);
/// Voxels of the block: 20 along each axis.
pub(crate) const BLOCK_VOXELS: usize = 8000;

/// 40 x 36 x 32 voxels of 4 mm with a block of 20 x 20 x 20.
pub(crate) fn block_scan() -> Volume {
    let bright = |i: usize| (6..26).contains(&i);
    let voxel = |n: usize| if bright(n % 40) && bright(n / 40 % 36) && bright(n / 1440) { 900i16 } else { 10 };
    Volume::new([40, 36, 32], (0..40 * 36 * 32).map(voxel).collect::<Vec<_>>(), BLOCK_AFFINE).unwrap()
}

pub(crate) fn threshold_weights() -> MemoryStore {
    let mut weights = MemoryStore::new();
    weights.insert("layers.0.weight", Array::new([2, 1, 1, 1, 1], vec![0.0f32, 1.0]).unwrap());
    weights.insert("layers.0.bias", Array::new([2], vec![0.0f32, -0.5]).unwrap());
    let layer = r#"{"kernel": 1, "dilation": 1, "padding": 0, "in": 1, "out": 2}"#;
    weights.set_metadata("config", format!(r#"{{"activation": "elu", "norm": "none", "layers": [{layer}]}}"#));
    weights
}
