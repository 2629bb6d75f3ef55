//! Forward and backward passes of a made-up scene, one for each line `run` on standard input, so that engines can be
//! timed in turn. `cargo xtask peers splat` drives it beside the program of `xtask/peers`.
//!
//! Answers, one line each: `ready NAME` at the start; `run` gives CPU seconds, wall seconds and the wall seconds of the
//! forward pass; `memory` the bytes that are kept a Gaussian and the pairs of tile and splat; `save FOLDER` writes
//! scene, weights, picture and gradients as little-endian f32 files and answers `saved`.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use volkit_bench::cpu_secs;
use volkit_benches_splat::Case;
use volkit_splat::{Colours, Isa, Threads};

#[derive(Debug, Parser)]
struct Args {
    /// Gaussians.
    n: usize,
    /// Pixels along each side of the picture.
    side: usize,
    /// Band of spherical harmonics; plain colours without.
    #[arg(long)]
    degree: Option<usize>,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let isa = Isa::detect();
    let mut case = Case::new(args.n, args.side, args.degree, isa, Arc::new(Threads::new(args.threads)))?;
    println!("ready volkit {} {}", env!("CARGO_PKG_VERSION"), isa.name());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("run", _) => {
                let begun = (cpu_secs().unwrap_or(0.0), Instant::now());
                case.forward()?;
                let forward = begun.1.elapsed().as_secs_f64();
                case.backward()?;
                let wall = begun.1.elapsed().as_secs_f64();
                println!("{:.6} {wall:.6} {forward:.6}", cpu_secs().unwrap_or(0.0) - begun.0);
            }
            ("memory", _) => {
                let rasterizer = case.rasterizer();
                let bytes = rasterizer.scratch_bytes() as f64 / args.n.max(1) as f64;
                println!("{bytes:.1} {}", rasterizer.n_intersections());
            }
            ("save", folder) => {
                save(&case, Path::new(folder))?;
                println!("saved");
            }
            _ => bail!("`{line}`: expected `run`, `memory` or `save FOLDER`"),
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn save(case: &Case, folder: &Path) -> Result<()> {
    let write = |name: &str, values: &[f32]| {
        let path = folder.join(format!("{name}.f32"));
        fs::write(&path, bytemuck::cast_slice(values)).with_context(|| path.display().to_string())
    };
    let Colours::Rgb(rgb) = &case.scene.colours else { bail!("save: only scenes of plain colours") };
    write("means", case.scene.means.as_flattened())?;
    write("quats", case.scene.quats.as_flattened())?;
    write("log_scales", case.scene.log_scales.as_flattened())?;
    write("logit_opacities", &case.scene.logit_opacities)?;
    write("colours", rgb.as_flattened())?;
    let pose: Vec<f32> = case.camera.camera_from_world.into_iter().flatten().map(|x| x as f32).collect();
    write("camera_from_world", &pose)?;
    let i = case.camera.intrinsics;
    write("intrinsics", &[i.focal_px[0], i.focal_px[1], i.centre_px[0], i.centre_px[1]].map(|x| x as f32))?;
    for (name, values) in ["w_colour", "w_alpha", "w_depth"].iter().zip(&case.weights) {
        write(name, values)?;
    }
    write("colour", &case.picture.colour)?;
    let g = &case.gradients;
    write("g_means", g.means.as_flattened())?;
    write("g_quats", g.quats.as_flattened())?;
    write("g_log_scales", g.log_scales.as_flattened())?;
    write("g_logit_opacities", &g.logit_opacities)?;
    write("g_colours", g.colours.as_flattened())
}
