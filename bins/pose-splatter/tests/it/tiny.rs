//! The preset `tiny` from its making to its pictures.

use std::fs;

use serde_json::Value;
use volkit_bench::ProgramFolder;
use volkit_core::VoxelsMut;
use volkit_io::{Hdf5Backend, Limits, open_hdf5};

use crate::program::{configure, folder, json, run};

fn numbers(folder: &ProgramFolder, name: &str) -> Vec<f64> {
    let file = open_hdf5(folder.path("out/project/truth.h5"), Hdf5Backend::Auto, &Limits::default()).unwrap();
    let data_set = file.data_set(name).unwrap();
    let shape = data_set.info().shape.clone();
    let mut values = vec![0.0f64; shape.iter().product()];
    data_set.read_box(&vec![0; shape.len()], &shape, VoxelsMut::from(&mut values[..])).unwrap();
    values
}

#[test]
fn a_recording_becomes_pictures_and_a_second_run_does_nothing() {
    let folder = folder();
    run(&folder, "synth out --preset tiny --tilt-seed 3 --epochs 2 --find-crop --quiet").succeeded().unwrap();
    // Everything before training is one command.
    let report = run(&folder, "prepare out/config.json").succeeded().unwrap();
    assert!(report.stdout.contains("12 frames of 6 views, 64 x 48; 0 were there"), "{}", report.stdout);

    // The program finds its own errors: median and largest of centres (mm) and headings (degrees).
    let words: Vec<&str> = report.stdout.lines().find(|line| line.starts_with("track")).unwrap().split(' ').collect();
    let after = |word: &str| {
        let at = words.iter().position(|w| *w == word).unwrap() + 1;
        words[at].parse::<f64>().unwrap()
    };
    assert!(after("centres") < 6.0 && after("headings") < 8.0, "{words:?}");

    // Up within half a degree, centres within 6 mm, no sign that flips.
    let (up, truth) = (json(&folder, "out/project/world.json"), numbers(&folder, "up"));
    let cosine: f64 = (0..3).map(|k| up["up"][k].as_f64().unwrap() * truth[k]).sum();
    assert!(cosine > 0.5f64.to_radians().cos(), "{cosine}");
    let (table, centres) =
        (fs::read_to_string(folder.path("out/project/track.csv")).unwrap(), numbers(&folder, "centers"));
    let mut distances: Vec<f64> = Vec::new();
    for line in table.lines().skip(1) {
        let row: Vec<f64> = line.split(',').map(|word| word.parse().unwrap()).collect();
        let frame = row[0] as usize;
        distances.push((0..3).map(|k| (row[1 + k] - centres[3 * frame + k]).powi(2)).sum::<f64>().sqrt());
    }
    distances.sort_by(f64::total_cmp);
    assert!(distances.len() == 12 && distances[6] < 6.0, "{distances:?}");

    // A pass over the videos that was interrupted goes on.
    let journal = "out/project/images/images.json";
    let whole = json(&folder, journal);
    configure(&folder, journal, &[("stored", Value::from(5))]);
    fs::remove_file(folder.path("out/project/stamps/images")).unwrap();
    let report = run(&folder, "run out/config.json --to images").succeeded().unwrap();
    assert!(report.stdout.contains("5 were there"), "{}", report.stdout);
    assert_eq!(json(&folder, journal), whole);

    run(&folder, "run out/config.json --quiet --threads 1").succeeded().unwrap();
    for name in ["index.html", "metrics_test.csv", "losses.csv", "model.safetensors", "renders/turntable/0035.png"] {
        assert!(folder.path("out/project").join(name).metadata().unwrap().len() > 0, "{name}");
    }
    let csv = fs::read_to_string(folder.path("out/project/metrics_test.csv")).unwrap();
    assert_eq!(csv.lines().count(), 7);
    assert!(folder.path("out/project/gaussians/frame00008.ply").exists());

    let before = folder.listing().unwrap();
    let report = run(&folder, "run out/config.json").succeeded().unwrap();
    assert_eq!(report.stdout.matches("done before").count(), 8, "{}", report.stdout);
    assert_eq!(folder.listing().unwrap(), before);
}

#[test]
fn the_same_seed_makes_the_same_recording() {
    let folder = folder();
    for (name, options) in [("a", "--mask-noise"), ("b", "--mask-noise"), ("c", "--mask-dropout --n-cameras 4")] {
        run(&folder, &format!("synth {name} --preset tiny {options} --quiet")).succeeded().unwrap();
    }
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    for name in
        ["data/masks/0/00003.png", "data/videos_undist/5/00023.png", "project/truth.h5", "project/camera_params.h5"]
    {
        assert_eq!(read(&format!("a/{name}")), read(&format!("b/{name}")), "{name}");
    }
    let differs = |name: String| read(&format!("a/{name}")) != read(&format!("c/{name}"));
    assert!((0..24).any(|frame| differs(format!("data/masks/0/{frame:05}.png"))), "noise changes some masks");
    assert!(!folder.path("c/data/masks/4").exists());
    let again = run(&folder, "synth a --preset tiny --quiet");
    assert!(again.code == Some(1) && again.stderr.contains("exists"), "{}", again.stderr);
}

#[test]
fn what_does_not_fit_is_told_before_any_work() {
    let folder = folder();
    run(&folder, "synth out --preset tiny --quiet").succeeded().unwrap();
    let original = fs::read_to_string(folder.path("out/config.json")).unwrap();
    let refused = |changes: &[(&str, Value)], words: &[&str]| {
        configure(&folder, "out/config.json", changes);
        let run = run(&folder, "run out/config.json --to images --quiet");
        fs::write(folder.path("out/config.json"), &original).unwrap();
        assert_eq!(run.code, Some(1));
        assert!(words.iter().all(|word| run.stderr.contains(word)), "{words:?}: {}", run.stderr);
        assert!(!folder.path("out/project/images/images.zarr").exists());
    };
    refused(&[("volume_idx", serde_json::json!([[0, 32], [8, 20], [0, 32]]))], &["volume_idx", "16"]);
    refused(&[("holdout_views", serde_json::json!([9]))], &["holdout_views", "9"]);
    refused(&[("grid_size", 30.into())], &["grid_size", "30"]);
    refused(&[("ell", Value::from("wide"))], &["config.json", "wide"]);
    refused(&[("camera_fn", "none.h5".into())], &["none.h5"]);
    refused(&[("video_fns", serde_json::json!(["videos_undist/0", "x", "videos_undist/2"]))], &["video_fns"]);
    // One frame less in one video.
    let frame = folder.path("out/data/masks/2/00023.png");
    let bytes = fs::read(&frame).unwrap();
    fs::remove_file(&frame).unwrap();
    refused(&[], &["masks/2", "23", "24"]);
    fs::write(&frame, bytes).unwrap();
    // Pictures that something else has left there.
    fs::create_dir_all(folder.path("out/project/images/images.zarr")).unwrap();
    let run = run(&folder, "run out/config.json --to images --quiet");
    assert!(run.code == Some(1) && run.stderr.contains("move it away"), "{}", run.stderr);
}
