//! Passes of a 2-D network over an image, directly or tile by tile, one for each line `run` on standard input, so that
//! engines can be timed in turn with everything loaded and warm. `cargo xtask peers tiling` drives it beside PyTorch and
//! MONAI.
//!
//! Answers as [`serve_runs`] does; results are saved as `[K, H, W]`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use volkit_bench::serve_runs;
use volkit_benches_tile::{run_over, volume};
use volkit_core::{Affine, Batch, BoxError, DType, Predictor as _, VolumeMeta, read_all};
use volkit_io::{ReadOptions, SafetensorsStore};
use volkit_kernels::{ConvOptions, Isa, Mode, Threads};
use volkit_psi::SimpleUNet;
use volkit_tile::{AxisSpec, Blend, NamedWindow, SmallAxis, TilePlan, TiledInference};

#[derive(Debug, Parser)]
struct Args {
    /// Weights with PyTorch's names (.safetensors)
    weights: PathBuf,
    /// Image [C, H, W]: f32 values in native byte order
    image: PathBuf,
    /// Height and width
    #[arg(value_delimiter = ',', required = true)]
    size: Vec<usize>,
    /// `direct`, `crop` with the least overlap that is exact, or a window
    #[arg(long, default_value = "direct")]
    window: String,
    /// Tile length
    #[arg(long, default_value_t = 512)]
    tile: usize,
    /// Overlap of windows
    #[arg(long, default_value_t = 128)]
    overlap: usize,
    /// Threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How sums are computed
    #[arg(long, default_value = "exact")]
    mode: String,
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let &[height, width] = args.size.as_slice() else { return Err("size: expected H,W".into()) };
    let mode = Mode::from_name(&args.mode).ok_or("mode: expected exact, strict or fast-math")?;
    let threads = Arc::new(Threads::new(args.threads));
    let options = ConvOptions::new(Isa::detect()).with_mode(mode);
    let net = SimpleUNet::from_store(&SafetensorsStore::open(&args.weights)?, options)?;
    let channels = net.channels()[0];
    let meta = VolumeMeta::new([width, height, channels], DType::F32, Affine::IDENTITY)?;
    let image = read_all(volkit_io::open_raw(&args.image, &meta, 0, &ReadOptions::default())?.as_ref())?;
    let values = image.to_real::<f32>()?;
    let mut model = net.predictor().with_threads(Arc::clone(&threads));
    let name = format!("volkit {} {} {}", Isa::detect().name(), mode.name(), args.window);
    let shape = [net.channels()[net.channels().len() - 1], height, width];
    let mut run: Box<dyn FnMut() -> Result<Vec<f32>, BoxError>> = if args.window == "direct" {
        drop(image);
        let batch = Batch::new([1, channels, height, width], values)?;
        Box::new(move || Ok(model.predict(&batch)?.remove(0).into_values()))
    } else {
        let image = volume(&[channels, height, width], values)?;
        let radius = [net.receptive_radius(); 2];
        let (plan, blend) = if args.window == "crop" {
            (TilePlan::for_receptive_field(&[height, width], &[args.tile; 2], &radius, 1)?, Blend::Crop)
        } else {
            let spec = AxisSpec::new(args.tile, args.overlap).with_small(SmallAxis::Shrink);
            (TilePlan::new(&[height, width], &[spec; 2])?, args.window.parse::<NamedWindow>()?.into())
        };
        Box::new(move || run_over(TiledInference::new(&plan).with_blend(blend.clone()), &image, &mut model, &shape))
    };
    let run = |last| {
        // Before the next is made, so that two are never held.
        drop(last);
        run()
    };
    serve_runs(&name, std::io::stdin().lock(), std::io::stdout().lock(), run, |last| last)
}
