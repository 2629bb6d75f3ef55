//! The suite `synthseg`: preparation, layers, post-processing and whole runs of the published program.
//!
//! With `compat` every result must be that of the published program. Without it, cases in which volkit is documented to
//! do otherwise are compared with what the documentation says instead, and told as differing.

mod full;
mod layers;
mod postprocess;
mod preprocess;
mod robust;
mod run_cases;
mod runs;
mod tensors;

use std::path::{Path, PathBuf};

use volkit_core::{ArrayStore, BoxError};
use volkit_io::open_weights;
use volkit_kernels::Threads;
use volkit_seg::NetworkBuild;

use crate::ConformanceError;
use crate::machine::Machine;
use crate::suite::{Cases, SuiteOptions};

/// Tolerance of prepared volumes, absolute.
const PREPARED: f64 = 1e-6;
/// Tolerance of posteriors, and the margin of the two best below which a label may differ.
const POSTERIOR: f64 = 1e-4;
/// Tolerance of volumes, relative to the f64 figures.
const VOLUME: f64 = 1e-5;
/// Largest relative error of figures that the published program added in f32, one voxel after another.
const SINGLE_VOLUME: f64 = 5e-3;
/// Tolerance of quality scores.
const SCORE: f64 = 1e-3;
/// Margin within which sums in another order may decide the denoiser's group of a voxel otherwise.
const TIE: f32 = 1e-5;

/// Headings of the page on `SynthSeg` that differences point to.
const VOLUMES_SECTION: &str = "Sums of volumes";
const PARCELS_SECTION: &str = "Volumes of parcels";
const SMOOTHING_SECTION: &str = "Smoothing";
const QUALITY_SECTION: &str = "Quality scores";
const SCANS_SECTION: &str = "Scans of few slices or many volumes";

/// Where a difference is documented, and its size.
fn documented(section: &str, size: &str) -> String {
    format!("docs/synthseg.md, '{section}': {size}")
}

/// The folder and how it is run.
struct Fixture<'a> {
    folder: &'a Path,
    compat: bool,
    model: Option<PathBuf>,
    threads: Threads,
    machine: &'a Machine,
}

impl Fixture<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// How networks are built.
    fn build(&self) -> NetworkBuild<'_> {
        self.machine.build(&self.threads)
    }

    fn weights(&self, name: &str) -> Result<Box<dyn ArrayStore>, BoxError> {
        Ok(open_weights(self.path(&format!("weights/{name}.h5")))?)
    }

    fn input(&self, name: &str) -> Result<volkit_core::Volume, BoxError> {
        Ok(volkit_io::read(self.path("inputs").join(name))?.into_volume())
    }
}

pub(crate) fn run(
    folder: &Path,
    (options, machine): (&SuiteOptions, &Machine),
    cases: &mut Cases<'_>,
) -> Result<(), ConformanceError> {
    let fixture = Fixture {
        folder,
        compat: options.compat,
        model: options.model.clone(),
        threads: Threads::new(options.threads),
        machine,
    };
    let found = [
        preprocess::run(&fixture, cases)?,
        layers::run(&fixture, cases),
        postprocess::run(&fixture, cases)?,
        runs::run(&fixture, cases)?,
        full::run(&fixture, cases)?,
    ];
    let wanted = "preprocess.json, unet_layers.safetensors, postprocess.json, runs.json, full/*.json";
    if found.contains(&true) { Ok(()) } else { Err(ConformanceError::NoIndex { folder: folder.to_owned(), wanted }) }
}

/// The fields of an index that is one object, in order; none where there is no such file.
fn object(path: &Path) -> Result<Option<serde_json::Map<String, serde_json::Value>>, ConformanceError> {
    match crate::index::read_json(path)? {
        None => Ok(None),
        Some(serde_json::Value::Object(fields)) => Ok(Some(fields)),
        Some(_) => {
            let (path, why) = (path.to_owned(), "must be an object");
            Err(ConformanceError::Index { path, field: "the file", why })
        }
    }
}
