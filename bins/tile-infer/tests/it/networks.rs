//! Networks from files.

use std::path::PathBuf;

use volkit_core::{Affine, Region, VolumeMeta};
#[cfg(any(feature = "candle", feature = "seg"))]
use volkit_core::{Array, MemoryStore};
use volkit_io::{WriteOptions, write_safetensors};
use volkit_psi::SimpleUNet;

use crate::bench::Bench;

fn with_net() -> Bench {
    let bench = Bench::new();
    let store = SimpleUNet::initial_weights(&[2, 8, 8, 1], 7).unwrap();
    write_safetensors(bench.path("net.safetensors"), &store).unwrap();
    bench.array("in.npy", &[2, 120, 90]);
    bench
}

#[test]
fn tiles_equal_the_whole_image() {
    let bench = with_net();
    let run = "--input in.npy --model net.safetensors --quiet";
    bench.done(&format!("{run} --output whole.npy"));
    let ran = bench.done(&format!("{run} --output tiles.npy --tile-size 40 --threads 2 --workers 2 --json"));
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((report["window"].as_str(), report["overlap"][0].as_u64()), (Some("crop"), Some(6)), "{report}");
    let [whole, tiles] = ["whole.npy", "tiles.npy"].map(|name| std::fs::read(bench.path(name)).unwrap());
    assert!(whole == tiles, "the files differ");
    // A window weighs only what the tile's edge does not reach.
    bench.done(&format!("{run} --output hann.npy --tile-size 40 --tile-overlap 20 --window hann"));
    bench.done(&format!("{run} --output fast.npy --tile-size 40 --mode fast-math --batch auto"));
    let [wanted, hann, fast] =
        ["whole.npy", "hann.npy", "fast.npy"].map(|name| bench.load(name).to_real::<f32>().unwrap());
    let most = wanted.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    for (name, got, tolerance) in [("hann", hann, 1e-6), ("fast-math", fast, 1e-5)] {
        let error = got.iter().zip(&wanted).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(error <= tolerance * most, "{name}: {error:e}");
    }
}

#[test]
fn another_image_is_refused() {
    let bench = with_net();
    bench.array("three.npy", &[3, 20, 20]);
    let ran = bench.run("--input three.npy --output o.npy --model net.safetensors");
    assert!(ran.stderr.contains("takes 2 channels and 2 spatial axes, the image has 3 and 2"), "{}", ran.stderr);
    let ran = bench.run("--input in.npy --output o.npy --model net.onnx");
    assert!(ran.code == Some(1) && ran.stderr.contains("net.onnx"), "{}", ran.stderr);
}

fn fixture(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string()
}

#[test]
fn a_state_dict_gives_what_the_same_safetensors_gives() {
    let bench = with_net();
    for model in ["net.pt", "net.safetensors"] {
        let model_file = fixture(&format!("torch/{model}"));
        bench.done(&format!("--input in.npy --model {model_file} --output {model}.npy --tile-size 50 --quiet"));
    }
    let [a, b] = ["net.pt.npy", "net.safetensors.npy"].map(|name| std::fs::read(bench.path(name)).unwrap());
    assert!(a == b && !a.is_empty());
    let ran = bench.run(&format!("--input in.npy --model {} --output o.npy", fixture("torch/module.pt")));
    assert!(ran.code == Some(1) && ran.stderr.contains("torch.nn.modules.container.Sequential"), "{}", ran.stderr);
}

#[cfg(feature = "onnx")]
#[test]
fn onnx_networks_run_in_tiles() {
    let bench = with_net();
    let run = "--input in.npy --quiet --tile-overlap 8 --window crop";
    bench.done(&format!("{run} --model {} --output ours.npy --tile-size 32", fixture("torch/net.safetensors")));
    for (name, options) in [("net.onnx", "--tile-size 32 --workers 2"), ("fixed.onnx", "--tile-size 32 --batch 3")] {
        bench.done(&format!("{run} --model {} --output {name}.npy {options}", fixture(&format!("onnx/{name}"))));
        let [wanted, got] = ["ours.npy", &format!("{name}.npy")].map(|name| bench.load(name).to_real::<f32>().unwrap());
        let most = wanted.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let error = got.iter().zip(&wanted).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(error <= 1e-6 * most, "{name}: {error:e}");
    }
    for (name, options, wanted) in [
        ("fixed.onnx", "--tile-size 48", "--tile-size must be 32"),
        ("half.onnx", "--tile-size 32 --tile-overlap 8", "1 samples for 2"),
        ("net.onnx", "--spatial-axes 3", "spatial axes"),
    ] {
        let model = fixture(&format!("onnx/{name}"));
        let ran = bench.run(&format!("--input in.npy --output o.npy --model {model} {options}"));
        assert!(ran.code == Some(1) && ran.stderr.contains(wanted), "{name}: {}", ran.stderr);
    }
}

#[cfg(feature = "seg")]
#[test]
fn a_mesh_net_in_tiles_gives_the_labels_of_the_whole_volume() {
    let bench = Bench::new();
    let mut store = MemoryStore::new();
    let layer = |c_in: usize, c_out: usize, seed: usize| -> Vec<f32> {
        (0..c_in * c_out * 27).map(|i| ((i * 37 + seed) % 101) as f32 / 200.0 - 0.25).collect()
    };
    store.insert("layers.0.weight", Array::new([4, 1, 3, 3, 3], layer(1, 4, 0)).unwrap());
    store.insert("layers.0.bias", Array::new([4], vec![0.1f32, -0.1, 0.2, 0.0]).unwrap());
    store.insert("layers.1.weight", Array::new([3, 4, 3, 3, 3], layer(4, 3, 5)).unwrap());
    store.insert("layers.1.bias", Array::new([3], vec![0.0f32, 0.1, -0.1]).unwrap());
    let layers = r#"{"activation":"relu","layers":[{"kernel":3,"dilation":1,"padding":1,"in":1,"out":4},
        {"kernel":3,"dilation":2,"padding":2,"in":4,"out":3}]}"#;
    store.set_metadata("config", layers);
    write_safetensors(bench.path("mesh.safetensors"), &store).unwrap();
    bench.array("scan.npy", &[1, 40, 30, 36]);
    let run = "--input scan.npy --model mesh.safetensors --argmax --intensity 2,-1 --quiet";
    bench.done(&format!("{run} --output whole.npy"));
    let ran = bench.done(&format!("{run} --output tiles.npy --tile-size 16 --json"));
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    // Two layers reach 1 + 2 voxels: overlaps of 6.
    assert_eq!((report["overlap"][0].as_u64(), report["window"].as_str()), (Some(6), Some("crop")));
    let [whole, tiles] = ["whole.npy", "tiles.npy"].map(|name| std::fs::read(bench.path(name)).unwrap());
    assert!(whole == tiles, "the files differ");
    let labels = bench.load("tiles.npy");
    assert_eq!((labels.dtype(), labels.shape()), (volkit_core::DType::U8, &[36, 30, 40, 1][..]));
    assert!(labels.to_real::<f32>().unwrap().contains(&2.0));
    bench.done("--input scan.npy --model mesh.safetensors --output logits.npy --quiet");
    assert_eq!(bench.load("logits.npy").shape(), &[36, 30, 40, 3]);
}

/// A U-Net of two features and one level under the names of PyTorch, with numbers that look random.
#[cfg(feature = "candle")]
fn u_net(bilinear: bool) -> MemoryStore {
    let mut store = MemoryStore::new();
    let mut put = |name: String, shape: &[usize], value: &dyn Fn(usize) -> f32| {
        let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
        store.insert(name, Array::new(shape.to_vec(), values).unwrap());
    };
    let below = if bilinear { 2 } else { 4 };
    for (block, c_in, c_out) in [("inc", 2, 2), ("down1.maxpool_conv.1", 2, below), ("up1.conv", 4, 2)] {
        for (at, c_in) in [(0, c_in), (3, c_out)] {
            let name = |what: &str, at: usize| format!("{block}.double_conv.{at}.{what}");
            put(name("weight", at), &[c_out, c_in, 3, 3], &|i| ((i * 37 + at) % 101) as f32 / 100.0 - 0.4);
            for (what, value) in [("weight", 1.0), ("bias", 0.1), ("running_mean", 0.2), ("running_var", 1.5)] {
                put(name(what, at + 1), &[c_out], &|_| value);
            }
            put(name("num_batches_tracked", at + 1), &[1], &|_| 3.0);
        }
    }
    if !bilinear {
        put("up1.up.weight".to_owned(), &[4, 2, 2, 2], &|i| (i % 7) as f32 / 7.0 - 0.3);
        put("up1.up.bias".to_owned(), &[2], &|_| 0.1);
    }
    put("outc.conv.weight".to_owned(), &[1, 2, 1, 1], &|i| 1.0 - i as f32);
    put("outc.conv.bias".to_owned(), &[1], &|_| 0.5);
    store
}

#[cfg(feature = "candle")]
#[test]
fn a_u_net_with_skips_runs_from_its_weights() {
    let bench = with_net();
    write_safetensors(bench.path("unet.safetensors"), &u_net(true)).unwrap();
    let run = "--input in.npy --json --quiet";
    let ran = bench.done(&format!("{run} --model unet.safetensors --output whole.npy"));
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    // Nothing is invented around an image below the default tile.
    assert_eq!(
        (report["tiles"].as_u64(), report["tile"][0].as_u64(), report["tile"][1].as_u64()),
        (Some(1), Some(120), Some(90))
    );
    bench.done(&format!("{run} --model unet2d --weights unet.safetensors --output named.npy"));
    let [found, named] = ["whole.npy", "named.npy"].map(|name| std::fs::read(bench.path(name)).unwrap());
    assert!(found == named, "the files differ");
    let ran = bench.done(&format!(
        "{run} --model unet2d --weights unet.safetensors --output tiles.npy --tile-size 64 --tile-overlap 32"
    ));
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((report["window"].as_str(), report["tiles"].as_u64()), (Some("hann"), Some(6)), "{report}");
    // Interpolation aligns the corners of tiles and not those of the image; transposed convolutions see no corners, and
    // overlaps of twice their reach give what the whole image gives.
    write_safetensors(bench.path("transposed.safetensors"), &u_net(false)).unwrap();
    let error = |model: &str| {
        bench.done(&format!("{run} --model {model} --output one.npy --overwrite"));
        let tiles = "--tile-size 64 --tile-overlap 32 --window crop";
        bench.done(&format!("{run} --model {model} --output six.npy --overwrite {tiles}"));
        let [wanted, got] = ["one.npy", "six.npy"].map(|name| bench.load(name).to_real::<f32>().unwrap());
        let most = wanted.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        got.iter().zip(&wanted).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs())) / most
    };
    let [bilinear, transposed] = ["unet.safetensors", "transposed.safetensors"].map(error);
    assert!(transposed < 1e-5 && bilinear > 1e-3, "{transposed:e} {bilinear:e}");
    for (arguments, wanted) in [
        ("--model unet2d", "--model unet2d needs --weights FILE"),
        ("--model mean --weights unet.safetensors", "--weights goes with --model chain or unet2d"),
        ("--model unet2d --weights net.safetensors", "net.safetensors: weights: no tensors 'inc.double_conv.0.weight'"),
        ("--model chain --weights unet.safetensors", "unet.safetensors: weights: "),
    ] {
        let ran = bench.run(&format!("--input in.npy --output o.npy {arguments}"));
        assert!(ran.code == Some(1) && ran.stderr.contains(wanted), "{arguments}: {}", ran.stderr);
    }
    bench.done(&format!("{run} --model chain --weights net.safetensors --output chain.npy"));
}

#[test]
fn fringe_images_become_heights() {
    use volkit_psi::{ClosedForm, ClosedFormOptions, Interferometer, PsiScene, Sensor};

    let bench = Bench::new();
    let instrument = Interferometer::new([5.0, 5.5, 6.05], 3);
    let truth = PsiScene::reference().height_um([40, 25]);
    let greys = Sensor::default().record(&instrument, &truth, 0).unwrap();
    let meta = VolumeMeta::new([25, 40, 9], greys.dtype(), Affine::IDENTITY).unwrap();
    let sink = volkit_io::create_array(bench.path("wafer.npy"), &meta, &WriteOptions::new()).unwrap();
    sink.write_region(&Region::whole(meta.shape()), greys.view()).unwrap();
    sink.finish().unwrap();
    let solver = ClosedForm::new(&instrument, ClosedFormOptions::default().with_height_range_um([-2.0, 26.0])).unwrap();
    let greys: Vec<u8> = greys.as_slice::<u8>().unwrap().to_vec();
    let wanted = solver.solve(&greys, &volkit_kernels::Threads::single()).unwrap();
    let model = "--model closed-form --wavelengths 5,5.5,6.05 --buckets 3";
    bench
        .done(&format!("--input wafer.npy --output height.npy {model} --height-range -2,26 --tile-size 7 --threads 2"));
    let got = bench.load("height.npy").to_real::<f32>().unwrap();
    assert!(got.iter().copied().eq(wanted.height_um.iter().map(|&h| h as f32)));
    let refused = bench.run(&format!("--input wafer.npy --output b.npy {model} --height-range -2,2600"));
    assert!(refused.code == Some(1) && refused.stderr.contains("um apart"), "{refused:?}");
}
