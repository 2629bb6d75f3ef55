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
    let mut cases = cases(folder.path());
    assert_eq!(cases.len(), 7);
    let relocation = cases.remove(2);
    assert!(matches!(&relocation.verdict, Verdict::Skipped(why) if why.contains("relocation")));
    let wanted =
        ["'adam_grads': missing", "'means': missing", "none of the tensors", "[B, H, W, 3]", "no text 'n'", "e_broken"];
    for (case, wanted) in cases.iter().zip(wanted) {
        assert!(why(case).contains(wanted), "{}: {}", case.name, why(case));
    }
}

#[test]
fn steps_of_training_by_hand() {
    let verdicts = |moved_by: f32| {
        let folder = tempfile::tempdir().unwrap();
        // The first step of Adam is the rate against the sign; the rotation is none, so that a child moves by scale times
        // normal numbers.
        let arrays = [
            ("adam_param", &[1, 2][..], vec![1.0f32, -2.0]),
            ("adam_grads", &[1, 1, 2], vec![0.3, -5.0]),
            ("adam_params_after", &[1, 1, 2], vec![1.0 - 1.6e-4 + moved_by, -2.0 + 1.6e-4]),
            ("means", &[1, 3], vec![1.0, 2.0, 3.0]),
            ("quats", &[1, 4], vec![2.0, 0.0, 0.0, 0.0]),
            ("log_scales", &[1, 3], vec![0.0, 0.0, 2.0f32.ln()]),
            ("logit_opacities", &[1], vec![0.0]),
            ("split_normals", &[2, 1, 3], vec![1.0, -1.0, 0.5, 0.0, 0.0, -1.0]),
            ("split_means", &[2, 3], vec![2.0, 1.0, 4.0, 1.0, 2.0, 1.0 + moved_by]),
            ("split_log_scales", &[2, 3], [-1.6f32.ln(), -1.6f32.ln(), 1.25f32.ln()].repeat(2)),
        ];
        write(&folder.path().join("s.safetensors"), &arrays);
        let cases = cases(folder.path());
        assert_eq!(cases[0].name, "s/adam");
        [is_ok(&cases[0]), is_ok(&cases[1])]
    };
    assert_eq!(verdicts(0.0), [true; 2]);
    assert_eq!(verdicts(1e-4), [false; 2]);
}

#[test]
fn a_folder_without_cases_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let error = run(Suite::Splat, folder.path(), &SuiteOptions::new(), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("safetensors"));
    assert!("splat".parse::<Suite>().is_ok());
}
