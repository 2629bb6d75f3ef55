//! Files in, files out.

use volkit_core::{Affine, Volume};
use volkit_io::{Image, WriteOptions};

use crate::bench::Bench;

#[test]
fn an_array_comes_back_and_its_mean_is_right() {
    let bench = Bench::new();
    let values = bench.array("in.npy", &[3, 70, 50]);
    bench.done("--input in.npy --output same.npy --model identity --tile-size 32,24 --tile-overlap 8,5 --window hann");
    let same = bench.load("same.npy");
    assert_eq!(same.shape(), [50, 70, 3]);
    let same = same.to_real::<f32>().unwrap();
    assert!(same.iter().zip(&values).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs()));
    let ran = bench.done("--input in.npy --output mean.npy --model mean --tile-size 32 --json");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((report["window"].as_str(), report["tiles"].as_u64()), (Some("crop"), Some(6)), "{report}");
    assert_eq!(report["done"]["bytes_written"].as_u64(), Some(70 * 50 * 4));
    let mean = bench.load("mean.npy").to_real::<f32>().unwrap();
    let third = 1.0f32 / 3.0;
    let wanted = (0..3500).map(|i| (values[i] + values[3500 + i] + values[7000 + i]) * third);
    assert!(mean.iter().copied().eq(wanted));
    assert_eq!(bench.listing(), ["in.npy", "mean.npy", "same.npy"]);
}

#[test]
fn batches_and_workers_give_the_same_file() {
    let bench = Bench::new();
    bench.array("in.npy", &[2, 61, 47]);
    let run = |output: &str, more: &str| {
        let fixed = "--input in.npy --model mean --tile-size 16 --tile-overlap 6 --window gaussian --quiet";
        bench.done(&format!("{fixed} --output {output} {more}"));
        std::fs::read(bench.path(output)).unwrap()
    };
    let one = run("a.npy", "");
    assert_eq!(run("b.npy", "--batch 5 --workers 3"), one);
    assert_eq!(run("c.npy", "--max-memory 20MB"), one);
}

#[test]
fn volumes_keep_their_place() {
    let bench = Bench::new();
    let affine = Affine::from_scale([2.0, 2.0, 3.0]).with_translation([-9.0, 4.0, 1.0]);
    let values: Vec<i16> = (0..20 * 18 * 12).map(|v| (v * 7 % 311) as i16).collect();
    let volume = Volume::new([20, 18, 12], values, affine).unwrap();
    volkit_io::write(bench.path("in.nii.gz"), &Image::new(volume.clone()), &WriteOptions::new()).unwrap();
    for output in ["out.nii", "out.nii.gz"] {
        bench
            .done(&format!("--input in.nii.gz --output {output} --model identity --tile-size 8,9,10 --tile-overlap 4"));
        let back = volkit_io::read(bench.path(output)).unwrap().into_volume();
        assert_eq!((back.shape(), back.affine()), (volume.shape(), volume.affine()));
        assert_eq!(back.to_real::<f32>().unwrap(), volume.to_real::<f32>().unwrap());
    }
}

#[test]
fn raw_files_need_a_shape() {
    let bench = Bench::new();
    let bytes: Vec<u8> = [0; 5].into_iter().chain(0..240).collect();
    std::fs::write(bench.path("in.raw"), bytes).unwrap();
    let command = "--input in.raw --output out.raw --model identity --tile-size 6";
    assert!(bench.run(command).stderr.contains("--raw-shape"));
    bench.done(&format!("{command} --raw-shape 2,12,10 --raw-dtype u8 --raw-offset 5"));
    let out = std::fs::read(bench.path("out.raw")).unwrap();
    let values: Vec<f32> = out.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert_eq!(values, (0..240).map(|v| v as f32).collect::<Vec<_>>());
}

#[test]
fn a_mask_leaves_tiles_out() {
    let bench = Bench::new();
    let values = bench.array("in.npy", &[1, 40, 40]);
    bench.save("mask.npy", &[4, 4], &[0., 0., 0., 0., 0., 1., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.]);
    let ran = bench.done("--input in.npy --output out.npy --model identity --tile-size 10 --mask mask.npy --json");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((report["done"]["run"].as_u64(), report["done"]["skipped"].as_u64()), (Some(1), Some(15)));
    let inside = |i: usize| (10..20).contains(&(i / 40)) && (10..20).contains(&(i % 40));
    let out = bench.load("out.npy").to_real::<f32>().unwrap();
    assert!(out.iter().enumerate().all(|(i, v)| *v == if inside(i) { values[i] } else { 0.0 }));
}

#[test]
fn an_estimate_runs_nothing() {
    let bench = Bench::new();
    bench.array("in.npy", &[2, 64, 64]);
    let ran = bench.done("--input in.npy --output out.npy --model mean --tile-size 32 --estimate");
    assert!(ran.stdout.contains("4 tiles of [32, 32] in 2 rows") && ran.stdout.contains("estimate"), "{}", ran.stdout);
    assert_eq!(bench.listing(), ["in.npy"]);
}
