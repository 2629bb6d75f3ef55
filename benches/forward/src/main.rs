//! Forward passes of a SynthSeg network, one for each line `run` on standard input, so that engines can be timed in turn
//! with everything loaded and warm. `cargo xtask peers unet` drives it beside the programs of `xtask/peers`.
//!
//! Answers as [`serve_runs`] does; results are saved in the order `[z][y][x][c]`.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Parser;
use volkit_bench::serve_runs;
use volkit_core::SilentProgress;
use volkit_io::KerasStore;
use volkit_kernels::{ConvOptions, Isa, Mode, Threads, Workspace};
use volkit_seg::{NetworkBuild, Posteriors, SegmentationNet};

#[derive(Debug, Parser)]
struct Args {
    /// Keras weights of a segmentation network (.h5).
    weights: PathBuf,
    /// Image: f32 values in native byte order, x fastest.
    image: PathBuf,
    /// Voxels along x, y and z.
    #[arg(value_delimiter = ',', required = true)]
    size: Vec<usize>,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How sums are computed.
    #[arg(long, default_value = "fast-math")]
    mode: Mode,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let &[nx, ny, nz] = args.size.as_slice() else { bail!("size: expected X,Y,Z") };
    let image = read(&args.image)?;
    let store = KerasStore::open(&args.weights)?;
    let threads = Threads::new(args.threads);
    let options = ConvOptions::new(Isa::detect()).with_mode(args.mode).with_threads(&threads);
    let workspace = Workspace::default();
    let build = NetworkBuild::new().with_conv(options).with_workspace(&workspace);
    let net = SegmentationNet::from_store(&store, &build).with_context(|| args.weights.display().to_string())?;
    let name = format!("volkit {} {} {}", env!("CARGO_PKG_VERSION"), Isa::detect().name(), args.mode.name());
    let run = |last: Option<Posteriors>| match last {
        Some(mut last) => {
            net.forward_into(&image, &mut last, &threads, &SilentProgress)?;
            Ok(last)
        }
        None => Ok(net.forward(&image, [nx, ny, nz], &threads, &SilentProgress)?),
    };
    let served = serve_runs(&name, std::io::stdin().lock(), std::io::stdout().lock(), run, |last| &last.values);
    served.map_err(|error| anyhow!(error))
}

fn read(path: &Path) -> Result<Vec<f32>> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    ensure!(bytes.len() % size_of::<f32>() == 0, "{}: {} bytes are no f32 values", path.display(), bytes.len());
    Ok(bytemuck::pod_collect_to_vec(&bytes))
}
