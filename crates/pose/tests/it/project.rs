//! Configurations.

use serde_json::{Value, json};
use volkit_pose::{ColourRules, Compat, EdgeUnit, FrameKind, PoseError, ProjectConfig, Sampling};

/// The keys without a default.
fn least() -> Value {
    json!({
        "data_directory": "data", "project_directory": "project",
        "video_fns": ["0", "1", "2", "3"], "mask_video_fns": ["a", "b", "c", "d"],
        "image_width": 128, "image_height": 96, "image_downsample": 2, "frame_jump": 5,
        "ell": 0.22, "ell_tracking": 0.25, "grid_size": 112
    })
}

fn with(changes: &[(&str, Value)]) -> Result<ProjectConfig, PoseError> {
    let mut config = least();
    for (key, value) in changes {
        config[*key] = value.clone();
    }
    ProjectConfig::from_json(&config.to_string(), "config.json")
}

#[test]
fn defaults_by_hand() {
    let c = with(&[]).unwrap();
    assert_eq!((c.camera_fn.as_str(), c.model_fn.as_str()), ("camera_params.h5", "model.safetensors"));
    assert_eq!((c.frame, c.compat, c.ell_unit), (FrameKind::Upright, Compat::Own, EdgeUnit::Frame));
    assert_eq!((c.sampling, c.volume_idx, c.mask_threshold), (Sampling::Stride, None, None));
    assert_eq!((c.epochs, c.valid_every, c.seed), (12, 1, 0));
    assert_eq!(c.observed(), [0, 1, 2, 3]);
    assert_eq!(c.colours(), ColourRules::default().with_fill(0.38));
    let training = c.training();
    assert_eq!((training.epochs, training.learning_rate, training.loss.image), (12, 1e-3, 0.5));
    assert_eq!(c.model([96, 80, 64]).dims, [96, 80, 64]);
    // What is written is read.
    let text = serde_json::to_string(&c).unwrap();
    assert_eq!(ProjectConfig::from_json(&text, "again").unwrap(), c);
}

#[test]
fn keys_of_the_published_program_are_known() {
    let published = [("volume_sum_fn", json!("volume_sum.npy")), ("image_compression_level", json!(2))];
    assert!(with(&published).unwrap().unknown_keys().is_empty());
    let misspelt = with(&[("epoch", json!(3)), ("img_lamda", json!(0.5))]).unwrap();
    assert_eq!(misspelt.unknown_keys(), ["epoch", "img_lamda"]);
    let c = with(&[("holdout_views", json!([3, 1]))]).unwrap();
    assert_eq!(c.observed(), [0, 2]);
}

#[test]
fn the_published_model_brings_its_frame_and_colours() {
    let crop = json!([[0, 96], [16, 96], [25, 89]]);
    let c = with(&[("compat", json!("reference")), ("volume_idx", crop), ("volume_fill_color", json!(0.45))]).unwrap();
    assert_eq!((c.compat, c.frame), (Compat::Reference, FrameKind::Reference));
    assert_eq!(c.colours(), ColourRules::as_published(0.45));
}

#[test]
fn masks_are_there_for_all_views_or_for_none() {
    assert!(with(&[("mask_video_fns", json!([]))]).is_ok());
    assert!(with(&[("mask_video_fns", json!(["a", "b"]))]).is_err());
}

#[test]
fn what_can_not_be_is_told_with_file_key_and_value() {
    let cases = [
        ("video_fns", json!(["0", "1"]), "2 and 4"),
        ("holdout_views", json!([4]), "[4]"),
        ("holdout_views", json!([0, 1, 2]), "[0, 1, 2]"),
        ("image_width", json!(0), "0"),
        ("frame_jump", json!(0), "0"),
        ("image_downsample", json!(97), "97"),
        ("ell", json!(0.0), "0"),
        ("ell_tracking", json!(-1.0), "-1"),
        ("lr", json!(0.0), "0"),
        ("fps", json!(-30.0), "-30"),
        ("grid_size", json!(100), "100"),
        ("grid_size", json!(2048), "2048"),
        ("adaptive_camera", json!(true), "true"),
        ("view_dropout", json!(1.5), "1.5"),
        ("compat", json!("reference"), "none"),
    ];
    for (key, value, shown) in cases {
        let error = with(&[(key, value.clone())]).unwrap_err();
        assert!(matches!(error, PoseError::Input { .. }), "{key}: {error:?}");
        let text = error.to_string();
        let named = if key == "compat" { "volume_idx" } else { key };
        assert!(text.starts_with("config.json") && text.contains(named) && text.contains(shown), "{key}: {text}");
    }
    for crop in [json!([[0, 16], [0, 16], [0, 17]]), json!([[0, 16], [0, 16], [100, 116]])] {
        assert!(with(&[("volume_idx", crop)]).unwrap_err().to_string().contains("volume_idx"));
    }
    for (key, value) in [("ell", json!("wide")), ("compat", json!("mine")), ("frame", json!(3))] {
        let error = with(&[(key, value)]).unwrap_err();
        assert!(matches!(error, PoseError::Read { .. }) && error.to_string().contains("config.json"), "{error}");
    }
    let mut missing = least();
    missing.as_object_mut().unwrap().remove("grid_size");
    assert!(ProjectConfig::from_json(&missing.to_string(), "config.json").is_err());
}
