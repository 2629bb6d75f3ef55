//! The network of the training goldens, which PyTorch computed.

use std::path::PathBuf;

use volkit_core::{ArrayStore as _, Batch, MemoryStore, Predictor as _};
use volkit_io::SafetensorsStore;
use volkit_kernels::{ConvOptions, Isa, Mode};
use volkit_psi::SimpleUNet;

/// The folder with results of other programs; none where it is not at hand.
fn golden() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("VOLKIT_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("golden/training");
    folder.is_dir().then_some(folder)
}

#[test]
fn simple_unet_in_f32() {
    let Some(folder) = golden() else {
        println!("skipped: no golden/training folder");
        return;
    };
    let all = SafetensorsStore::open(folder.join("training.safetensors")).unwrap();
    let mut store = MemoryStore::new();
    for i in 0..4 {
        store.insert(format!("conv{i}.weight"), all.get(&format!("su.w{i}")).unwrap());
        store.insert(format!("conv{i}.bias"), all.get(&format!("su.b{i}")).unwrap());
    }
    let (x, y) = (all.get("su.x").unwrap(), all.get("su.y").unwrap());
    let wanted = y.to_real::<f32>().unwrap();
    let most = wanted.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    for mode in Mode::ALL {
        let net = SimpleUNet::from_store(&store, ConvOptions::new(Isa::detect()).with_mode(mode)).unwrap();
        assert_eq!(net.channels(), SimpleUNet::CHANNELS);
        let batch = Batch::new(x.shape(), x.to_real::<f32>().unwrap()).unwrap();
        let got = net.predictor().predict(&batch).unwrap().remove(0);
        assert_eq!(got.shape(), y.shape());
        let error = got.values().iter().zip(&wanted).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        // The tolerance of the goldens' README.
        assert!(error <= 1e-5 * most, "{mode}: {error:e} of {most:e}");
    }
}
