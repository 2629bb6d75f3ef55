//! The training suite on folders of its format.

use serde_json::{Value, json};
use volkit_conformance::{CaseResult, Suite, SuiteOptions, run};
use volkit_core::{Array, MemoryStore};
use volkit_io::write_safetensors;

use crate::{is_ok, run_quietly, why, write_index};

/// A folder with this index and these tensors.
fn folder(index: &Value, tensors: &[(&str, Vec<f64>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut store = MemoryStore::new();
    for (name, values) in tensors {
        store.insert(*name, Array::new(vec![values.len()], values.clone()).unwrap());
    }
    write_safetensors(folder.path().join("training.safetensors"), &store).unwrap();
    write_index(&folder.path().join("training.json"), index);
    folder
}

fn cases(index: &Value, tensors: &[(&str, Vec<f64>)]) -> Vec<CaseResult> {
    run_quietly(Suite::Training, folder(index, tensors).path()).cases
}

/// One step of gradient descent on `p^2 / 2 - p` from 3 at rate 0.5.
fn descent(optimizer: &str, end: f64) -> CaseResult {
    let args = json!({"lr": 0.5});
    let run =
        json!({"optimizer": optimizer, "args": args, "problem": "quadratic", "steps": 1, "params": "p", "losses": "l"});
    let tensors = [("quad.A", vec![1.0]), ("quad.b", vec![1.0]), ("p", vec![3.0, end]), ("l", vec![1.5])];
    cases(&json!({"first_order": [run]}), &tensors).remove(0)
}

#[test]
fn trajectories_are_followed_and_one_that_strays_is_told() {
    assert!(is_ok(&descent("SGD", 2.0)));
    assert!(why(&descent("SGD", 2.1)).starts_with("params[1] is off by "), "{}", why(&descent("SGD", 2.1)));
    assert!(why(&descent("Adagrad", 2.0)).contains("'Adagrad', which is not known"));
    // The first step of Adam is as long as its rate.
    assert!(is_ok(&descent("Adam", 3.0 - 0.5 * 2.0 / (2.0 + 1e-8))));
}

#[test]
fn scales_rates_and_clipping_by_hand() {
    let scaler = |last: f64| {
        let trace = json!([
            {"scale": 4.0, "growth_tracker": 1, "param": 0.75},
            {"scale": 2.0, "growth_tracker": 0, "param": last},
        ]);
        json!({"init_scale": 4.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 9, "pattern": "01",
            "trace": trace})
    };
    let index = json!({
        "grad_scaler": [scaler(0.75), scaler(0.5)],
        "exponential_lr": {"lr0": 0.1, "gamma": 0.5, "lr": [0.1, 0.05]},
        "step_lr": {"lr0": 0.1, "gamma": 0.5, "step_size": 2, "lr": [0.1, 0.05]},
        "clip_grad_norm": [{"max_norm": 1.0, "norm_type": "inf", "total_norm": 4.0, "grads": ["g"], "clipped": ["c"]}],
        "unet_f32": {"width": 2},
    });
    let clipped = [1.0, -2.0].map(|g| g / (2.0 + 1e-6)).to_vec();
    let cases = cases(&index, &[("g", vec![1.0, -2.0]), ("c", clipped)]);
    let found: Vec<(&str, bool)> = cases.iter().map(|case| (case.name.as_str(), is_ok(case))).collect();
    let wanted = [
        ("grad_scaler/00", true),
        ("grad_scaler/01", false),
        ("clip_grad_norm/00", false),
        ("exponential_lr", true),
        ("step_lr", false),
        ("unet_f32", false),
    ];
    assert_eq!(found, wanted);
    assert!(why(&cases[1]).contains("param after step 1 is off by 2.5e-1"), "{}", why(&cases[1]));
    assert!(why(&cases[2]).starts_with("total_norm is off by 2e0"), "{}", why(&cases[2]));
    let wanted = if cfg!(feature = "candle") { "params" } else { "without the feature `candle`" };
    assert!(why(&cases[5]).contains(wanted), "{}", why(&cases[5]));
}

#[test]
fn every_evaluation_counts() {
    let run = |calls: usize| {
        json!({"problem": "rosenbrock", "start": [1.0, 1.0], "steps": 1, "closure_calls_per_step": [calls],
            "args": {"lr": 1.0, "max_iter": 3, "history_size": 2, "line_search_fn": "strong_wolfe"},
            "eval_points": "p", "eval_losses": "l", "params_after_step": "p"})
    };
    let tensors = [("p", vec![1.0, 1.0]), ("l", vec![0.0])];
    let cases = cases(&json!({"lbfgs": [run(1), run(2)]}), &tensors);
    assert!(is_ok(&cases[0]), "{}", why(&cases[0]));
    assert!(why(&cases[1]).contains("evaluations per step is [1], expected [2]"));
}

#[test]
fn what_is_missing_is_told() {
    let empty = tempfile::tempdir().unwrap();
    let error = run(Suite::Training, empty.path(), &SuiteOptions::new(), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("training.json"));
    write_index(&empty.path().join("training.json"), &json!({"lbfgs": []}));
    let cases = run_quietly(Suite::Training, empty.path()).cases;
    assert!(why(&cases[0]).contains("training.safetensors"), "{}", why(&cases[0]));
}
