//! Prints the tables of `docs/tiling.md`: reconstruction through an identity, seams of the network of the benchmark, and the CPU time
//! of tiling alone.
//!
//! `cargo bench -p volkit-benches-tile --bench tables`.

use volkit_benches_tile::{MERGES, merge_secs, noise, run_over, volume};
use volkit_core::{Batch, BoxError, Predictor as _};
use volkit_kernels::Isa;
use volkit_psi::SimpleUNet;
use volkit_tile::{AxisSpec, Blend, ImportanceMap, Inset, NamedWindow, Pointwise, TilePlan, TiledInference};

/// Runs of the overhead table; the least of them counts.
const REPEATS: usize = 7;

fn main() -> Result<(), BoxError> {
    reconstruction()?;
    seams()?;
    overhead()
}

fn blends() -> Result<Vec<(&'static str, Blend)>, BoxError> {
    let names = ["hann", "linear", "constant", "gaussian", "triangle", "tukey", "hann-full", "torchio-hann"];
    let mut blends = vec![("crop", Blend::Crop)];
    for name in names.into_iter().chain(["symmetric-hann"]) {
        blends.push((name, name.parse::<NamedWindow>()?.into()));
    }
    blends.push(("MONAI gaussian", ImportanceMap::MonaiGaussian { sigma: vec![0.125] }.into()));
    Ok(blends)
}

/// Relative L2 error and largest error of a 1024 x 1024 image, tile 512, overlap 128.
fn reconstruction() -> Result<(), BoxError> {
    const N: usize = 1024;
    println!("reconstruction of {N} x {N}, tile 512, overlap 128: relative L2, largest error");
    let gradient = (0..N * N).map(|i| 2.0 * (i / N + i % N) as f32 / (2 * N - 2) as f32).collect();
    let images = [("uniform", vec![0.5f32; N * N]), ("gradient", gradient), ("noise", noise(N * N, 42))];
    let plan = TilePlan::new(&[N, N], &[AxisSpec::new(512, 128); 2])?;
    for (name, blend) in blends()? {
        print!("{name:<16}");
        for (image_name, values) in &images {
            let image = volume(&[1, N, N], values.clone())?;
            let inference = TiledInference::new(&plan).with_blend(blend.clone());
            let got = run_over(inference, &image, &mut Pointwise::identity(1, 2), &[N, N])?;
            let pairs = || got.iter().zip(values).map(|(a, b)| (f64::from(a - b), f64::from(*b)));
            let [error, whole] = pairs().fold([0.0; 2], |[e, w], (d, b)| [e + d * d, w + b * b]);
            let largest = pairs().map(|(d, _)| d.abs()).fold(0.0, f64::max);
            print!("  {image_name} {:.1e} {largest:.1e}", (error / whole).sqrt());
        }
        println!();
    }
    Ok(())
}

/// Largest difference to direct inference, relative to its largest value: 16-32-64-32-1 channels with weights from a seed
/// over noise in [0, 1), 512 x 512, tile 256.
fn seams() -> Result<(), BoxError> {
    const N: usize = 512;
    let net = SimpleUNet::from_store(&SimpleUNet::initial_weights(&SimpleUNet::CHANNELS, 1)?, Isa::detect())?;
    let mut model = net.predictor();
    let values = noise(16 * N * N, 3);
    let direct = model.predict(&Batch::new([1, 16, N, N], values.clone())?)?.remove(0).into_values();
    let image = volume(&[16, N, N], values)?;
    let scale = direct.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    let mut blends = blends()?;
    blends.insert(1, ("hann inset by 4", Blend::window(Inset::new(NamedWindow::Hann, vec![4; 2]))));
    for overlap in [128, 64, 16] {
        println!("seams of 16-32-64-32-1 channels, {N} x {N}, tile 256, overlap {overlap}");
        let plan = TilePlan::new(&[N, N], &[AxisSpec::new(256, overlap); 2])?;
        for (name, blend) in &blends {
            let got = run_over(TiledInference::new(&plan).with_blend(blend.clone()), &image, &mut model, &[N, N])?;
            let worst = got.iter().zip(&direct).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
            println!("{name:<16}  {:.1e}", worst / scale);
        }
    }
    Ok(())
}

/// CPU seconds of an identity through the Gaussian window.
fn overhead() -> Result<(), BoxError> {
    println!("CPU seconds of tiling alone (identity, Gaussian window, overlap 1/4), least of {REPEATS}");
    for (shape, tile) in MERGES {
        let [alone, threads] = [0, 1].map(|depth| merge_secs(shape, tile, depth, REPEATS));
        println!("{shape:?} tile {tile}: {:.4} on one thread, {:.4} with a thread for each stage", alone?, threads?);
    }
    Ok(())
}
