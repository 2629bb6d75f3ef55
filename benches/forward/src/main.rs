//! Forward passes of a SynthSeg network, one for each line `run` on standard input, so that engines can be timed in turn
//! with everything loaded and warm. `cargo xtask peers unet` drives it beside the programs of `xtask/peers`.
//!
//! Answers, one line each: `ready NAME` after loading; `run` gives CPU seconds, wall seconds and the peak resident bytes
//! so far; `save FILE` writes the last result as f32 in the order `[z][y][x][c]` and answers `saved`.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use volkit_bench::{cpu_secs, peak_bytes};
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
    println!("ready volkit {} {} {}", env!("CARGO_PKG_VERSION"), Isa::detect().name(), args.mode.name());
    let mut last: Option<Posteriors> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("run", _) => {
                let begun = (cpu_secs().unwrap_or(0.0), Instant::now());
                match &mut last {
                    Some(last) => net.forward_into(&image, last, &threads, &SilentProgress)?,
                    None => last = Some(net.forward(&image, [nx, ny, nz], &threads, &SilentProgress)?),
                }
                let wall = begun.1.elapsed().as_secs_f64();
                println!("{:.4} {wall:.4} {}", cpu_secs().unwrap_or(0.0) - begun.0, peak_bytes().unwrap_or(0));
            }
            ("save", file) => {
                let result = last.as_ref().context("save: nothing was run yet")?;
                fs::write(file, bytemuck::cast_slice(&result.values)).with_context(|| file.to_owned())?;
                println!("saved");
            }
            _ => bail!("`{line}`: expected `run` or `save FILE`"),
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<f32>> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    ensure!(bytes.len() % size_of::<f32>() == 0, "{}: {} bytes are no f32 values", path.display(), bytes.len());
    Ok(bytemuck::pod_collect_to_vec(&bytes))
}
