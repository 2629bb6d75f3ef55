//! The composite path of SynthSeg and MeshNet against the kernels, and its batch norm against the folded one.

use candle_core::{Device, Tensor};
use volkit_core::{Affine, ArrayStore, SilentProgress, Volume};
use volkit_kernels::{Isa, Threads};
use volkit_nn3d::{BatchNormConfig, OpPath, batch_norm};
use volkit_seg::{
    CompactNet, MeshNet, NetPath, NetworkBuild, NetworkOptions, NetworkOutput, Networks, ParcellationNet, Posteriors,
    QualityNet, SegmentOptions, SegmentationNet, Segmenter as _,
};

use crate::nets::{self, Layer};
use crate::synthseg_net::{DENOISER, GROUPS, PARCELS, PLAIN, REFINED, V1, image, quality_store, store};

const SIZE: [usize; 3] = [12, 8, 4];
/// Rounding of f32 sums in another order, through a dozen layers.
const ATOL: f32 = 5e-6;

fn run(segmentation: &dyn ArrayStore, parcellation: &dyn ArrayStore, path: NetPath) -> NetworkOutput {
    let isa = Isa::detect();
    let networks = Networks::new(
        SegmentationNet::from_store(segmentation, &NetworkBuild::new().with_conv(isa).with_path(path)).unwrap(),
    )
    .with_parcellation(
        ParcellationNet::from_store(parcellation, &NetworkBuild::new().with_conv(isa).with_path(path)).unwrap(),
    );
    let options = NetworkOptions::default();
    assert!(networks.run_bytes(SIZE, &options).unwrap() > 0);
    networks.run(&image(), SIZE, &options, &Threads::new(2), &SilentProgress).unwrap()
}

fn check(kernel: &Posteriors, composite: &Posteriors) {
    let worst = kernel.values.iter().zip(&composite.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{} channels: largest difference {worst:.1e}", kernel.channels);
    assert!(kernel.size == composite.size && worst <= ATOL, "{worst}");
    let threads = Threads::single();
    assert_eq!(kernel.argmax(&threads).unwrap(), composite.argmax(&threads).unwrap());
}

#[test]
fn both_paths_give_the_same_labels() {
    let parcels = store(&[PARCELS]);
    for segmentation in [store(&[PLAIN]), store(&[V1]), store(&[GROUPS, DENOISER, REFINED])] {
        let [kernel, composite] = [NetPath::Kernel, NetPath::Composite].map(|path| run(&segmentation, &parcels, path));
        check(&kernel.segmentation, &composite.segmentation);
        check(kernel.parcellation.as_ref().unwrap(), composite.parcellation.as_ref().unwrap());
    }
}

#[test]
fn both_paths_give_the_same_scores() {
    let groups: Vec<u8> = (0..SIZE.iter().product::<usize>()).map(|i| (i * 7 % 9) as u8).collect();
    for features in [4, 9] {
        let store = quality_store(features);
        let scores = [NetPath::Kernel, NetPath::Composite].map(|path| {
            let net =
                QualityNet::from_store(&store, &NetworkBuild::new().with_conv(Isa::detect()).with_path(path)).unwrap();
            net.scores(&groups, SIZE, &Threads::new(2), &SilentProgress).unwrap()
        });
        let worst = scores[0].iter().zip(&scores[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst <= 1e-5, "{scores:?}");
    }
}

/// What Metal's fused batch norm refuses, five axes, is one multiply-add here; fewer and more axes are the same.
#[test]
fn the_batch_norm_is_the_folded_one_at_any_rank() {
    let (gamma, beta) = ([1.5f32, -0.7, 0.9], [0.1f32, -2.0, 0.0]);
    let (mean, variance) = ([0.4f32, -3.0, 100.0], [0.25f32, 4.0, 1e-4]);
    let eps = 1e-3;
    let config = BatchNormConfig::new().with_eps(eps).with_path(OpPath::Composite);
    for shape in [vec![1, 3, 120], vec![2, 3, 4, 5, 3], vec![1, 3, 2, 3, 4, 5]] {
        let (n_values, per_channel) = (shape.iter().product::<usize>(), shape[2..].iter().product::<usize>());
        let values: Vec<f32> = (0..n_values).map(|i| (i * 37 % 101) as f32 * 0.11 - 5.0).collect();
        let of = |values: &[f32; 3]| Tensor::new(values, &Device::Cpu).unwrap();
        let x = Tensor::from_vec(values.clone(), shape, &Device::Cpu).unwrap();
        let y = batch_norm(&x, &of(&mean), &of(&variance), Some(&of(&gamma)), Some(&of(&beta)), &config).unwrap();
        let y: Vec<f32> = y.flatten_all().unwrap().to_vec1().unwrap();
        for (i, (x, y)) in values.iter().zip(&y).enumerate() {
            let c = i / per_channel % 3;
            let wide = |value: f32| f64::from(value);
            let scale = wide(gamma[c]) / (wide(variance[c]) + eps).sqrt();
            let exact = (wide(*x) - wide(mean[c])) * scale + wide(beta[c]);
            let folded = *x * scale as f32 + (wide(beta[c]) - wide(mean[c]) * scale) as f32;
            // Terms that cancel are as large as the mean in units of the deviation.
            let of = (wide(mean[c]).abs() + wide(*x).abs()) * scale.abs() + 1.0;
            assert!((wide(*y) - exact).abs() <= 4e-7 * of, "{i}: {y} {exact}");
            assert!((wide(*y) - wide(folded)).abs() <= 4e-7 * of, "{i}: {y} {folded}");
        }
    }
}

/// Both paths over an image, by MeshNet's layers.
fn mesh_net(layers: &[Layer], activation: &str, norm: &str, size: [usize; 3]) {
    let store = nets::store(layers, activation, norm);
    let image: Vec<f32> = (0..size.iter().product()).map(|i: usize| ((i * 31) % 97) as f32 / 97.0).collect();
    let [kernel, composite] = [NetPath::Kernel, NetPath::Composite].map(|path| {
        let build = NetworkBuild::new().with_conv(Isa::detect()).with_path(path).with_device(&Device::Cpu);
        let net = MeshNet::from_store_built(&store, &build).unwrap();
        assert!(net.run_bytes(size).unwrap() > 0);
        net.logits(&image, size, &Threads::new(2)).unwrap()
    });
    let largest = kernel.iter().fold(1.0f32, |most, value| most.max(value.abs()));
    let worst = kernel.iter().zip(&composite).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(kernel.len() == composite.len() && worst <= 5e-6 * largest, "{activation} {norm} {size:?}: {worst}");
}

#[test]
fn a_mesh_net_is_the_same_on_both_paths() {
    let layers = [(3, 1, 1, 5), (3, 2, 5, 6), (3, 4, 6, 5), (1, 1, 5, 4)];
    for activation in ["elu", "relu", "gelu"] {
        mesh_net(&layers, activation, "none", [9, 7, 11]);
    }
    mesh_net(&layers, "elu", "instance", [6, 9, 8]);
    mesh_net(&[(3, 16, 1, 3), (5, 1, 3, 2), (1, 1, 2, 2)], "elu", "none", [5, 17, 3]);
    mesh_net(&[(3, 1, 1, 2)], "elu", "none", [1, 1, 1]);
}

#[test]
fn a_compact_network_gives_the_same_labels() {
    let mut weights = store(&[PLAIN]);
    weights.set_metadata("spacing_mm", "2");
    let size = [24, 20, 18];
    let voxels: Vec<f32> = (0..size.iter().product()).map(|i: usize| ((i * 37) % 101) as f32).collect();
    let scan = Volume::new(size, voxels, Affine::IDENTITY).unwrap();
    let [kernel, composite] = [NetPath::Kernel, NetPath::Composite].map(|path| {
        let net = CompactNet::from_store(&weights, &NetworkBuild::new().with_path(path)).unwrap();
        net.segment(&scan, &SegmentOptions::new(), &SilentProgress).unwrap().labels
    });
    let pairs = kernel.to_real::<f32>().unwrap().into_iter().zip(composite.to_real::<f32>().unwrap());
    assert_eq!(pairs.filter(|(a, b)| a != b).count(), 0);
}
