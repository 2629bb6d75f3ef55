//! A project on disk: its configuration and where its files lie.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use volkit_core::{Array, BoxError, DType, MemoryStore, Voxels};
use volkit_io::{Hdf5Backend, Hdf5Kind, Limits, ReadOptions, open, open_hdf5, walk_hdf5, write_atomically};
use volkit_kernels::Threads;
use volkit_pose::{
    CarveGrid, CarveRules, FrameKind, ProjectConfig, Recording, Rig, Track, UpLine, ViewStore, WorldFrame,
};

/// A project.
pub(crate) struct Project {
    pub(crate) config: ProjectConfig,
    folder: PathBuf,
    data: PathBuf,
    pub(crate) threads: Arc<Threads>,
}

/// What the step `world` finds out.
#[derive(Clone, Copy, Debug, Serialize, serde::Deserialize)]
pub(crate) struct World {
    /// Up in the world of the calibration.
    pub(crate) up: [f64; 3],
    pub(crate) frame: WorldFrame,
}

/// What the step `crop` finds out.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub(crate) struct Crop {
    pub(crate) volume_idx: [[usize; 2]; 3],
}

impl Project {
    /// Reads and checks a configuration; relative folders are relative to its own.
    pub(crate) fn open(path: &Path, threads: usize) -> Result<Self, BoxError> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let config = ProjectConfig::from_json(&text, &path.display().to_string())?;
        let base = path.parent().unwrap_or(Path::new(""));
        let (folder, data) = (base.join(&config.project_directory), base.join(&config.data_directory));
        Ok(Self { config, folder, data, threads: Arc::new(Threads::new(threads)) })
    }

    /// A file of the project.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A video.
    pub(crate) fn video(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.file(&self.config.image_directory).join("images.zarr")
    }

    pub(crate) fn renders(&self) -> PathBuf {
        self.file(&self.config.render_directory)
    }

    pub(crate) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), BoxError> {
        let text = serde_json::to_string_pretty(value)?;
        Ok(write_atomically(self.file(name), |out| writeln!(out, "{text}"))?)
    }

    pub(crate) fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, BoxError> {
        let path = self.file(name);
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// The calibration, lenses included.
    pub(crate) fn rig(&self) -> Result<Rig, BoxError> {
        let path = self.file(&self.config.camera_fn);
        let what = path.display().to_string();
        let rig = if path.extension().is_some_and(|suffix| suffix == "json") {
            let text = fs::read_to_string(&path).map_err(|error| format!("{what}: {error}"))?;
            Rig::from_json(&text, &what)?
        } else {
            Rig::from_store(&hdf5_arrays(&path)?, &what)?
        };
        if rig.len() != self.config.video_fns.len() {
            let (cameras, videos) = (rig.len(), self.config.video_fns.len());
            return Err(format!("{what}: {cameras} cameras for {videos} videos of the configuration").into());
        }
        Ok(rig)
    }

    /// Vertical lines, where the project has any.
    pub(crate) fn lines(&self) -> Result<Option<Vec<UpLine>>, BoxError> {
        let name = &self.config.vertical_lines_fn;
        if self.file(name).exists() { self.read_json(name).map(Some) } else { Ok(None) }
    }

    /// The rig of the stored pictures, in the frame of the world.
    pub(crate) fn placed_rig(&self) -> Result<Rig, BoxError> {
        let world: World = self.read_json("world.json")?;
        Ok(world.frame.place(&self.rig()?.pinholes().subsampled(self.config.image_downsample)))
    }

    pub(crate) fn store(&self) -> Result<ViewStore, BoxError> {
        Ok(ViewStore::new(Box::new(open(self.images(), &ReadOptions::default())?))?)
    }

    pub(crate) fn rules(&self) -> CarveRules {
        if self.config.frame == FrameKind::Reference { CarveRules::Reference } else { CarveRules::Strict }
    }

    /// All that training and evaluation need.
    pub(crate) fn recording(&self) -> Result<Recording, BoxError> {
        let crop: Crop = self.read_json("crop.json")?;
        let track: Track = self.read_json("track.json")?;
        let recording = Recording {
            store: self.store()?,
            rig: self.placed_rig()?,
            track,
            grid: CarveGrid::new(self.config.ell, self.config.grid_size).with_crop(crop.volume_idx)?,
            held_out: self.config.holdout_views.clone(),
            rules: self.rules(),
            colours: self.config.colours(),
            threads: Arc::clone(&self.threads),
        };
        recording.validate()?;
        Ok(recording)
    }
}

/// All data sets of numbers of an HDF5 file, as `f64`.
pub(crate) fn hdf5_arrays(path: &Path) -> Result<MemoryStore, BoxError> {
    // A calibration is a few numbers for each camera, the truth of a synthetic recording some hundred for each frame.
    const MOST_NUMBERS: usize = 1 << 24;
    let limits = Limits::default();
    let file = open_hdf5(path, Hdf5Backend::Auto, &limits)?;
    let mut store = MemoryStore::new();
    for node in walk_hdf5(file.as_ref())?.0.into_iter().filter(|node| node.kind == Hdf5Kind::DataSet) {
        let data_set = file.data_set(&node.path)?;
        let shape = data_set.info().shape.clone();
        let n = shape.iter().try_fold(1usize, |n, m| n.checked_mul(*m)).filter(|n| *n <= MOST_NUMBERS);
        let Some(n) = n.filter(|_| data_set.info().dtype.is_some()) else { continue };
        let mut values = Voxels::zeros(DType::F64, n)?;
        data_set.read_box(&vec![0; shape.len()], &shape, values.view_mut())?;
        store.insert(node.path, Array::new(shape, values)?);
    }
    Ok(store)
}
