//! Runs a network with weights from a seed over an image, directly and tile by tile, and compares the bits:
//! `cargo run --release -p volkit-psi --example tiled`.

use std::time::Instant;

use volkit_core::VolumeSink as _;
use volkit_core::{Affine, Batch, BoxError, DType, MemorySink, Predictor as _, SilentProgress, Volume, VolumeMeta};
use volkit_kernels::{ConvOptions, Isa, Mode};
use volkit_psi::SimpleUNet;
use volkit_tile::{Blend, Target, TilePlan, TiledInference};

fn main() -> Result<(), BoxError> {
    let [height, width, tile] = [600, 500, 256];
    let store = SimpleUNet::initial_weights(&SimpleUNet::CHANNELS, 1)?;
    let values: Vec<f32> = (0..16 * height * width).map(|i| (i * 7919 % 1000) as f32 / 1000.0).collect();
    let image = Volume::new([width, height, 16], values.clone(), Affine::IDENTITY)?;
    for mode in Mode::ALL {
        let net = SimpleUNet::from_store(&store, ConvOptions::new(Isa::detect()).with_mode(mode))?;
        let mut model = net.predictor();
        let began = Instant::now();
        let direct = model.predict(&Batch::new([1, 16, height, width], values.clone())?)?.remove(0);
        let direct_secs = began.elapsed().as_secs_f64();
        let plan = TilePlan::for_receptive_field(&[height, width], &[tile; 2], &[net.receptive_radius(); 2], 1)?;
        let (sink, slot) = MemorySink::new(VolumeMeta::new([width, height], DType::F32, Affine::IDENTITY)?)?;
        let began = Instant::now();
        let inference = TiledInference::new(&plan).with_blend(Blend::Crop);
        inference.run(&image, &mut [&mut model], vec![Target::new(&sink)], &SilentProgress)?;
        let tiled_secs = began.elapsed().as_secs_f64();
        Box::new(sink).finish()?;
        let tiled = slot.lock().map_err(|_| "the sink is broken")?.take().ok_or("the sink gave nothing")?;
        let tiled = tiled.to_real::<f32>()?;
        let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0f32, |most, x| most.max(x.abs()));
        let error = largest(&mut tiled.iter().zip(direct.values()).map(|(a, b)| a - b));
        let scale = largest(&mut direct.values().iter().copied());
        println!(
            "{:<10} direct {direct_secs:.3} s, {} tiles {tiled_secs:.3} s, largest difference {:.1e} of the maximum",
            mode.name(),
            plan.n_tiles(),
            error / scale
        );
    }
    Ok(())
}
