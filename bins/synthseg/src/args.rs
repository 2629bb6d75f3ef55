//! The command line, as typed.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  One scan, labels and a table of volumes:
    synthseg --i t1.nii.gz --o labels.nii.gz --model subcortical.safetensors --vol volumes.csv

  A folder of scans with a picture of each, going on where an earlier run stopped:
    synthseg --i scans/ --o labels/ --model subcortical.safetensors --picture pictures/ --skip-existing

Exit codes: 0 all scans segmented, 1 something failed (the other scans are still done), 2 wrong usage.";

/// Segment brain scans: every voxel of a scan gets the label of a structure.
///
/// The kind of network is recognised by the content of its weight file (so far: MeshNet). Labels come back on the
/// scan's own grid, whatever its orientation and voxel size.
#[derive(Clone, Debug, Parser)]
#[command(name = "synthseg", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A scan (.nii, .nii.gz, .mgz, .npz), a folder of scans, or a .txt list with one path a line.
    #[arg(long = "i", value_name = "IN")]
    pub(crate) input: PathBuf,

    /// Where labels go: a file or folder for a scan, a folder for a folder, a .txt list for a list.
    /// In a folder the names are those of the scans with `_synthseg` before the suffix.
    #[arg(long = "o", value_name = "OUT")]
    pub(crate) output: PathBuf,

    /// Weights of the network: a .safetensors file, or a name that is looked up as NAME.safetensors in --models.
    #[arg(long, value_name = "FILE")]
    pub(crate) model: PathBuf,

    /// Folder of models [default: the environment variable `VOLKIT_MODELS`].
    #[arg(long, value_name = "DIR")]
    pub(crate) models: Option<PathBuf>,

    /// Table of volumes in mm3, one row a scan (.csv is added when missing); a .txt list of tables for a list.
    #[arg(long = "vol", value_name = "CSV")]
    pub(crate) volumes: Option<PathBuf>,

    /// Names and colours of labels: a FreeSurfer, ITK-SNAP, BIDS (.tsv) or viewer (.json) table, recognised by content
    /// [default: what the weights say, else neutral names].
    #[arg(long, value_name = "TABLE")]
    pub(crate) labels: Option<PathBuf>,

    /// Picture of slices with the labels over them: a .png file or a folder for a scan, a folder for a folder, a .txt
    /// list for a list.
    #[arg(long, value_name = "PNG")]
    pub(crate) picture: Option<PathBuf>,

    /// Threads of the network; 0 means one per core. The result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,

    /// The same as --device cpu.
    #[arg(long, conflicts_with = "device")]
    pub(crate) cpu: bool,

    /// Where the network runs: cpu or auto (GPUs are not part of this build).
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = parse_device)]
    pub(crate) device: Device,

    /// How sums are computed: exact is the direct sum in f32, with an order that depends on nothing but the network.
    #[arg(long, value_enum, default_value_t = Mode::Exact)]
    pub(crate) mode: Mode,

    /// Leave scans alone whose outputs all exist.
    #[arg(long)]
    pub(crate) skip_existing: bool,

    /// Write a report with time per stage (s) and peak memory (bytes) as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Say nothing but errors.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Where a network runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// The processor: what `auto` chooses too.
    Cpu,
}

impl Args {
    /// Where the network runs.
    pub(crate) fn device(&self) -> Device {
        if self.cpu { Device::Cpu } else { self.device }
    }
}

impl Device {
    /// Name for reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
        }
    }
}

/// How sums are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The direct sum.
    Exact,
}

fn parse_device(text: &str) -> Result<Device, String> {
    match text {
        "cpu" | "auto" => Ok(Device::Cpu),
        gpu if gpu == "metal" || gpu == "cuda" || gpu.starts_with("cuda:") => {
            Err(format!("this build has no {} support; use cpu or auto", gpu.split(':').next().unwrap_or(gpu)))
        }
        _ => Err("expected cpu or auto".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, Device, parse_device};
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn devices() {
        assert_eq!(parse_device("auto"), Ok(Device::Cpu));
        assert_eq!(parse_device("cuda:1").unwrap_err(), "this build has no cuda support; use cpu or auto");
        assert_eq!(parse_device("tpu").unwrap_err(), "expected cpu or auto");
    }
}
