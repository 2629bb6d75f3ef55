//! Networks from files.

use volkit_io::write_safetensors;
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
