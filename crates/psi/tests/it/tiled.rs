//! Tiles of an image equal the image.

use volkit_core::{
    Affine, Batch, DType, MemorySink, Predictor as _, SilentProgress, Volume, VolumeMeta, VolumeSink as _,
};
use volkit_kernels::{ConvOptions, Isa, Mode};
use volkit_psi::SimpleUNet;
use volkit_tile::{AxisSpec, Blend, Inset, NamedWindow, Target, TilePlan, TiledInference};

use crate::net::noise;

const SIZE: [usize; 2] = [90, 76];

/// The image directly, and through a plan.
fn both(mode: Mode, plan: &TilePlan, blend: Blend) -> [Vec<f32>; 2] {
    let store = SimpleUNet::initial_weights(&SimpleUNet::CHANNELS, 8).unwrap();
    let net = SimpleUNet::from_store(&store, ConvOptions::new(Isa::detect()).with_mode(mode)).unwrap();
    let [height, width] = SIZE;
    let values = noise(16 * height * width);
    let mut model = net.predictor();
    let direct = model.predict(&Batch::new([1, 16, height, width], values.clone()).unwrap()).unwrap().remove(0);
    let image = Volume::new([width, height, 16], values, Affine::IDENTITY).unwrap();
    let meta = VolumeMeta::new([width, height], DType::F32, Affine::IDENTITY).unwrap();
    let (sink, slot) = MemorySink::new(meta).unwrap();
    let inference = TiledInference::new(plan).with_blend(blend);
    inference.run(&image, &mut [&mut model], vec![Target::new(&sink)], &SilentProgress).unwrap();
    Box::new(sink).finish().unwrap();
    let tiled = slot.lock().unwrap().take().unwrap().to_real::<f32>().unwrap();
    [direct.into_values(), tiled]
}

fn error([direct, tiled]: &[Vec<f32>; 2]) -> f32 {
    let most = direct.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    direct.iter().zip(tiled).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs())) / most
}

#[test]
fn crop_gives_the_bits_of_the_image() {
    let plan = TilePlan::for_receptive_field(&SIZE, &[40; 2], &[4; 2], 1).unwrap();
    let [direct, tiled] = both(Mode::Exact, &plan, Blend::Crop);
    assert!(direct.iter().zip(&tiled).all(|(a, b)| a.to_bits() == b.to_bits()));
    // Tiles of Winograd's algorithms lie elsewhere in another image.
    for mode in [Mode::Strict, Mode::FastMath] {
        assert!(error(&both(mode, &plan, Blend::Crop)) <= 1e-5);
    }
}

#[test]
fn a_hann_window_inside_the_part_that_is_right_leaves_no_seam() {
    let plan = TilePlan::new(&SIZE, &[AxisSpec::new(40, 16); 2]).unwrap();
    let plain = error(&both(Mode::Exact, &plan, NamedWindow::Hann.into()));
    let inset = error(&both(Mode::Exact, &plan, Blend::window(Inset::new(NamedWindow::Hann, [4, 4]))));
    // Rounding of the weighted sums alone.
    assert!(inset <= 1e-6 && plain > 1e-4, "{inset:e}, without the margin {plain:e}");
}
