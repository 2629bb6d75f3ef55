//! The command line as it is typed.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use volkit_core::DType;
use volkit_kernels::Mode;

/// Runs a model over an image of any size, tile by tile, in the memory of one row of tiles.
///
/// Arrays are channel-first and row-major, [C, s0, s1, ..]; a NIfTI or MGH volume (x, y, z) is [z, y, x], one with a
/// fourth axis [t, z, y, x] with t as the channels. Sizes on this command line are in that order. The result stands under
/// its name when it is complete; before that it is NAME.partial, with a journal beside it from which --resume goes on.
/// Exit status: 0 when all is well, 1 when something failed, 2 for a wrong command line.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  tile-infer --input stack.npy --output mean.npy --model mean\n  \
    tile-infer --input stack.npy --output height.npy --model net.safetensors --threads 8\n  \
    tile-infer --input 'frame*.bmp' --output height.tif --model net.pt\n  \
    tile-infer --input scan.nii.gz --output out.nii --model identity --tile-size 96 --tile-overlap 24 --window hann\n  \
    tile-infer --input stack.npy --output mean.npy --model mean --max-memory 2GB --estimate\n  \
    tile-infer --input stack.zarr --output height.zarr --model net.safetensors --shard 3/16 --resume"
)]
pub(crate) struct Args {
    /// Image to read: .npy (row-major), .raw, .zarr, .h5 (or `NAME.h5:/path/in/file`), NIfTI or MGH, or a stack of
    /// pictures (.bmp, .png, .tif), one a channel, as 'frame*.bmp'; numbers in names count as numbers
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Image to write, f32 (numbers of channels: u8 or u16): .npy, .raw, .zarr, .h5, .nii, .mgh, .tif, and for
    /// numbers .png and .bmp ('height*.tif' for several channels); HDF5, PNG, BMP and compressed files can not be resumed
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// What runs on each tile: `identity`, `mean` over the channels, `closed-form` (fringe images to heights in um), or a file:
    /// a chain of 3 x 3 convolutions with `ReLU` between them or a 2-D U-Net under PyTorch's names (.safetensors, .pt, .pth), a
    /// MeshNet (.safetensors) or SynthSeg (.h5) network for volumes in its orientation and intensities, an ONNX network (.onnx,
    /// in builds with the feature `onnx`)
    #[arg(long, value_name = "identity|mean|closed-form|FILE")]
    pub(crate) model: String,
    /// Weights of a network that --model names instead of its file: `chain` or `unet2d`
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Wavelengths in um of the lasers of --model closed-form; channels are the phase steps of the first, then of the second ..
    #[arg(long, value_name = "UM[,UM..]", value_delimiter = ',', default_values_t = [5.0, 5.5, 6.05, 6.655])]
    pub(crate) wavelengths: Vec<f64>,
    /// Phase steps of --model closed-form, equal parts of a period
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) buckets: usize,
    /// Heights in um that --model closed-form looks for
    #[arg(long, value_name = "LOW,HIGH", value_delimiter = ',', allow_hyphen_values = true,
        default_values_t = [-10.0, 40.0])]
    pub(crate) height_range: Vec<f64>,
    /// How sums of convolutions are computed: exact gives the bits of the whole image with --window crop; strict and
    /// fast-math take fewer products
    #[arg(long, value_name = "exact|strict|fast-math", default_value = "exact")]
    pub(crate) mode: Mode,
    /// Threads of the model; 0 for all cores. The result does not depend on it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Samples of a tile: one number for all axes, or one per axis [default: 512; where overlaps
    /// are discarded at most 512, as little as takes no more tiles; for models that see one sample at a time, as identity and
    /// mean do, whole rows of about 512 x 512 samples, unless overlap or window are given]
    #[arg(long, value_name = "N[,N..]", value_delimiter = ',')]
    pub(crate) tile_size: Option<Vec<usize>>,
    /// Samples by which neighbouring tiles overlap: one number for all axes, or one per axis [default: the least that is
    /// exact with --window crop where the model's receptive field is known, else 128]
    #[arg(long, value_name = "N[,N..]", value_delimiter = ',')]
    pub(crate) tile_overlap: Option<Vec<usize>>,
    /// How tiles become one image: `crop` discards overlaps; hann, linear, gaussian, constant, triangle, tukey, hann-full,
    /// torchio-hann and symmetric-hann are windows [default: crop where the model's receptive field is known, else hann]
    #[arg(long, value_name = "NAME")]
    pub(crate) window: Option<String>,
    /// Tiles that go to the model at once, or `auto`: as many as --max-memory holds [default: 1, with --max-memory auto]
    #[arg(long, value_name = "N|auto")]
    pub(crate) batch: Option<Batch>,
    /// Memory that the run may take by its own estimate, as 2GB or 800MB (powers of 1000) or 2GiB [default with `--batch
    /// auto`: 1GB]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) max_memory: Option<u64>,
    /// Models that run at the same time; the result does not depend on it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) workers: u16,
    /// Prints tiles, bytes and memory, and runs nothing
    #[arg(long)]
    pub(crate) estimate: bool,
    /// Goes on where the journal of an earlier run of the same command ends; begins anew where there is none
    #[arg(long)]
    pub(crate) resume: bool,
    /// Writes the part i of n of a .zarr that n processes write without knowing of each other, i from 0 to n - 1: rows of
    /// whole chunks, with the bits that one process would write
    #[arg(long, value_name = "i/n")]
    pub(crate) shard: Option<Shard>,
    /// Tiles where this volume is 0 are not run and stay 0; same axes as the image, any resolution
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// The model sees value * A + B, as `0.00392156862,0` for images of 0 to 255 [default: 1,0]
    #[arg(long, value_name = "A,B", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) intensity: Option<Vec<f32>>,
    /// Writes the number of the largest channel of each sample instead of the channels
    #[arg(long)]
    pub(crate) argmax: bool,
    /// Keeps NaN and infinity of the model and counts them; else they are an error
    #[arg(long)]
    pub(crate) keep_nan: bool,
    /// Spatial axes of the image [default: 3 for NIfTI and MGH, else all but the first]
    #[arg(long, value_name = "N")]
    pub(crate) spatial_axes: Option<usize>,
    /// Shape of a .raw input, row-major, channels first
    #[arg(long, value_name = "C,N,N..", value_delimiter = ',')]
    pub(crate) raw_shape: Option<Vec<usize>>,
    /// Element type of a .raw input
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = dtype)]
    pub(crate) raw_dtype: DType,
    /// Bytes before the samples of a .raw input
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) raw_offset: u64,
    /// Replaces the output if it exists
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Prints the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Shows no progress
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Tiles of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    /// So many.
    Fixed(usize),
    /// As many as fit.
    Auto,
}

impl FromStr for Batch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => Err("must be at least 1".to_owned()),
            Ok(n) => Ok(Self::Fixed(n)),
            Err(_) if text == "auto" => Ok(Self::Auto),
            Err(_) => Err("must be a number or auto".to_owned()),
        }
    }
}

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 0 on.
    pub(crate) index: usize,
    /// How many parts there are.
    pub(crate) count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, count) = text.split_once('/').ok_or("must be i/n, as 0/4")?;
        match (index.parse(), count.parse()) {
            (Ok(index), Ok(count)) if index < count => Ok(Self { index, count }),
            _ => Err("must be i/n with i from 0 to n - 1, as 0/4".to_owned()),
        }
    }
}

fn dtype(name: &str) -> Result<DType, String> {
    let known = || DType::ALL.map(DType::name).join(", ");
    DType::from_name(name).ok_or_else(|| format!("no such type; there are {}", known()))
}

fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        _ => return Err("the unit must be B, kB, MB, GB, KiB, MiB or GiB".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "must be a size such as 2GB".to_owned())?;
    Ok((number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::{Args, Batch, Shard, bytes};
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn sizes_and_batches() {
        assert_eq!(bytes("2GB"), Ok(2_000_000_000));
        assert_eq!(bytes("1.5 GiB"), Ok(3 << 29));
        assert_eq!(bytes("4096"), Ok(4096));
        assert!(bytes("two").is_err() && bytes("2 tiles").is_err());
        assert_eq!("auto".parse(), Ok(Batch::Auto));
        assert_eq!("4".parse(), Ok(Batch::Fixed(4)));
        assert_eq!("3/4".parse(), Ok(Shard { index: 3, count: 4 }));
        assert!(["4/4", "1", "-1/2", "a/b", "0/0"].iter().all(|text| text.parse::<Shard>().is_err()));
        assert!("0".parse::<Batch>().is_err() && "all".parse::<Batch>().is_err());
    }
}
