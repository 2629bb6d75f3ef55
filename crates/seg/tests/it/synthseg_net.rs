//! SynthSeg's networks against plain loops; what they refuse.

use std::ops::RangeInclusive;

use volkit_core::{Array, ArrayStore as _, MemoryStore, Progress, SilentProgress, Stopped};
use volkit_kernels::Threads;
use volkit_seg::{
    NetworkBuild, NetworkOptions, NetworkOutput, Networks, ParcellationNet, Posteriors, QualityNet, SegError,
    SegmentationNet, Structures,
};

use crate::synthseg_net_naive::{Random, Sizes, Tensor, add_conv, add_norm, add_unet, conv, norm, pooled, relu, unet};

const SIZE: [usize; 3] = [12, 8, 4];
pub(crate) const PLAIN: Sizes =
    Sizes { prefix: "unet", c_in: 1, labels: 33, features: 3, levels: 3, kernel: 3, n_skipless: 0 };
pub(crate) const V1: Sizes = Sizes { labels: 32, levels: 2, ..PLAIN };
pub(crate) const GROUPS: Sizes = Sizes { labels: 5, ..PLAIN };
pub(crate) const DENOISER: Sizes =
    Sizes { prefix: "l2l", c_in: 5, labels: 5, features: 2, kernel: 5, n_skipless: 2, ..PLAIN };
pub(crate) const REFINED: Sizes = Sizes { prefix: "unet2", c_in: 6, ..PLAIN };
pub(crate) const PARCELS: Sizes = Sizes { prefix: "unet_parc", c_in: 3, labels: 69, features: 2, ..PLAIN };

pub(crate) fn store(all: &[Sizes]) -> MemoryStore {
    let mut store = MemoryStore::new();
    for (sizes, seed) in all.iter().zip(3..) {
        add_unet(&mut store, *sizes, seed);
    }
    // Layers of a training checkpoint that nobody asks for.
    add_conv(&mut store, &mut Random::new(1), "seg_likelihood_loss", 3, [2, 2]);
    store
}

pub(crate) fn image() -> Vec<f32> {
    Random::new(99).floats(SIZE.iter().product(), 0.0, 1.0)
}

fn run(networks: &Networks, options: NetworkOptions, n_threads: usize) -> NetworkOutput {
    networks.run(&image(), SIZE, &options, &Threads::new(n_threads), &SilentProgress).unwrap()
}

fn fast() -> NetworkOptions {
    NetworkOptions::default().with_fast(true)
}

fn check(got: &Posteriors, wanted: &Tensor, what: &str) {
    assert_eq!((got.size, got.channels), (wanted.size, wanted.channels), "{what}");
    let mut worst = 0.0f64;
    for i in 0..SIZE.iter().product() {
        let at = [i % SIZE[0], i / SIZE[0] % SIZE[1], i / (SIZE[0] * SIZE[1])];
        for (a, b) in got.voxel(at).unwrap().iter().zip(wanted.at(at)) {
            worst = worst.max((f64::from(*a) - b).abs());
        }
    }
    println!("{what}: largest error {worst:.1e}");
    assert!(worst <= 2e-6, "{what}: {worst}");
}

/// Posterior of the default mode.
fn averaged(store: &MemoryStore, sizes: Sizes, input: &Tensor, structures: &Structures) -> Tensor {
    let straight = unet(store, sizes, input).smoothed();
    let mirrored = unet(store, sizes, &input.mirrored()).smoothed().mirrored();
    let flip = structures.flip_channels();
    straight.with(&mirrored, |a, b| a.iter().zip(&flip).map(|(a, &c)| (a + b[c]) / 2.0).collect())
}

#[test]
fn segmentation_equals_plain_loops() {
    let input = Tensor::of_image(&image(), SIZE);
    for (sizes, structures) in [(PLAIN, Structures::v2()), (V1, Structures::v1())] {
        let store = store(&[sizes]);
        let net = SegmentationNet::from_store(&store, &NetworkBuild::new()).unwrap();
        assert_eq!(net.structures(), structures);
        assert!(!net.is_robust());
        let networks = Networks::new(net);
        let wanted = averaged(&store, sizes, &input, structures);
        check(&run(&networks, NetworkOptions::default(), 2).segmentation, &wanted, "default");
        let wanted = unet(&store, sizes, &input).smoothed();
        check(&run(&networks, fast(), 2).segmentation, &wanted, "fast");
        // Nothing follows: the reference smooths as well.
        check(&run(&networks, fast().with_compat(true), 2).segmentation, &wanted, "fast, compat");
    }
}

#[test]
fn the_robust_chain_equals_plain_loops() {
    let store = store(&[GROUPS, DENOISER, REFINED]);
    let net = SegmentationNet::from_store(&store, &NetworkBuild::new()).unwrap();
    assert!(net.is_robust());
    assert_eq!(net.summary().matches("3 levels").count(), 3, "{}", net.summary());
    let image = Tensor::of_image(&image(), SIZE);
    let groups = image.one_hot(&unet(&store, GROUPS, &image).argmax(), 5);
    let denoised = image.one_hot(&unet(&store, DENOISER, &groups).argmax(), 5);
    let wanted = unet(&store, REFINED, &image.concat(&denoised));
    let networks = Networks::new(net);
    for options in [NetworkOptions::default(), fast().with_compat(true)] {
        check(&run(&networks, options, 2).segmentation, &wanted, "robust");
    }
}

#[test]
fn parcellation_sees_the_smoothed_cortex_and_smooths_as_asked() {
    let (mut seg_store, parc_store) = (store(&[PLAIN]), store(&[PARCELS]));
    let cortex = Structures::v2().cortex_channels();
    let mut bias: Vec<f32> = seg_store.get("unet_likelihood/bias:0").unwrap().to_real().unwrap();
    cortex.iter().for_each(|&channel| bias[channel] += 1.0);
    seg_store.insert("unet_likelihood/bias:0", Array::new([33], bias).unwrap());
    let networks = |with_quality: bool| {
        let networks = Networks::new(SegmentationNet::from_store(&seg_store, &NetworkBuild::new()).unwrap())
            .with_parcellation(ParcellationNet::from_store(&parc_store, &NetworkBuild::new()).unwrap());
        if with_quality {
            networks.with_quality(QualityNet::from_store(&quality_store(4), &NetworkBuild::new()).unwrap())
        } else {
            networks
        }
    };
    let image = Tensor::of_image(&image(), SIZE);
    let raw = unet(&seg_store, PLAIN, &image);
    let parcels = |posterior: &Tensor| {
        let mask: Vec<usize> = posterior.argmax().iter().map(|c| usize::from(cortex.contains(c))).collect();
        assert!(mask.contains(&0) && mask.contains(&1), "a part of the voxels is in the cortex");
        unet(&parc_store, PARCELS, &image.concat(&image.one_hot(&mask, 2)))
    };
    // Channel numbers `[z][y][x]` of posteriors in the reference's layout.
    let channels = |posterior: &Tensor| -> Vec<u8> {
        let all = posterior.argmax();
        let [nx, ny, nz] = SIZE;
        (0..nx * ny * nz).map(|i| all[((i % nx) * ny + i / nx % ny) * nz + i / (nx * ny)] as u8).collect()
    };
    let smoothed = raw.smoothed();
    let wanted = parcels(&smoothed);
    let right = run(&networks(true), fast(), 2);
    check(&right.segmentation, &smoothed, "segmentation, fast");
    check(right.parcellation.as_ref().unwrap(), &wanted.smoothed(), "parcellation, fast");
    assert_eq!(right.quality_channels.unwrap(), channels(&smoothed));
    let reference = run(&networks(true), fast().with_compat(true), 2);
    check(&reference.segmentation, &raw, "segmentation, fast, compat");
    check(reference.parcellation.as_ref().unwrap(), &wanted, "parcellation with quality, fast, compat");
    assert_eq!(reference.quality_channels.unwrap(), channels(&raw));
    let reference = run(&networks(false), fast().with_compat(true), 2);
    check(&reference.segmentation, &raw, "segmentation, fast, compat");
    check(reference.parcellation.as_ref().unwrap(), &wanted.smoothed(), "parcellation, fast, compat");
    assert_eq!(reference.quality_channels, None);
    let flipped = averaged(&seg_store, PLAIN, &image, Structures::v2());
    let both = run(&networks(true), NetworkOptions::default(), 2);
    check(both.parcellation.as_ref().unwrap(), &parcels(&flipped).smoothed(), "parcellation, default");
}

#[test]
fn quality_alone_scores_what_was_smoothed() {
    let store = store(&[PLAIN]);
    let networks = Networks::new(SegmentationNet::from_store(&store, &NetworkBuild::new()).unwrap())
        .with_quality(QualityNet::from_store(&quality_store(4), &NetworkBuild::new()).unwrap());
    let reference = run(&networks, fast().with_compat(true), 1);
    let right = run(&networks, fast(), 1);
    assert_eq!(reference.quality_channels, right.quality_channels);
    assert_ne!(reference.segmentation, right.segmentation);
    assert_eq!(right.quality_channels.unwrap(), right.segmentation.argmax(&Threads::single()).unwrap());
}

/// A quality network of two levels; with 9 features its first level has no `expand`.
pub(crate) fn quality_store(features: usize) -> MemoryStore {
    let (mut store, mut random) = (MemoryStore::new(), Random::new(21));
    let mut c_in = 9;
    for level in 0..2 {
        let c_out = features << level;
        add_conv(&mut store, &mut random, &format!("qc_conv_downarm_{level}_0"), 5, [c_in, c_out]);
        add_conv(&mut store, &mut random, &format!("qc_conv_downarm_{level}_1"), 5, [c_out, c_out]);
        if c_in != c_out {
            add_conv(&mut store, &mut random, &format!("qc_expand_down_merge_{level}"), 5, [c_in, c_out]);
        }
        add_norm(&mut store, &mut random, &format!("qc_bn_down_{level}"), c_out);
        c_in = c_out;
    }
    add_conv(&mut store, &mut random, "qc_final_conv_0", 5, [c_in, 9]);
    add_conv(&mut store, &mut random, "qc_final_conv_1", 5, [9, 9]);
    store
}

#[test]
fn quality_equals_plain_loops() {
    let groups: Vec<u8> = Random::new(8).floats(SIZE.iter().product(), 0.0, 9.0).iter().map(|v| *v as u8).collect();
    let labels = Tensor::of_image(&groups.iter().map(|v| f32::from(*v)).collect::<Vec<_>>(), SIZE);
    let input = labels.map(|voxel| (0..9).map(|c| if c == voxel[0] as usize { 1.0 } else { 0.0 }).collect());
    for features in [4, 9] {
        let store = quality_store(features);
        let mut x = input.clone();
        for level in 0..2 {
            let u = conv(&store, &format!("qc_conv_downarm_{level}_0"), &x, relu);
            let w = conv(&store, &format!("qc_conv_downarm_{level}_1"), &u, |x| x);
            let name = format!("qc_expand_down_merge_{level}");
            let e = if x.channels == w.channels { x } else { conv(&store, &name, &x, relu) };
            let sum = e.with(&w, |a, b| a.iter().zip(b).map(|(a, b)| relu(a + b)).collect());
            x = pooled(&norm(&store, &format!("qc_bn_down_{level}"), &sum));
        }
        let y = conv(&store, "qc_final_conv_1", &conv(&store, "qc_final_conv_0", &x, relu), relu);
        let n = (y.values.len() / 9) as f64;
        let wanted: Vec<f64> = (0..9).map(|c| y.values.iter().skip(c).step_by(9).sum::<f64>() / n).collect();
        let net = QualityNet::from_store(&store, &NetworkBuild::new()).unwrap();
        for n_threads in [1, 2] {
            let scores = net.scores(&groups, SIZE, &Threads::new(n_threads), &SilentProgress).unwrap();
            for (got, wanted) in scores.iter().zip(&wanted) {
                assert!((got - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), "{scores:?} {wanted:?}");
            }
        }
        let error = net.scores(&groups, [8, 8, 6], &Threads::single(), &SilentProgress).unwrap_err();
        assert!(error.to_string().contains("[8, 8, 6]"), "{error}");
    }
}

#[test]
fn threads_and_memory_change_no_bit() {
    let networks = |robust: bool| {
        let store = if robust { store(&[GROUPS, DENOISER, REFINED]) } else { store(&[PLAIN]) };
        Networks::new(SegmentationNet::from_store(&store, &NetworkBuild::new()).unwrap())
            .with_parcellation(ParcellationNet::from_store(&self::store(&[PARCELS]), &NetworkBuild::new()).unwrap())
    };
    for networks in [networks(false), networks(true)] {
        let one = run(&networks, NetworkOptions::default(), 1);
        assert_eq!(one, run(&networks, NetworkOptions::default(), 2));
        assert_eq!(one, run(&networks, NetworkOptions::default().with_low_memory(true), 2));
        let bytes = |low| networks.run_bytes([128, 96, 64], &NetworkOptions::default().with_low_memory(low)).unwrap();
        assert!(bytes(true) < bytes(false), "{} >= {}", bytes(true), bytes(false));
    }
}

#[test]
fn memory_of_the_published_sizes_is_known_beforehand() {
    let published = Sizes { features: 24, levels: 5, ..PLAIN };
    let networks = Networks::new(SegmentationNet::from_store(&store(&[published]), &NetworkBuild::new()).unwrap());
    let summary = networks.segmentation.summary();
    assert_eq!(
        (summary.as_str(), networks.segmentation.size_multiple()),
        ("unet: 5 levels, 24 features, 33 labels", 16)
    );
    for (size, most, most_fast) in [([128, 160, 160], 0.5e9, 0.3e9), ([192; 3], 0.8e9, 0.5e9), ([256; 3], 1.7e9, 1.0e9)]
    {
        let bytes = |fast, low_memory| {
            let options = NetworkOptions::default().with_fast(fast).with_low_memory(low_memory);
            networks.run_bytes(size, &options).unwrap() as f64
        };
        let (default, fast) = (bytes(false, false), bytes(true, false));
        println!("{size:?}: {:.2} GB, without the mirror image {:.2} GB", default / 1e9, fast / 1e9);
        // The posteriors alone would be 33 f32 a voxel.
        let posteriors = (size.iter().product::<usize>() * 132) as f64;
        assert!(fast < default && default < posteriors && default <= most && fast <= most_fast);
        assert_eq!((default, fast), (bytes(false, true), bytes(true, true)), "kept where it takes little only");
    }
    let bytes = |low_memory| {
        networks.run_bytes([96; 3], &NetworkOptions::default().with_fast(true).with_low_memory(low_memory)).unwrap()
    };
    assert!(bytes(true) < bytes(false));
}

/// Loads a network after a change of its weights and returns the message.
fn refusal(all: &[Sizes], change: impl Fn(&mut MemoryStore)) -> String {
    let mut store = store(all);
    change(&mut store);
    SegmentationNet::from_store(&store, &NetworkBuild::new()).unwrap_err().to_string()
}

/// The store without the arrays of a layer.
fn without(store: &mut MemoryStore, layer: &str) {
    let mut rest = MemoryStore::new();
    for (name, array) in store.arrays() {
        if !name.starts_with(&format!("{layer}/")) {
            rest.insert(name.clone(), array.clone());
        }
    }
    *store = rest;
}

fn zeros(shape: &[usize]) -> Array {
    Array::new(shape, vec![0.0f32; shape.iter().product()]).unwrap()
}

#[test]
fn a_missing_layer_is_named() {
    let levels = 0..3;
    let down = levels.clone().flat_map(|l| {
        [format!("unet_conv_downarm_{l}_0"), format!("unet_conv_downarm_{l}_1"), format!("unet_bn_down_{l}")]
    });
    let up = (0..2).flat_map(|j| {
        [format!("unet_conv_uparm_{}_0", 3 + j), format!("unet_conv_uparm_{}_1", 3 + j), format!("unet_bn_up_{j}")]
    });
    for layer in down.chain(up).chain(["unet_likelihood".into()]) {
        let error = refusal(&[PLAIN], |store| without(store, &layer));
        assert!(error.contains(&format!("'{layer}/")) && error.contains("missing"), "{layer}: {error}");
    }
    for layer in ["l2l_likelihood", "unet2_conv_uparm_4_1", "unet_bn_up_1"] {
        let error = refusal(&[GROUPS, DENOISER, REFINED], |store| without(store, layer));
        assert!(error.contains(&format!("'{layer}/")), "{layer}: {error}");
    }
    let empty = MemoryStore::new();
    for error in [
        SegmentationNet::from_store(&empty, &NetworkBuild::new()).unwrap_err(),
        ParcellationNet::from_store(&empty, &NetworkBuild::new()).unwrap_err(),
        QualityNet::from_store(&empty, &NetworkBuild::new()).unwrap_err(),
    ] {
        assert!(matches!(&error, SegError::Tensor { field: "presence", .. }), "{error}");
    }
    let mut store = quality_store(4);
    without(&mut store, "qc_expand_down_merge_1");
    let error = QualityNet::from_store(&store, &NetworkBuild::new()).unwrap_err().to_string();
    assert!(error.contains("qc_expand_down_merge_1/kernel:0"), "{error}");
}

#[test]
fn another_shape_is_named_with_both_shapes() {
    let put =
        |name: &'static str, shape: &'static [usize]| move |store: &mut MemoryStore| store.insert(name, zeros(shape));
    let error = refusal(&[PLAIN], put("unet_conv_uparm_3_0/kernel:0", &[3, 3, 3, 12, 6]));
    assert!(error.contains("unet_conv_uparm_3_0/kernel:0"), "{error}");
    assert!(error.contains("[3, 3, 3, 12, 6]") && error.contains("[3, 3, 3, 18, 6]"), "{error}");
    let error = refusal(&[PLAIN], put("unet_bn_down_1/gamma:0", &[5]));
    assert!(error.contains("[5]") && error.contains("[6]"), "{error}");
    let error = refusal(&[PLAIN], put("unet_conv_downarm_0_0/kernel:0", &[3, 3, 1, 3]));
    assert!(error.contains("[3, 3, 1, 3]") && error.contains("c_out"), "{error}");
    let error = refusal(&[PLAIN], put("unet_conv_downarm_0_0/kernel:0", &[5, 5, 5, 1, 3]));
    assert!(error.contains("[5, 5, 5, 1, 3]") && error.contains("[3, 3, 3, 1, 3]"), "{error}");
    let error = refusal(&[PLAIN], put("unet_conv_downarm_15_0/kernel:0", &[1]));
    assert!(error.contains("missing"), "{error}");
    let error = refusal(&[PLAIN], put("unet_conv_downarm_900_0/kernel:0", &[1]));
    assert!(error.contains("at most 16 levels"), "{error}");
    let error = refusal(&[Sizes { labels: 7, ..PLAIN }], |_| ());
    assert!(error.contains("unet_likelihood") && error.contains("32 or 33"), "{error}");
    let error = refusal(&[PLAIN, DENOISER, REFINED], |_| ());
    assert!(error.contains("unet_likelihood") && error.contains("expected 5"), "{error}");
    let not_finite = |store: &mut MemoryStore| {
        store.insert("unet_likelihood/bias:0", Array::new([33], vec![f32::NAN; 33]).unwrap());
    };
    assert!(refusal(&[PLAIN], not_finite).contains("NaN at element 0"));
    let integers = |store: &mut MemoryStore| {
        store.insert("unet_likelihood/bias:0", Array::new([33], vec![1i32; 33]).unwrap());
    };
    assert!(refusal(&[PLAIN], integers).contains("element type"));
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let networks = Networks::new(SegmentationNet::from_store(&store(&[PLAIN]), &NetworkBuild::new()).unwrap());
    let bad: [([usize; 3], usize); 4] = [([12, 8, 5], 480), (SIZE, 383), ([0, 8, 4], 0), ([usize::MAX, 2, 2], 4)];
    for (size, len) in bad {
        let options = NetworkOptions::default();
        let result = networks.run(&vec![0.0; len], size, &options, &Threads::single(), &SilentProgress);
        assert!(matches!(result, Err(SegError::Option { name: "size", .. })), "{size:?}");
    }
}

/// Stops after some checks.
struct StopAfter(std::sync::Mutex<(usize, Vec<String>)>);

impl Progress for StopAfter {
    fn begin(&self, stage: &str, _total: u64) {
        self.0.lock().unwrap().1.push(stage.into());
    }

    fn advance(&self, _steps: u64) {}

    fn check(&self) -> Result<(), Stopped> {
        let mut state = self.0.lock().unwrap();
        state.0 = state.0.checked_sub(1).ok_or(Stopped)?;
        Ok(())
    }
}

#[test]
fn a_run_can_be_stopped() {
    let networks = Networks::new(SegmentationNet::from_store(&store(&[PLAIN]), &NetworkBuild::new()).unwrap());
    let stages = |checks: RangeInclusive<usize>| {
        checks.map(|n| {
            let progress = StopAfter(std::sync::Mutex::new((n, Vec::new())));
            let result = networks.run(&image(), SIZE, &NetworkOptions::default(), &Threads::single(), &progress);
            assert!(matches!(result, Err(SegError::Stopped(_))), "{n} checks");
            progress.0.into_inner().unwrap().1
        })
    };
    assert!(stages(0..=3).all(|stages| stages == ["segmentation network"]));
}
