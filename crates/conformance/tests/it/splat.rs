//! The splat suite on folders of its format.

use std::path::Path;
use std::sync::Arc;

use volkit_conformance::{CaseResult, Suite, SuiteOptions, Verdict, run};
use volkit_core::{Array, MemoryStore};
use volkit_io::write_safetensors;
use volkit_splat::{PhotometricLoss, SsimBorder, Threads};

use crate::{is_ok, run_quietly, why};

fn write(path: &Path, arrays: &[(&str, &[usize], Vec<f32>)]) {
    let mut store = MemoryStore::new();
    for (name, shape, values) in arrays {
        store.insert(*name, Array::new(shape.to_vec(), values.clone()).unwrap());
    }
    write_safetensors(path, &store).unwrap();
}

fn cases(folder: &Path) -> Vec<CaseResult> {
    run_quietly(Suite::Splat, folder).cases
}

/// Two pictures, and their losses with one moved.
fn losses(moved_by: f64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (size, shape) = ([12, 14], [1usize, 12, 14, 3]);
    let [x, y] = [0.3f32, 0.8].map(|f| (0..504).map(|i| 0.5 + 0.4 * (f * i as f32).sin()).collect::<Vec<f32>>());
    let mut gradient = vec![0.0; 504];
    let mut loss = PhotometricLoss::new(SsimBorder::Valid, Arc::new(Threads::single()));
    let value = loss.evaluate(size, [&x, &y], &mut gradient).unwrap();
    let arrays = [
        ("pred", &shape[..], x),
        ("target", &shape, y),
        ("l1", &[1], vec![(value.l1 + moved_by) as f32]),
        ("ssim_loss_valid", &[1], vec![(1.0 - value.ssim) as f32]),
        ("total_valid", &[1], vec![value.total as f32]),
        ("g_pred_valid", &shape, gradient),
    ];
    write(&folder.path().join("loss.safetensors"), &arrays);
    folder
}

#[test]
fn losses_of_this_crate_and_one_moved() {
    let right = cases(losses(0.0).path()).remove(0);
    assert!(is_ok(&right) && right.name == "loss", "{}", why(&right));
    let wrong = cases(losses(1e-4).path()).remove(0);
    assert!(why(&wrong).starts_with("l1 is off by"), "{}", why(&wrong));
}

#[test]
fn the_kind_of_a_file_follows_from_its_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let one = vec![0.0f32];
    write(&folder.path().join("a_training.safetensors"), &[("adam_param", &[1], one.clone())]);
    write(&folder.path().join("b_other.safetensors"), &[("x", &[1], one.clone())]);
    write(&folder.path().join("c_loss.safetensors"), &[("pred", &[1], one.clone()), ("target", &[1], one.clone())]);
    write(&folder.path().join("d_scene.safetensors"), &[("render", &[1], one)]);
    std::fs::write(folder.path().join("e_broken.safetensors"), b"\xff\xff").unwrap();
    std::fs::write(folder.path().join("notes.txt"), b"not a case").unwrap();
    let cases = cases(folder.path());
    assert_eq!(cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>().len(), 5);
    assert!(matches!(&cases[0].verdict, Verdict::Skipped(why) if why.contains("training")));
    for (case, wanted) in cases[1..].iter().zip(["none of the tensors", "[B, H, W, 3]", "no text 'n'", "e_broken"]) {
        assert!(why(case).contains(wanted), "{}: {}", case.name, why(case));
    }
}

#[test]
fn a_folder_without_cases_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let error = run(Suite::Splat, folder.path(), &SuiteOptions::new(), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("safetensors"));
    assert!("splat".parse::<Suite>().is_ok());
}
