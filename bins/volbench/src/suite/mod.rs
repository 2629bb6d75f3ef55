//! The benchmarks of `volbench run`.

mod geom;
mod io;
mod kernels;
mod memory;
mod seg;
mod synthseg;
mod tiling;

use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser};
use volkit_bench::{Grid, HeadPhantom, Series, Workload};
use volkit_core::{BoxError, Volume};
use volkit_kernels::Threads;

/// What benchmarks share.
pub(crate) struct Setting<'a> {
    /// Voxels along each axis of volumes.
    pub(crate) size: usize,
    /// A folder for files.
    pub(crate) folder: &'a Path,
    /// Threads of the kernels.
    pub(crate) threads: &'a Threads,
}

impl Setting<'_> {
    /// A head that fills the volume.
    fn head(&self) -> Result<Volume, BoxError> {
        let grid = Grid::new([self.size; 3]).with_spacing([self.spacing_mm(); 3]);
        Ok(HeadPhantom::new(grid).with_seed(7).generate()?.image)
    }

    fn spacing_mm(&self) -> f64 {
        HEAD_MM / self.size as f64
    }

    /// Voxels, as part of an id.
    fn shape(&self) -> String {
        let n = self.size;
        format!("{n}x{n}x{n}")
    }
}

/// Extent of the phantom and some air.
const HEAD_MM: f64 = 208.0;

/// Makes a workload with all that it needs.
pub(crate) type Make<'a> = Box<dyn FnOnce() -> Result<Box<dyn Workload + 'a>, BoxError> + 'a>;

/// Prints what recorded series say.
pub(crate) type PrintTables = fn(&[Series]) -> Result<(), BoxError>;

/// A group of benchmarks.
#[derive(Clone, Copy)]
pub(crate) struct Suite {
    /// Begins the ids of its benchmarks.
    pub(crate) name: &'static str,
    /// What is measured, for the help.
    about: &'static str,
    /// Takes minutes and much memory: run only when asked for, once and without warm-up.
    pub(crate) is_heavy: bool,
    pub(crate) workloads: for<'a> fn(&'a Setting<'a>) -> Vec<Make<'a>>,
    /// Prints tables of its series, after they are recorded.
    pub(crate) print_tables: Option<PrintTables>,
}

/// Every suite. A new one is a module with a function `workloads` and a line here.
pub(crate) const SUITES: [Suite; 7] = [
    light("kernels", "convolutions of the SynthSeg network, by mode", kernels::workloads),
    light("seg", "preparation and post-processing of SynthSeg", seg::workloads),
    light("io", "volumes to and from files", io::workloads),
    light("geom", "resampling and reorientation", geom::workloads),
    light("synthseg", "the SynthSeg network by mode, and whole runs on a phantom", synthseg::workloads),
    Suite {
        print_tables: Some(tiling::print_tables),
        ..light("tiling", "a network whole and in tiles; prints tables of docs/tiling.md", tiling::workloads)
    },
    Suite {
        is_heavy: true,
        ..light("memory", "peak memory of whole SynthSeg runs at 96^3, 192^3, 256^3 (minutes)", memory::workloads)
    },
];

const fn light(
    name: &'static str,
    about: &'static str,
    workloads: for<'a> fn(&'a Setting<'a>) -> Vec<Make<'a>>,
) -> Suite {
    Suite { name, about, is_heavy: false, workloads, print_tables: None }
}

impl Suite {
    /// The suites as values of a flag.
    pub(crate) fn parser() -> PossibleValuesParser {
        SUITES.map(|suite| PossibleValue::new(suite.name).help(suite.about)).into()
    }
}
