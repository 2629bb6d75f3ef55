//! A project on disk: its configuration and where its files lie.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use volkit_core::{Array, ArrayStore as _, BoxError, DType, MemoryStore, Voxels, natural_order};
use volkit_io::{Hdf5Backend, Hdf5Kind, Limits, NpzStore, ReadOptions, open, open_hdf5, walk_hdf5, write_atomically};
use volkit_kernels::Threads;
use volkit_pose::{
    CarveGrid, CarveRules, EdgeUnit, FrameKind, ProjectConfig, Recording, Rig, Track, UpLine, ViewStore, WorldFrame,
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
    /// Units of the frame in one of the published frame.
    pub(crate) per_published: f64,
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
        let failed = |error: std::io::Error| format!("{what}: {error}");
        let suffix = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let rig = match suffix.as_str() {
            "json" => Rig::from_json(&fs::read_to_string(&path).map_err(failed)?, &what)?,
            "mat" => Rig::from_dannce(&[(what.clone(), fs::read(&path).map_err(failed)?)])?,
            _ if path.join("cameras.txt").exists() => {
                let text = |name: &str| fs::read_to_string(path.join(name)).map_err(|e| format!("{what}/{name}: {e}"));
                Rig::from_colmap(&text("cameras.txt")?, &text("images.txt")?)?
            }
            _ if path.is_dir() => Rig::from_dannce(&mat_files(&path)?)?,
            _ => Rig::from_store(&hdf5_arrays(&path)?, &what)?,
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
        let path = self.file(name);
        if !path.exists() {
            return Ok(None);
        }
        if path.extension().is_some_and(|suffix| suffix == "npz") {
            return published_lines(&path).map(Some);
        }
        self.read_json(name).map(Some)
    }

    /// The rig of pictures that are `downsample` times smaller than the videos, in the frame of the world.
    pub(crate) fn placed_rig(&self, downsample: usize) -> Result<Rig, BoxError> {
        let world: World = self.read_json("world.json")?;
        Ok(world.frame.place(&self.rig()?.pinholes().subsampled(downsample)))
    }

    /// The rig of the stored pictures, in the frame of the world.
    pub(crate) fn stored_rig(&self) -> Result<Rig, BoxError> {
        self.placed_rig(self.config.image_downsample)
    }

    /// Edges of the cubes that are reconstructed and searched, in the frame of the world.
    pub(crate) fn edges(&self) -> Result<[f64; 2], BoxError> {
        let edges = [self.config.ell, self.config.ell_tracking];
        if self.config.ell_unit == EdgeUnit::Frame {
            return Ok(edges);
        }
        let world: World = self.read_json("world.json")?;
        Ok(edges.map(|edge| edge * world.per_published))
    }

    pub(crate) fn store(&self) -> Result<ViewStore, BoxError> {
        Ok(ViewStore::new(Box::new(open(self.images(), &ReadOptions::default())?))?)
    }

    pub(crate) fn rules(&self) -> CarveRules {
        if self.config.frame == FrameKind::Reference { CarveRules::Reference } else { CarveRules::Strict }
    }

    /// The points that are carved.
    pub(crate) fn grid(&self) -> Result<CarveGrid, BoxError> {
        let crop: Crop = self.read_json("crop.json")?;
        Ok(CarveGrid::new(self.edges()?[0], self.config.grid_size).with_crop(crop.volume_idx)?)
    }

    /// All that training and evaluation need.
    pub(crate) fn recording(&self) -> Result<Recording, BoxError> {
        let track: Track = self.read_json("track.json")?;
        let recording = Recording {
            store: self.store()?,
            rig: self.stored_rig()?,
            track,
            grid: self.grid()?,
            held_out: self.config.holdout_views.clone(),
            rules: self.rules(),
            colours: self.config.colours(),
            threads: Arc::clone(&self.threads),
        };
        recording.validate()?;
        Ok(recording)
    }
}

/// Centres and headings of the published program: `centers` `[N, 3]`, `angles` `[N]`, `covs` `[N, 3, 3]`.
pub(crate) fn published_track(path: &Path) -> Result<Track, BoxError> {
    let store = NpzStore::open(path)?;
    let numbers = |name: &str| Ok::<_, BoxError>(store.get(name)?.to_real::<f64>()?);
    let (centres, angles, covariances) = (numbers("centers")?, numbers("angles")?, numbers("covs")?);
    let n = angles.len();
    if [centres.len(), covariances.len()] != [3 * n, 9 * n] {
        let lengths = format!("{} numbers of centers, {} of covs for {n} angles", centres.len(), covariances.len());
        return Err(format!("{}: {lengths}", path.display()).into());
    }
    let matrices = covariances.as_chunks::<9>().0.iter();
    let matrix = |m: &[f64; 9]| [[m[0], m[1], m[2]], [m[3], m[4], m[5]], [m[6], m[7], m[8]]];
    Ok(Track {
        centres: centres.as_chunks::<3>().0.to_vec(),
        angles,
        covariances: matrices.map(matrix).collect(),
        missing: Vec::new(),
    })
}

/// Names and contents of the MATLAB files of a folder, in the order of the numbers in their names.
fn mat_files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, BoxError> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let name = entry.map_err(|error| failed(folder, error))?.file_name().to_string_lossy().into_owned();
        if name.to_lowercase().ends_with(".mat") {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(format!("{}: no .mat files, and no cameras.txt", folder.display()).into());
    }
    names.sort_by(|a, b| natural_order(a, b));
    let read = |path: PathBuf| Ok((path.display().to_string(), fs::read(&path).map_err(|error| failed(&path, error))?));
    names.into_iter().map(|name| read(folder.join(name))).collect()
}

/// Lines that were clicked in the published program: `img_nums` `[L]`, `lines` `[L, 2, 2]`, the lower end first.
fn published_lines(path: &Path) -> Result<Vec<UpLine>, BoxError> {
    let store = NpzStore::open(path)?;
    let numbers = |name: &str| Ok::<_, BoxError>(store.get(name)?.to_real::<f64>()?);
    let (cameras, ends) = (numbers("img_nums")?, numbers("lines")?);
    if cameras.is_empty() || ends.len() != 4 * cameras.len() {
        let (n, m) = (cameras.len(), ends.len());
        return Err(format!("{}: {n} img_nums and {m} numbers of lines: four for each", path.display()).into());
    }
    let line =
        |(camera, e): (&f64, &[f64])| UpLine { camera: *camera as usize, bottom: [e[0], e[1]], top: [e[2], e[3]] };
    Ok(cameras.iter().zip(ends.chunks_exact(4)).map(line).collect())
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
