//! The suites and how one is run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use volkit_core::{BoxError, error_line};
use volkit_kernels::{DeviceRequest, Mode};
use volkit_seg::NetPath;

use crate::check::Check;
use crate::machine::Machine;
use crate::report::{CaseResult, SuiteReport};
use crate::{ConformanceError, geometry, meshnet, nn3d, splat, synthseg, tiling, training, volume};

/// A kind of golden folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// Files and what reading them must give: `nifti/`, `bad/` (and `hdf5/`, `zarr/`, which are listed).
    Volume,
    /// Orientation, resampling, smoothing and percentiles.
    Geometry,
    /// `MeshNet` weights, inputs and outputs.
    MeshNet,
    /// `SynthSeg`: preparation, layers, post-processing and whole runs.
    SynthSeg,
    /// Plans, windows and sliding-window runs: `monai.json`, `axis_plan.json`.
    Tiling,
    /// Gaussian splatting: projections, pictures and gradients of scenes.
    Splat,
    /// Optimisers, loss scaling, clipping and schedules.
    Training,
    /// Layers on volumes with their gradients; needs the feature `candle`.
    Nn3d,
}

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 8] = [
        Self::Volume,
        Self::Geometry,
        Self::MeshNet,
        Self::SynthSeg,
        Self::Tiling,
        Self::Splat,
        Self::Training,
        Self::Nn3d,
    ];

    /// Name, as [`Suite::from_str`] reads it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Geometry => "geometry",
            Self::MeshNet => "meshnet",
            Self::SynthSeg => "synthseg",
            Self::Tiling => "tiling",
            Self::Splat => "splat",
            Self::Training => "training",
            Self::Nn3d => "nn3d",
        }
    }

    /// Where the suite's folder lies in a collection of golden folders.
    #[must_use]
    pub fn default_folder(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Geometry => "volume/geometry",
            Self::MeshNet => "meshnet",
            Self::SynthSeg => "synthseg",
            Self::Tiling => "tiling",
            Self::Splat => "splat",
            Self::Training => "training",
            Self::Nn3d => "nn3d",
        }
    }
}

impl Suite {
    /// Whether its cases run on any device and path; the others have one path, on the CPU.
    #[must_use]
    pub fn has_devices(self) -> bool {
        matches!(self, Self::MeshNet | Self::SynthSeg | Self::Splat | Self::Nn3d)
    }
}

impl FromStr for Suite {
    type Err = ConformanceError;

    fn from_str(name: &str) -> Result<Self, ConformanceError> {
        Self::ALL.into_iter().find(|suite| suite.name() == name).ok_or_else(|| ConformanceError::UnknownSuite {
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// How to run a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SuiteOptions {
    /// Threads of networks; 0 is one per core (default).
    pub threads: usize,
    /// Whether results must be those of the other program also where that is thought wrong (default: no, and such cases
    /// are [`crate::Verdict::Differs`]).
    pub compat: bool,
    /// How the networks of `meshnet` and `synthseg` compute sums (default exact).
    pub mode: Mode,
    /// Which code runs the layers of `meshnet`, `nn3d`, `splat` and `synthseg` (default auto: kernels, and in `nn3d` both).
    pub path: NetPath,
    /// Where these run (default the CPU); GPUs have the composite path only.
    pub device: DeviceRequest,
    /// Weights that a suite needs and its folder does not hold, `.h5` or `.safetensors`.
    pub model: Option<PathBuf>,
}

impl Default for SuiteOptions {
    fn default() -> Self {
        Self {
            threads: 0,
            compat: false,
            mode: Mode::default(),
            path: NetPath::Auto,
            device: DeviceRequest::Cpu,
            model: None,
        }
    }
}

impl SuiteOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same on another path.
    #[must_use]
    pub fn with_path(self, path: NetPath) -> Self {
        Self { path, ..self }
    }

    /// The same on another device.
    #[must_use]
    pub fn with_device(self, device: DeviceRequest) -> Self {
        Self { device, ..self }
    }

    /// The same with another number of threads.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The same with the other program's behaviour in everything.
    #[must_use]
    pub fn with_compat(self, compat: bool) -> Self {
        Self { compat, ..self }
    }

    /// The same with another way to compute sums.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The same with weights that the folder does not hold.
    #[must_use]
    pub fn with_model(self, model: Option<PathBuf>) -> Self {
        Self { model, ..self }
    }
}

/// Runs every case of a folder and tells `each` of every result as it is had.
///
/// Whatever goes wrong in a case, also a panic, is the result of that case. Files are looked for relative to the index
/// that names them.
///
/// # Errors
/// When the folder or an index can not be read or has another form, or a device or path can not be had.
pub fn run(
    suite: Suite,
    folder: &Path,
    options: &SuiteOptions,
    each: &mut dyn FnMut(&CaseResult),
) -> Result<SuiteReport, ConformanceError> {
    if !folder.is_dir() {
        return Err(ConformanceError::NoFolder { folder: folder.to_owned() });
    }
    if !suite.has_devices() && (options.path, options.device) != (NetPath::Auto, DeviceRequest::Cpu) {
        let why = format!("the suite {} has one path, on the CPU", suite.name());
        return Err(ConformanceError::Device { device: options.device, why });
    }
    let machine = Machine::open(options)?;
    let mut cases = Cases { results: Vec::new(), each };
    match suite {
        Suite::Volume => volume::run(folder, &mut cases)?,
        Suite::Geometry => geometry::run(folder, &mut cases)?,
        Suite::MeshNet => meshnet::run(folder, (options, &machine), &mut cases)?,
        Suite::SynthSeg => synthseg::run(folder, (options, &machine), &mut cases)?,
        Suite::Tiling => tiling::run(folder, &mut cases)?,
        Suite::Splat => splat::run(folder, (options, &machine), &mut cases)?,
        Suite::Training => training::run(folder, &mut cases)?,
        Suite::Nn3d => nn3d::run(folder, &machine, &mut cases)?,
    }
    Ok(SuiteReport::new(suite.name(), PathBuf::from(folder), cases.results))
}

/// Why cases on tensors of candle are skipped.
pub(crate) const NEEDS_CANDLE: &str = "this program was built without the feature `candle`";

/// What a case that ran without an error says.
pub(crate) enum Outcome {
    /// Things were compared.
    Checked(Check),
    /// Things were compared with what is documented to come out instead of the folder's result: where, and how much.
    Differs(Check, String),
    /// The case needs what this program does not do.
    Skipped(String),
}

impl From<Check> for Outcome {
    fn from(check: Check) -> Self {
        Self::Checked(check)
    }
}

/// Gathers results in order.
pub(crate) struct Cases<'a> {
    results: Vec<CaseResult>,
    each: &'a mut dyn FnMut(&CaseResult),
}

impl Cases<'_> {
    pub(crate) fn push(&mut self, result: CaseResult) {
        (self.each)(&result);
        self.results.push(result);
    }

    /// Runs a case.
    pub(crate) fn case(&mut self, name: String, run: impl FnOnce() -> Result<Outcome, BoxError>) {
        // A case works on values of its own, so nothing half-changed survives a panic.
        let result = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(Outcome::Checked(check))) => check.into_result(name),
            Ok(Ok(Outcome::Differs(check, how))) => check.into_difference(name, how),
            Ok(Ok(Outcome::Skipped(why))) => CaseResult::skipped(name, why),
            Ok(Err(error)) => CaseResult::failed(name, error_line(error.as_ref())),
            Err(_) => CaseResult::failed(name, "panicked"),
        };
        self.push(result);
    }
}
