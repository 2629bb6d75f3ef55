//! Training steps, one for each line `run` on standard input, so that engines can be timed in turn. `cargo xtask peers nn3d`
//! drives it beside the program of `xtask/peers`.
//!
//! All arguments are written to a file first; `save FILE` then writes the result and the gradients of the arguments, in
//! the order of their names. `RAYON_NUM_THREADS` sets the threads.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::{Parser, ValueEnum};
use volkit_bench::serve_runs;
use volkit_benches_nn3d::{ConvStep, Step, UNetStep};
use volkit_nn3d::OpPath;

/// Keeps the memory of tensors between steps; the system's allocator gives it back, and pages are cleared anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Args {
    /// What a step is.
    work: Work,
    /// File for the arguments, in safetensors.
    arguments: PathBuf,
    /// Runs candle's own ops instead of the kernels.
    #[arg(long)]
    composite: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Work {
    /// A convolution 24 -> 24 on 64^3 voxels.
    Conv,
    /// A U-Net on 96 x 80 x 64 voxels.
    UNet,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let path = if args.composite { OpPath::Composite } else { OpPath::Kernel };
    let step: Box<dyn Step> = match args.work {
        Work::Conv => Box::new(ConvStep::new(24, 64, path)?),
        Work::UNet => Box::new(UNetStep::new([96, 80, 64], path)?),
    };
    step.save_arguments(&args.arguments)?;
    let name = format!("volkit {}", env!("CARGO_PKG_VERSION"));
    serve_runs(
        &name,
        std::io::stdin().lock(),
        std::io::stdout().lock(),
        |last| {
            drop(last);
            Ok(step.run()?)
        },
        |result| result.values(),
    )
    .map_err(|error| anyhow!(error))
}
