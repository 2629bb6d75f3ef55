//! Prints what tiling alone costs in CPU seconds, one line an image, for `cargo xtask peers tiling`.
#![forbid(unsafe_code)]

use clap::Parser;
use volkit_benches_tile::{MERGES, merge_secs};
use volkit_core::BoxError;

/// CPU seconds of an identity through the Gaussian window, overlap 1/4: axes joined by `x`, tile, seconds on one thread,
/// seconds with a thread for each stage.
#[derive(Debug, Parser)]
struct Args {
    /// Runs of which the least counts
    #[arg(long, default_value_t = 7)]
    runs: usize,
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    for (shape, tile) in MERGES {
        let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
        let [alone, threads] = [0, 1].map(|depth| merge_secs(shape, tile, depth, args.runs));
        println!("{} {tile} {:.4} {:.4}", axes.join("x"), alone?, threads?);
    }
    Ok(())
}
