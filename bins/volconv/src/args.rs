//! The command line as it is typed.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use volkit_core::DType;
use volkit_geom::{Order, Orientation};

/// Converts, describes and compares volumes (NIfTI, MGH, Analyze, npz, HDF5, Zarr).
///
/// The content of a file decides how it is read, the suffix of an output how it is written: .nii, .nii.gz, .hdr/.img,
/// .mgh, .mgz, .npy, .npz, .h5, .zarr. Exit status: 0 when all is well, 1 when something failed or differs, 2 for a wrong command
/// line.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Convert(ConvertArgs),
    Info(InfoArgs),
    Diff(DiffArgs),
    Weights(WeightsArgs),
}

/// Converts a volume to another format, element type, orientation or spacing; an HDF5 file to a Zarr store.
///
/// A whole HDF5 file (no data set named) with an output that ends in .zarr becomes a store with the same groups, arrays
/// and attributes: streamed, in memory that does not grow with the file. It is written as OUT.partial with a journal
/// beside it; the same command goes on with it when it was interrupted, and does nothing when it is done.
///
/// Header fields (description, intent, units, both forms with their codes, extensions) are kept unless their meaning
/// changes. The output appears under its name only when it is complete.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  volconv convert scan.mgz scan.nii.gz\n  \
                        volconv convert scan.nii.gz out.nii.gz --orient RAS --spacing 1,1,1\n  \
                        volconv convert labels.nii.gz out.nii.gz --spacing 2 --order 0\n  \
                        volconv convert scan.nii.gz bytes.nii.gz --dtype u8 --rescale\n  \
                        volconv convert images.h5 images.zarr --chunk frame --verify\n  \
                        volconv convert images.h5:/day1/t1 t1.nii.gz\n  \
                        volconv convert scan.nii.gz scan.zarr --chunk 64,64,64\n  \
                        volconv convert labels.nii.gz labels.ome.zarr --downsampling mode")]
pub(crate) struct ConvertArgs {
    /// Volume to read
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// Volume to write; the suffix chooses the format
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Element type to store: u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 or another of the format [default: that
    /// of the values]
    #[arg(long, value_name = "TYPE", value_parser = dtype)]
    pub(crate) dtype: Option<DType>,
    /// Stretches values over the range of an integer type, with slope and intercept in the header; else values are
    /// rounded and clamped
    #[arg(long, requires = "dtype")]
    pub(crate) rescale: bool,
    /// Flips and swaps axes (exactly) so that they lead this way: three of the letters R L A P S I
    #[arg(long, value_name = "CODES")]
    pub(crate) orient: Option<Orientation>,
    /// Resamples to this spacing in millimetres (one number, or one per axis after --orient); the centre of the volume
    /// stays where it is and its extent is rounded to whole voxels. Along axes that become coarser the volume is
    /// smoothed first (not with --order 0), so that a voxel as wide as the old spacing becomes as wide as the new one:
    /// a Gaussian of FWHM sqrt(new^2 - old^2)
    #[arg(long, value_name = "MM[,MM,MM]", value_delimiter = ',')]
    pub(crate) spacing: Option<Vec<f64>>,
    /// Interpolation with --spacing: 0 nearest voxel (for labels), 1 linear, 3 cubic spline
    #[arg(long, value_name = "0|1|3", default_value = "1", value_parser = order, requires = "spacing")]
    pub(crate) order: Order,
    /// Samples at a coarser spacing without smoothing first
    #[arg(long, requires = "spacing")]
    pub(crate) no_smooth: bool,
    /// Data set or array to read from a file that holds several [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// Chunks of a .zarr or .h5 output: lengths per axis (of a volume x,y,z; of HDF5 to Zarr in the order of the data
    /// set, last axis fastest, 0 for a whole axis). For HDF5 to Zarr also keep (those of the data set) or frame (one
    /// image a chunk) [default: frame for u8 data of four axes or more, else keep]
    #[arg(long, value_name = "N,N,..|keep|frame", value_parser = chunk)]
    pub(crate) chunk: Option<Chunk>,
    /// Codec of HDF5 to Zarr
    #[arg(long, value_name = "NAME", default_value = "blosc", value_parser = ["blosc", "zstd", "gzip", "none"])]
    pub(crate) codec: String,
    /// Version of the Zarr format of HDF5 to Zarr, and of a pyramid: 2 gives OME-Zarr 0.4, 3 OME-Zarr 0.5
    #[arg(long, value_name = "2|3", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    pub(crate) zarr_version: u8,
    /// What a coarser voxel of an .ome.zarr output (a pyramid, each level half the one before) is made of: the mean of
    /// the voxels that it covers, the value that most of them have (for labels), or the first
    #[arg(long, value_name = "mean|mode|nearest", default_value = "mean", value_parser = ["mean", "mode", "nearest"])]
    pub(crate) downsampling: String,
    /// Reads every chunk back and compares it with the source by CRC-32 (HDF5 to Zarr)
    #[arg(long)]
    pub(crate) verify: bool,
    /// Goes on with an interrupted conversion of HDF5 to Zarr; that is what happens without this option, too
    #[arg(long, conflicts_with = "overwrite")]
    pub(crate) resume: bool,
    /// Threads of HDF5 to Zarr [default: all cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Prints a report as JSON (HDF5 to Zarr): arrays, time of each stage, peak memory
    #[arg(long)]
    pub(crate) json: bool,
    /// Shows no progress
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Replaces the output if it exists
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// Shows what a file says of its volume.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  volconv info scan.nii.gz\n  volconv info scan.nii.gz --stats --json")]
pub(crate) struct InfoArgs {
    /// Volume to describe
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// Data set or array to describe of a file that holds several [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// Prints the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Also reads the voxels: least, greatest and mean value, standard deviation, percentiles, numbers of NaN and
    /// infinite voxels
    #[arg(long)]
    pub(crate) stats: bool,
}

/// Compares two volumes, or two tables (.csv, .tsv).
///
/// Volumes: shapes, places in the world, numbers of voxels that differ, largest difference, and Dice for every label of
/// label maps; 64-bit integers are compared exactly. Tables: rows are matched by their first cell, columns by name; per
/// column, the cells that differ and the largest difference, absolute and relative; texts must be equal; rows or columns
/// that only one table has are told. Exit status 1 when they differ by more than is allowed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  volconv diff mine.nii.gz theirs.nii.gz --max-different 368\n  \
                        volconv diff a.csv b.csv --tolerance 0.5")]
pub(crate) struct DiffArgs {
    /// First volume or table
    pub(crate) a: PathBuf,
    /// Second volume or table
    pub(crate) b: PathBuf,
    /// Voxels (cells) that may differ
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_different: u64,
    /// Difference up to which two values count as equal, in the units of the values
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = tolerance)]
    pub(crate) tolerance: f64,
    /// Prints the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Turns the weights of a Keras network (HDF5) into a safetensors file, which loads faster and needs no HDF5 reader.
///
/// Arrays keep their names and shapes; the order of the layers, Keras's version and backend, name and SHA-256 of the
/// HDF5 file are kept in the header. Both kinds of files are read: those of `save_weights` and those of a whole model.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  volconv weights synthseg_2.0.h5 synthseg_2.0.safetensors\n  \
                        volconv weights synthseg_2.0.h5 small.safetensors --half\n  \
                        volconv weights own.safetensors own.h5\n  \
                        volconv weights synthseg_2.0.h5 --list")]
pub(crate) struct WeightsArgs {
    /// Keras (.h5) or safetensors file of weights to read
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// File to write: Keras where the name ends in .h5 or .hdf5, safetensors otherwise
    #[arg(value_name = "OUT", required_unless_present = "list")]
    pub(crate) output: Option<PathBuf>,
    /// Stores f16 instead of f32: half the size, values rounded to 11 bits; arrays with values beyond 65504 stay f32
    #[arg(long, requires = "output")]
    pub(crate) half: bool,
    /// Prints name, shape and element type of every array, in the order of the layers
    #[arg(long)]
    pub(crate) list: bool,
    /// Replaces the output if it exists
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// What `--chunk` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    Keep,
    Frame,
    Lengths(Vec<usize>),
}

fn chunk(text: &str) -> Result<Chunk, String> {
    match text {
        "keep" => Ok(Chunk::Keep),
        "frame" => Ok(Chunk::Frame),
        _ => {
            let lengths: Result<Vec<usize>, _> = text.split(',').map(|part| part.trim().parse()).collect();
            lengths.map(Chunk::Lengths).map_err(|_| "must be keep, frame or whole numbers".to_owned())
        }
    }
}

fn dtype(name: &str) -> Result<DType, String> {
    let known = || DType::ALL.map(DType::name).join(", ");
    DType::from_name(name).ok_or_else(|| format!("no such type; there are {}", known()))
}

fn order(text: &str) -> Result<Order, String> {
    match text {
        "0" => Ok(Order::Nearest),
        "1" => Ok(Order::Linear),
        "3" => Ok(Order::Cubic),
        _ => Err("must be 0, 1 or 3".to_owned()),
    }
}

fn tolerance(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if value >= 0.0 { Ok(value) } else { Err("must be 0 or above".to_owned()) }
}
