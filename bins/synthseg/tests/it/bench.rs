//! A folder with scans and weights made by code, and the program run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use volkit_core::{Affine, Array, MemoryStore, Volume};
use volkit_io::{Image, WriteOptions, write, write_safetensors};

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
    /// A folder that holds `model.safetensors`, a network of two classes: label 1 where a voxel is bright.
    pub(crate) fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        write_safetensors(bench.path("model.safetensors"), &threshold_weights()).unwrap();
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_synthseg"));
        command
            .current_dir(self.folder.path())
            .args(arguments.split_whitespace())
            .env_remove("VOLKIT_MODELS")
            .env_remove("FREESURFER_HOME");
        command.env("XDG_DATA_HOME", self.folder.path().join("data")).env("HOME", self.folder.path());
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

    /// Every file and folder, by relative path, sorted.
    pub(crate) fn listing(&self) -> Vec<String> {
        let mut names = Vec::new();
        list(self.folder.path(), self.folder.path(), &mut names);
        names.sort();
        names
    }
}

fn list(root: &Path, folder: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        names.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
        if path.is_dir() {
            list(root, &path, names);
        }
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
