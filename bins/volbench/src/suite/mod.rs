//! The benchmarks of `volbench run`.

mod geom;
mod io;
mod kernels;
mod seg;

use std::path::Path;

use volkit_bench::{Grid, HeadPhantom, Workload};
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

/// A group of benchmarks; its name begins their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BenchSuite {
    /// Convolutions of the SynthSeg network, by mode
    Kernels,
    /// Preparation and post-processing of SynthSeg
    Seg,
    /// Volumes to and from files
    Io,
    /// Resampling and reorientation
    Geom,
}

impl BenchSuite {
    pub(crate) const ALL: [Self; 4] = [Self::Kernels, Self::Seg, Self::Io, Self::Geom];

    pub(crate) fn workloads<'a>(self, setting: &'a Setting<'a>) -> Vec<Make<'a>> {
        match self {
            Self::Kernels => kernels::workloads(setting),
            Self::Seg => seg::workloads(setting),
            Self::Io => io::workloads(setting),
            Self::Geom => geom::workloads(setting),
        }
    }
}
