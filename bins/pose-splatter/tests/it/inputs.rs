//! Recordings that lack something, or do not fit.

use std::fs;

use serde_json::{Value, json};
use volkit_bench::{AnimalPhantom, ProgramFolder};
use volkit_splat::encode_png;

use crate::program::{configure, folder, json, run};

const CONFIG: &str = "out/config.json";

fn recorded(options: &str) -> ProgramFolder {
    let folder = folder();
    run(&folder, &format!("synth out --preset tiny --quiet {options}")).succeeded().unwrap();
    folder
}

#[test]
fn masks_are_found_where_there_are_none() {
    let folder = recorded("--no-masks --find-crop");
    assert!(!folder.path("out/data/masks").exists());
    let report = run(&folder, &format!("prepare {CONFIG}")).succeeded().unwrap();
    assert!(report.stdout.contains("12 frames, 0 without a hull"), "{}", report.stdout);
    assert!(folder.path("out/project/masks.png").metadata().unwrap().len() > 1000);
    let table = fs::read_to_string(folder.path("out/project/masks.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let share: f64 = row[4].parse().unwrap();
        assert!(row[1..3] == ["12", "0"] && (0.005..0.2).contains(&share), "{row:?}");
    }
    // Another threshold is another recording.
    configure(&folder, CONFIG, &[("mask_threshold", 254.into())]);
    let none = run(&folder, &format!("run {CONFIG} --to track"));
    assert!(none.code == Some(1) && none.stderr.contains("check masks and calibration"), "{}", none.stderr);
    assert!(none.stderr.contains("every mask is empty"), "{}", none.stderr);
}

#[test]
fn a_view_without_masks_says_nothing_and_is_told() {
    let folder = recorded("");
    for frame in 0..24 {
        let empty = encode_png([128, 96], &[0; 128 * 96]).unwrap();
        fs::write(folder.path(&format!("out/data/masks/3/{frame:05}.png")), empty).unwrap();
    }
    let report = run(&folder, &format!("run {CONFIG} --to track")).succeeded().unwrap();
    assert!(report.stderr.contains("view 3: every mask is empty"), "{}", report.stderr);
    assert!(report.stdout.contains("0 without a hull"), "{}", report.stdout);
}

/// The calibration as JSON, camera 0 changed.
fn calibration(change: impl Fn(&mut [[f64; 3]; 3], &mut [f64; 3])) -> Value {
    let cameras = AnimalPhantom::new([128, 96]).cameras().unwrap();
    let entries: Vec<Value> = cameras
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let (mut rotation, mut translation) = (c.rotation, c.translation);
            if i == 0 {
                change(&mut rotation, &mut translation);
            }
            let [cx, cy] = c.centre_px;
            let intrinsic = [[c.focal_px, 0.0, cx], [0.0, c.focal_px, cy], [0.0, 0.0, 1.0]];
            json!({ "rotation": rotation, "translation": translation, "intrinsic": intrinsic })
        })
        .collect();
    json!({ "cameras": entries })
}

#[test]
fn a_camera_that_looks_away_is_told() {
    let folder = recorded("");
    let write = |value: Value| fs::write(folder.path("out/project/rig.json"), value.to_string()).unwrap();
    configure(&folder, CONFIG, &[("camera_fn", "rig.json".into())]);
    write(calibration(|_, _| {}));
    run(&folder, &format!("run {CONFIG} --to track --quiet")).succeeded().unwrap();
    // Turned by half a turn about its own y axis.
    write(calibration(|r, t| {
        for k in [0, 2] {
            r[k] = r[k].map(|x| -x);
            t[k] = -t[k];
        }
    }));
    let away = run(&folder, &format!("run {CONFIG} --to track --quiet"));
    assert!(away.code == Some(1) && away.stderr.contains("camera 0: the animal is behind it"), "{}", away.stderr);
}

#[test]
fn a_crop_that_misses_the_animal_is_told() {
    let folder = recorded("");
    configure(&folder, CONFIG, &[("volume_idx", json!([[0, 16], [0, 16], [0, 32]]))]);
    let run = run(&folder, &format!("run {CONFIG} --to crop --quiet"));
    assert!(run.code == Some(1) && run.stderr.contains("misses the animal"), "{}", run.stderr);
    assert!(run.stderr.contains("step crop") && run.stderr.contains("[[0, 16]"), "{}", run.stderr);
}

#[test]
fn presets_are_configurations() {
    let folder = folder();
    let printed = run(&folder, "preset rat --observed 4 --variant fast").succeeded().unwrap();
    fs::write(folder.path("rat.json"), &printed.stdout).unwrap();
    assert_eq!(json(&folder, "rat.json")["holdout_views"], json!([5, 2]));
    // Nothing but the recording is missing.
    let refused = run(&folder, "run rat.json");
    assert!(refused.code == Some(1) && refused.stderr.contains("masks/0.mp4"), "{}", refused.stderr);
    assert_eq!(run(&folder, "preset cat").code, Some(2));
    assert_eq!(run(&folder, "preset pigeon --observed 3").code, Some(1));
}

#[test]
fn lengths_of_the_published_frame_are_converted() {
    let folder = recorded("");
    run(&folder, &format!("run {CONFIG} --to track --quiet")).succeeded().unwrap();
    let world = json(&folder, "out/project/world.json");
    let factor = world["per_published"].as_f64().unwrap();
    // The ring is around the origin of its calibration but for the height: the published frame is the larger one.
    assert!((1.0..2.0).contains(&factor), "{factor}");
    let track = fs::read_to_string(folder.path("out/project/track.csv")).unwrap();
    let published =
        [("ell", json!(0.4 / factor)), ("ell_tracking", json!(0.4 / factor)), ("ell_unit", "published".into())];
    configure(&folder, CONFIG, &published);
    run(&folder, &format!("run {CONFIG} --to track --quiet")).succeeded().unwrap();
    let again = fs::read_to_string(folder.path("out/project/track.csv")).unwrap();
    let numbers = |text: &str| text.split([',', '\n']).filter_map(|word| word.parse::<f64>().ok()).collect::<Vec<_>>();
    assert!(numbers(&track).iter().zip(numbers(&again)).all(|(a, b)| (a - b).abs() < 0.05), "{track}\n{again}");
}
