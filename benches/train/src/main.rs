//! Training steps, one for each line `run` on standard input, so that engines can be timed in turn. `cargo xtask peers train`
//! drives it beside the program of `xtask/peers`.
//!
//! The arguments are written to a file first; `save FILE` then writes the loss and the parameters after the step.
//! `RAYON_NUM_THREADS` sets the threads.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::{Parser, ValueEnum};
use volkit_bench::serve_runs;
use volkit_benches_train::{SimpleStep, StepKind};

/// Keeps the memory of tensors between steps; the system's allocator gives it back, and pages are cleared anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Args {
    /// How the step is taken.
    kind: Kind,
    /// File for the arguments, in safetensors.
    arguments: PathBuf,
    /// Images of the batch.
    #[arg(long, default_value_t = 4)]
    batch: usize,
    /// Length of their edges in pixels.
    #[arg(long, default_value_t = 256)]
    size: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// The whole batch in f32.
    Plain,
    /// The whole batch in bf16.
    Bf16,
    /// Sample by sample.
    Accumulated,
    /// With activation checkpointing.
    Checkpointed,
    /// Through a chain of 24 convolutions.
    Deep,
    /// The same with activation checkpointing.
    DeepCheckpointed,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let kind = match args.kind {
        Kind::Plain => StepKind::Plain,
        Kind::Bf16 => StepKind::Bf16,
        Kind::Accumulated => StepKind::Accumulated,
        Kind::Checkpointed => StepKind::Checkpointed,
        Kind::Deep => StepKind::Deep,
        Kind::DeepCheckpointed => StepKind::DeepCheckpointed,
    };
    let mut step = SimpleStep::new(kind, args.batch, args.size).map_err(|error| anyhow!(error))?;
    step.save_arguments(&args.arguments).map_err(|error| anyhow!(error))?;
    let name = format!("volkit {}", env!("CARGO_PKG_VERSION"));
    let run = |last: Option<Vec<f32>>| {
        drop(last);
        step.run()
    };
    serve_runs(&name, std::io::stdin().lock(), std::io::stdout().lock(), run, |result| result)
        .map_err(|error| anyhow!(error))
}
