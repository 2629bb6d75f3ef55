//! The command line as it is typed.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args as ClapArgs, Parser, Subcommand};
use volkit_conformance::Suite;
use volkit_kernels::{DeviceRequest, Mode};
use volkit_seg::NetPath;

use crate::bench_args::{CompareArgs, GateArgs, ReportArgs, RunArgs};

/// Shows that volkit gives the right answers on this machine and how fast, and makes phantoms to try it with.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Compare(CompareArgs),
    Conformance(ConformanceArgs),
    Doctor(DoctorArgs),
    Gate(GateArgs),
    Phantom(PhantomArgs),
    Report(ReportArgs),
    Run(RunArgs),
}

/// Compares what volkit computes with a folder of expected results.
///
/// Prints one line a case (name, the error nearest to its tolerance, that tolerance, ok or FAIL or skipped with the
/// reason, or differs: where volkit is documented to do otherwise, with the section and the size) and a last line
/// `N passed, N failed, N skipped`. Exit status: 0 when no case failed, 1 when one did or the
/// folder can not be read, 2 for a wrong command line.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  volbench conformance volume\n  \
                        volbench conformance meshnet my-golden/meshnet --threads 4 --json report.json\n  \
                        volbench conformance nn3d --device metal")]
pub(crate) struct ConformanceArgs {
    /// Which results: `volume` (files), `geometry` (orientation, resampling, percentiles), `meshnet` or `synthseg`
    /// (networks), `tiling` (sliding windows), `splat` (Gaussian splatting), `training` (optimisers) or `nn3d` (layers
    /// with their gradients; skipped where this program was built without the feature `candle`)
    #[arg(value_parser = PossibleValuesParser::new(Suite::ALL.map(Suite::name)))]
    pub(crate) suite: String,
    /// Folder with the expected results [default: `$VOLKIT_SHARED/golden/SUITE`, else golden/SUITE in a folder `shared`
    /// beside the repository that the current directory lies in; geometry is in golden/volume/geometry]
    pub(crate) folder: Option<PathBuf>,
    /// Also writes all results as JSON to this file, or to standard output instead of the lines (`-`)
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Threads of networks; 0 is one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Everything must be as in the program that the results are from, also where that is thought wrong (`synthseg`)
    #[arg(long)]
    pub(crate) compat: bool,
    /// How networks compute sums: exact, strict or fast-math
    #[arg(long, value_name = "MODE", default_value = "fast-math")]
    pub(crate) mode: Mode,
    /// Which code runs networks, layers and splats (`synthseg`, `meshnet`, `nn3d`, `splat`): kernel is this program's own,
    /// composite is made of candle's general operations, auto takes kernels (in `nn3d` both)
    #[arg(long, value_name = "PATH", default_value = "auto", value_parser = parse_path)]
    pub(crate) path: NetPath,
    /// Where these run: cpu, cuda, cuda:N, metal, metal:N or auto; a GPU has the composite path
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: DeviceRequest,
    /// Weights that the folder asks for and does not hold (.h5 or .safetensors)
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
}

fn parse_path(text: &str) -> Result<NetPath, String> {
    let path = NetPath::from_name(text).ok_or("expected auto, kernel or composite")?;
    if path.is_built() { Ok(path) } else { Err(format!("this build has no {text} path (feature candle)")) }
}

/// Shows what this machine offers; checks every instruction set against the portable code, and every GPU that this
/// program can use against the CPU, and tells of every device why it is used or not.
///
/// Exit status 1 when a check fails.
#[derive(Debug, ClapArgs)]
pub(crate) struct DoctorArgs {
    /// Prints the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Writes volumes made by code, and a small network with made-up weights.
#[derive(Debug, ClapArgs)]
pub(crate) struct PhantomArgs {
    #[command(subcommand)]
    pub(crate) kind: PhantomKind,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PhantomKind {
    /// A head: scalp, skull, folded cortex, white matter, ventricles, deep nuclei, cerebellum; about 190 mm wide
    #[command(after_help = "Example: volbench phantom head head.nii.gz --labels labels.nii.gz --size 96 --spacing 2")]
    Head(HeadArgs),
    /// Concentric spheres, whose volumes are known by formula
    #[command(after_help = "Example: volbench phantom shells shells.nii.gz --size 64,64,40 --radii 10,20,25")]
    Shells(ShellsArgs),
    /// A small MeshNet with seeded weights (.safetensors): its labels form regions and mean nothing
    #[command(name = "meshnet", after_help = "Example: volbench phantom meshnet net.safetensors --seed 7")]
    MeshNet(MeshNetArgs),
    /// A SynthSeg network with seeded weights (.safetensors), as large as the published one: its labels mean nothing
    #[command(name = "synthseg", after_help = "Example: volbench phantom synthseg synthseg_2.0.safetensors")]
    SynthSeg(UNetArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GridArgs {
    /// Volume to write; the suffix chooses the format (.nii, .nii.gz, .mgz)
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Also writes the labels that the volume was made from
    #[arg(long, value_name = "OUT")]
    pub(crate) labels: Option<PathBuf>,
    /// Voxels: one number for all axes, or three
    #[arg(long, value_name = "N[,N,N]", value_delimiter = ',', default_value = "192")]
    pub(crate) size: Vec<usize>,
    /// Millimetres between voxel centres: one number for all axes, or three
    #[arg(long, value_name = "MM[,MM,MM]", value_delimiter = ',', default_value = "1")]
    pub(crate) spacing: Vec<f64>,
    /// Where each axis leads, as three of the letters R L A P S I
    #[arg(long, value_name = "CODES", default_value = "RAS")]
    pub(crate) orient: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct HeadArgs {
    #[command(flatten)]
    pub(crate) grid: GridArgs,
    /// Which head: shape, shading and noise
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Standard deviation of the noise, where white matter has 160
    #[arg(long, default_value_t = 4.0)]
    pub(crate) noise: f64,
    /// Strength of the shading; 0 is none
    #[arg(long, default_value_t = 0.15)]
    pub(crate) bias: f64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ShellsArgs {
    #[command(flatten)]
    pub(crate) grid: GridArgs,
    /// Outer radii of the shells in millimetres, increasing
    #[arg(long, value_name = "MM,..", value_delimiter = ',', default_value = "20,40,60")]
    pub(crate) radii: Vec<f64>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UNetArgs {
    /// Weights to write (.safetensors)
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Channels of the first level, 1 to 128
    #[arg(long, default_value_t = 24)]
    pub(crate) features: usize,
    /// Levels, 1 to 8
    #[arg(long, default_value_t = 5)]
    pub(crate) levels: usize,
    /// Which weights
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct MeshNetArgs {
    /// Weights to write (.safetensors)
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Channels of the hidden layers, 1 to 256
    #[arg(long, default_value_t = 5)]
    pub(crate) channels: usize,
    /// Classes, 2 to 256
    #[arg(long, default_value_t = 6)]
    pub(crate) classes: usize,
    /// Which weights
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}
