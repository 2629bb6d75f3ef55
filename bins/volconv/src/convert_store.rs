//! `volconv convert FILE.h5 STORE.zarr`: whole HDF5 files.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use volkit_bench::{RunReport, StageClock, peak_bytes};
use volkit_core::{BoxError, Progress};
use volkit_io::{
    BloscCodec, BloscShuffle, ChunkRule, ConvertOptions, ConvertReport, IoError, ZarrCodec, ZarrVersion, convert_hdf5,
};

use crate::args::{Chunk, ConvertArgs};

const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// Exit status of a wrong command line.
const USAGE: u8 = 2;

/// Whether the input is a whole HDF5 file and the output a store.
pub(crate) fn is_meant(args: &ConvertArgs) -> bool {
    let to_store = args.output.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("zarr"));
    let of_volume = args.dataset.is_some() || args.dtype.is_some() || args.orient.is_some() || args.spacing.is_some();
    to_store && !of_volume && !is_pyramid(&args.output) && is_hdf5(&args.input)
}

/// Whether the name of an output asks for a volume in several resolutions.
pub(crate) fn is_pyramid(output: &Path) -> bool {
    output.to_string_lossy().to_ascii_lowercase().ends_with(".ome.zarr")
}

fn is_hdf5(path: &Path) -> bool {
    let mut start = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let suffix = path.extension().is_some_and(|suffix| suffix == "h5" || suffix == "hdf5");
    read.is_ok() && (&start == SIGNATURE || suffix)
}

pub(crate) fn run(args: &ConvertArgs) -> Result<ExitCode, BoxError> {
    let bar: Arc<dyn Progress> = Arc::new(Lines::new(args.quiet || args.json));
    let clock = StageClock::wrapping(bar);
    let convert = || convert_hdf5(&args.input, &args.output, &options(args), &clock);
    // 0 is rayon's word for all cores.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0)).build()?;
    let report = match pool.install(convert) {
        Err(IoError::Exists { path }) => {
            let path = path.display();
            eprintln!(
                "volconv: {path}: destination exists and was made from something else; --overwrite replaces it \
                 (--resume goes on with an interrupted conversion, of which there is none here)"
            );
            return Ok(ExitCode::from(USAGE));
        }
        done => done?,
    };
    for warning in &report.warnings {
        eprintln!("volconv: {}: warning: {warning}", args.input.display());
    }
    let times = clock.report("volconv convert", env!("CARGO_PKG_VERSION"));
    if args.json {
        println!("{}", serde_json::to_string_pretty(&to_json(args, &report, &times))?);
    } else {
        print(args, &report);
    }
    Ok(ExitCode::SUCCESS)
}

fn options(args: &ConvertArgs) -> ConvertOptions {
    let chunks = match &args.chunk {
        None => ChunkRule::Auto,
        Some(Chunk::Keep) => ChunkRule::Keep,
        Some(Chunk::Frame) => ChunkRule::Frame,
        Some(Chunk::Lengths(lengths)) => ChunkRule::Shape(lengths.clone()),
    };
    let codec = match args.codec.as_str() {
        "zstd" => ZarrCodec::default(),
        "gzip" => ZarrCodec::Gzip { level: 6 },
        "none" => ZarrCodec::None,
        _ => ZarrCodec::Blosc { codec: BloscCodec::Lz4, level: 5, shuffle: BloscShuffle::Bit },
    };
    ConvertOptions::new()
        .with_chunks(chunks)
        .with_codec(codec)
        .with_version(version(args))
        .with_overwrite(args.overwrite)
        .with_verify(args.verify)
}

/// Version of the Zarr format of what is written.
pub(crate) fn version(args: &ConvertArgs) -> ZarrVersion {
    if args.zarr_version == 2 { ZarrVersion::V2 } else { ZarrVersion::V3 }
}

fn print(args: &ConvertArgs, report: &ConvertReport) {
    for array in &report.arrays {
        let checked =
            array.checksum.map_or_else(String::new, |sum| format!(", equal to the source (CRC-32 {sum:08x})"));
        println!("{}: {:?} {}, chunks {:?}{checked}", array.path, array.shape, array.dtype, array.chunk);
    }
    let state = match (report.up_to_date, report.resumed) {
        (true, _) => "up to date",
        (false, true) => "resumed and finished",
        (false, false) => "converted",
    };
    println!("{}: {state}", args.output.display());
}

fn to_json(args: &ConvertArgs, report: &ConvertReport, times: &RunReport) -> serde_json::Value {
    let arrays: Vec<_> = report
        .arrays
        .iter()
        .map(|array| {
            json!({
                "path": array.path, "shape": array.shape, "dtype": array.dtype.name(), "chunk": array.chunk,
                "converted": array.converted, "boxes": array.boxes, "crc32": array.checksum,
            })
        })
        .collect();
    json!({
        "input": args.input, "output": args.output, "up_to_date": report.up_to_date, "resumed": report.resumed,
        "arrays": arrays, "warnings": report.warnings, "times": times, "peak_bytes": peak_bytes(),
    })
}

/// Ten lines a stage on standard error; on a terminal one line that changes.
struct Lines {
    quiet: bool,
    total: AtomicU64,
    done: AtomicU64,
}

impl Lines {
    fn new(quiet: bool) -> Self {
        Self { quiet, total: AtomicU64::new(0), done: AtomicU64::new(0) }
    }
}

impl Progress for Lines {
    fn begin(&self, _stage: &str, total: u64) {
        self.total.store(total.max(1), Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    fn advance(&self, steps: u64) {
        let before = self.done.fetch_add(steps, Ordering::Relaxed);
        let (done, total) = (before + steps, self.total.load(Ordering::Relaxed));
        if !self.quiet && 10 * done / total > 10 * before / total {
            let end = if std::io::stderr().is_terminal() && done < total { '\r' } else { '\n' };
            eprint!("{} of {} MB{end}", done / 1_000_000, total / 1_000_000);
        }
    }
}
