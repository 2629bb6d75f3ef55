//! The command line, as typed.

use std::path::PathBuf;

use clap::Parser;
use volkit_kernels::{DeviceRequest, Mode};
use volkit_seg::NetPath;

use crate::device;

const EXAMPLES: &str = "\
Examples:
  Without any file, to see what comes out:
    synthseg --demo demo/

  One scan of any contrast, labels and a table of volumes:
    synthseg --i flair.nii.gz --o labels.nii.gz --vol volumes.csv

  A folder of scans with cortical parcels, scores and a report of each, going on where an earlier run stopped:
    synthseg --i scans/ --o labels/ --parc --vol volumes.csv --qc scores.csv --report reports/ --skip-existing

  Weights from anywhere, recognised by content:
    synthseg --i t1.nii.gz --o labels.nii.gz --model subcortical.safetensors

Exit codes: 0 all scans segmented, 1 something failed (the other scans are still done), 2 wrong usage.";

/// Segment brain scans: every voxel of a scan gets the label of a structure.
///
/// SynthSeg takes scans of any contrast and resolution; its labels come on the scan's own axes at 1 mm (on the scan's
/// own voxels where those are within 0.05 mm of that, or with --keepgeom). Weights are those that the published programs
/// use. Other networks are recognised by the content of their weight file (MeshNet: labels on the scan's own grid).
#[derive(Clone, Debug, Parser)]
#[command(name = "synthseg", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A scan (.nii, .nii.gz, .mgz, .npz), a folder of scans, or a .txt list with one path a line.
    #[arg(
        long = "i",
        value_name = "IN",
        required_unless_present = "demo",
        default_value = ".",
        hide_default_value = true
    )]
    pub(crate) input: PathBuf,

    /// Where labels go: a file or folder for a scan, a folder for a folder, a .txt list for a list.
    /// In a folder the names are those of the scans with `_synthseg` before the suffix.
    #[arg(
        long = "o",
        value_name = "OUT",
        required_unless_present = "demo",
        default_value = ".",
        hide_default_value = true
    )]
    pub(crate) output: PathBuf,

    /// Make a head by formula, segment it, and write scan, labels, volumes, picture and report into this folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["input", "output"])]
    pub(crate) demo: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) method: MethodArgs,

    #[command(flatten)]
    pub(crate) outputs: OutputArgs,

    #[command(flatten)]
    pub(crate) models: ModelArgs,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    /// Leave scans alone whose outputs are all there, made from the same scan, weights and flags. What they were made
    /// of is kept in a small hidden file beside the labels, `.NAME.synthseg.json`.
    #[arg(long)]
    pub(crate) skip_existing: bool,

    /// Write a report with time per stage (s) and peak memory (bytes) as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Say nothing but errors.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// How a scan is segmented.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Method (SynthSeg)")]
pub(crate) struct MethodArgs {
    /// Divide the cortex: labels 3 and 42 become 1001 to 1035 and 2001 to 2035.
    #[arg(long)]
    pub(crate) parc: bool,

    /// Use the robust chain of three networks, for scans of low quality or clinical ones. Includes --fast.
    #[arg(long)]
    pub(crate) robust: bool,

    /// Half the time: no average with the mirror image, a simpler clean-up.
    #[arg(long)]
    pub(crate) fast: bool,

    /// Use the networks of version 1.0: 32 labels, without the fluid around the brain (24) and its total.
    #[arg(long)]
    pub(crate) v1: bool,

    /// The scan is a CT: clip to 0 to 80 Hounsfield units first.
    #[arg(long)]
    pub(crate) ct: bool,

    /// Analyse the middle of the scan only: 1 or 3 sizes (mm, right, front, up), each rounded up to a multiple of 32
    /// [default: the whole scan].
    #[arg(long, value_name = "N", num_args = 1..=3, value_delimiter = ',')]
    pub(crate) crop: Vec<usize>,

    /// Analyse the box of what is not background only.
    #[arg(long)]
    pub(crate) autocrop: bool,

    /// Write labels (and the mask) on the scan's own voxels (nearest) instead of at 1 mm.
    #[arg(long)]
    pub(crate) keepgeom: bool,

    /// Everything as the published program has it, its errors too: f32 sums of volumes, parcels scaled to the white
    /// matter, unsmoothed posteriors, no tissue columns, few slices refused.
    #[arg(long)]
    pub(crate) compat: bool,
}

/// What is written beside the labels.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Outputs")]
pub(crate) struct OutputArgs {
    /// Table of volumes in mm3, one row a scan (.csv is added when missing); a .txt list of tables for a list. The last
    /// columns are totals of grey matter, white matter, fluid and brain (not with --compat).
    #[arg(long = "vol", value_name = "CSV")]
    pub(crate) volumes: Option<PathBuf>,

    /// Table of quality scores (predicted Dice, 0 to 1) of 8 groups of structures; as --vol.
    #[arg(long = "qc", value_name = "CSV")]
    pub(crate) scores: Option<PathBuf>,

    /// Posteriors, 4-D, f32, one frame a label; named as --o, with `_posteriors` in a folder.
    #[arg(long = "post", value_name = "OUT")]
    pub(crate) posteriors: Option<PathBuf>,

    /// The scan at 1 mm, written only where it had to be resampled; named as --o, with `_resampled` in a folder.
    #[arg(long = "resample", value_name = "OUT")]
    pub(crate) resampled: Option<PathBuf>,

    /// Mask of the brain (1 inside, without the fluid around it); named as --o, with `_mask` in a folder.
    #[arg(long, value_name = "OUT")]
    pub(crate) mask: Option<PathBuf>,

    /// Put FreeSurfer's colour table into the labels (.mgz only: NIfTI has no place for it).
    #[arg(long)]
    pub(crate) addctab: bool,

    /// Page about each scan (pictures, volumes left and right, scores, run): a .html file or a folder for a scan; a
    /// folder for a folder, which also gets an index.html; a .txt list for a list.
    #[arg(long, value_name = "HTML")]
    pub(crate) report: Option<PathBuf>,

    /// Quality score below which a report flags a group of structures, 0 to 1.
    #[arg(long, value_name = "SCORE", default_value_t = volkit_seg::QC_THRESHOLD, value_parser = parse_score)]
    pub(crate) qc_threshold: f64,

    /// Picture of slices with the labels over them: a .png file or a folder for a scan, a folder for a folder, a .txt
    /// list for a list.
    #[arg(long, value_name = "PNG")]
    pub(crate) picture: Option<PathBuf>,

    /// Names and colours of labels in pictures, reports and MeshNet's tables: a FreeSurfer, ITK-SNAP, BIDS (.tsv) or
    /// viewer (.json) table, recognised by content [default: SynthSeg's own table; for a MeshNet what its weights say,
    /// the built-in table of FreeSurfer's subcortical structures for the published weights, else neutral names].
    #[arg(long, value_name = "TABLE")]
    pub(crate) labels: Option<PathBuf>,
}

/// Where weights come from.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Weights")]
pub(crate) struct ModelArgs {
    /// Weights of a network (.h5 or .safetensors, recognised by content), or a name that is looked up in the folders of
    /// models; several times for several networks [default: `synthseg_2.0`, or the network
    /// that is part of this program where those weights are nowhere; with --v1 `synthseg_1.0`, with --robust
    /// `synthseg_robust_2.0`; `synthseg_parc_2.0` and `synthseg_qc_2.0` where they are needed].
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Vec<PathBuf>,

    /// Folder of models, looked in first; then the folders of `VOLKIT_MODELS`, `FREESURFER_HOME/models` and the user's
    /// data folder (volkit/models).
    #[arg(long, value_name = "DIR")]
    pub(crate) models: Option<PathBuf>,
}

/// Where and how the networks run.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Machine")]
pub(crate) struct MachineArgs {
    /// Threads; 0 means one per core. The result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,

    /// The same as --device cpu.
    #[arg(long, conflicts_with = "device")]
    pub(crate) cpu: bool,

    /// Where the network runs: cpu, cuda, cuda:N, metal, metal:N, or auto: a GPU that is part of this build, is there and
    /// passes a short self-check, else the processor. A GPU that is asked for and can not be used is an error.
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device::parse)]
    pub(crate) device: DeviceRequest,

    /// How sums are computed: exact is the direct sum in f32, with an order that depends on nothing but the network;
    /// strict takes fewer products where that loses no accuracy; fast-math fewest (relative error about 1e-6).
    #[arg(long, value_name = "MODE", default_value = "fast-math")]
    pub(crate) mode: Mode,

    /// How layers run: kernel is this program's own code, composite is made of candle's general operations (slower, the
    /// same labels; the only path of GPUs), auto takes the kernels where there are any.
    #[arg(long, value_name = "PATH", default_value = "auto", value_parser = parse_path)]
    pub(crate) path: NetPath,

    /// Memory that the run may take, as 800MB or 4GB [default: what the system says is free]. A scan that needs more is
    /// run in a slower way that needs less, or refused before any work.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub(crate) max_memory: Option<u64>,
}

impl Args {
    /// Where the network runs.
    pub(crate) fn device(&self) -> DeviceRequest {
        if self.machine.cpu { DeviceRequest::Cpu } else { self.machine.device }
    }

    /// What contradicts itself, and why.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let method = &self.method;
        let why = if method.robust && method.v1 {
            "--robust and --v1: the robust networks exist for version 2.0 only"
        } else if !method.crop.is_empty() && method.autocrop {
            "--crop and --autocrop: both say which part of the scan is analysed"
        } else if method.crop.len() == 2 {
            "--crop: takes 1 size or 3"
        } else if method.crop.iter().any(|&n| n == 0 || n > MOST_CROP) {
            "--crop: sizes are from 1 to 4096 mm"
        } else {
            return None;
        };
        Some(why.to_owned())
    }

    /// The sizes of `--crop`.
    pub(crate) fn crop(&self) -> Option<[usize; 3]> {
        match self.method.crop[..] {
            [n] => Some([n; 3]),
            [x, y, z] => Some([x, y, z]),
            _ => None,
        }
    }

    /// Flags that mean nothing to networks other than `SynthSeg`'s, as typed.
    pub(crate) fn synthseg_flags(&self) -> Vec<&'static str> {
        let (method, outputs) = (&self.method, &self.outputs);
        let flags = [
            ("--parc", method.parc),
            ("--robust", method.robust),
            ("--fast", method.fast),
            ("--v1", method.v1),
            ("--ct", method.ct),
            ("--crop", !method.crop.is_empty()),
            ("--autocrop", method.autocrop),
            ("--keepgeom", method.keepgeom),
            ("--compat", method.compat),
            ("--qc", outputs.scores.is_some()),
            ("--post", outputs.posteriors.is_some()),
            ("--resample", outputs.resampled.is_some()),
            ("--mask", outputs.mask.is_some()),
            ("--addctab", outputs.addctab),
        ];
        flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag).collect()
    }
}

/// Largest size of a crop, in mm.
const MOST_CROP: usize = 4096;

fn parse_path(text: &str) -> Result<NetPath, String> {
    let path = NetPath::from_name(text).ok_or("expected auto, kernel or composite")?;
    if path.is_built() { Ok(path) } else { Err(format!("this build has no {text} path (feature candle)")) }
}

fn parse_score(text: &str) -> Result<f64, String> {
    let score: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.0..=1.0).contains(&score) { Ok(score) } else { Err("expected 0 to 1".into()) }
}

/// Bytes from a number with a unit: kB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024), or none.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" | "k" => 1e3,
        "mb" | "m" => 1e6,
        "gb" | "g" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err("expected a unit of kB, MB, GB, KiB, MiB, GiB".into()),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok((number * factor) as u64),
        _ => Err("expected a size, as 800MB or 4GB".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, parse_bytes, parse_score};
    use clap::{CommandFactory as _, Parser as _};

    fn parsed(line: &str) -> Args {
        Args::parse_from(["synthseg", "--i", "a.nii", "--o", "b.nii"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn sizes_and_scores() {
        assert_eq!(parse_bytes("1.5GB"), Ok(1_500_000_000));
        assert_eq!(parse_bytes("2 MiB"), Ok(2 << 20));
        assert_eq!(parse_bytes("77"), Ok(77));
        assert!(parse_bytes("4TB").is_err() && parse_bytes("GB").is_err() && parse_bytes("-1GB").is_err());
        assert_eq!(parse_score("0.5"), Ok(0.5));
        assert!(parse_score("1.5").is_err() && parse_score("NaN").is_err());
    }

    #[test]
    fn crops_and_contradictions() {
        assert_eq!(parsed("").crop(), None);
        assert_eq!(parsed("--crop 64").crop(), Some([64; 3]));
        assert_eq!(parsed("--crop 64 96 128 --fast").crop(), Some([64, 96, 128]));
        assert_eq!(parsed("--crop 64,96,128").crop(), Some([64, 96, 128]));
        for (line, why) in [
            ("--robust --v1", "version 2.0 only"),
            ("--crop 64 --autocrop", "both say"),
            ("--crop 64 64", "1 size or 3"),
            ("--crop 0", "from 1 to"),
        ] {
            assert!(parsed(line).contradiction().is_some_and(|message| message.contains(why)), "{line}");
        }
        assert_eq!(parsed("--robust --fast --parc").contradiction(), None);
        assert_eq!(parsed("--parc --qc q.csv --vol v.csv").synthseg_flags(), ["--parc", "--qc"]);
    }
}
