//! The published model.

use volkit_core::{Array, ArrayStore as _, DType, MemoryStore};
use volkit_pose::{CarveRules, ColourRules, ModelConfig, PoseModel, ReferenceModel, SceneModel as _, evaluate_frame};
use volkit_splat::Colours;

use crate::scene::tiny;

/// A checkpoint with random weights and the published names.
fn checkpoint() -> MemoryStore {
    let ours = PoseModel::new(ModelConfig::new([32, 16, 32])).unwrap().to_store(DType::F32).unwrap();
    let mut store = MemoryStore::new();
    for name in ours.names() {
        store.insert(name.replace("unet.", "final_unet."), ours.get(&name).unwrap());
    }
    store.insert("scale", Array::new([1], vec![-4.0f32]).unwrap());
    store
}

#[test]
fn gaussians_follow_the_published_rules() {
    let mut recording = tiny(3);
    (recording.rules, recording.colours) = (CarveRules::Reference, ColourRules::as_published(0.38));
    let store = checkpoint();
    let model = ReferenceModel::from_store([32, 16, 32], &store).unwrap();
    let views = recording.store.read(1).unwrap();
    let volume = recording.carve(1, &views, &recording.observed()).unwrap();
    let pose = recording.track.pose(1);
    let scene = model.scene(&volume, &recording.grid, &pose).unwrap();
    assert_eq!(scene, model.scene(&volume, &recording.grid, &pose).unwrap(), "the same frame, the same Gaussians");
    // 16384 points are more than 16000: the threshold rises until what is empty goes, or sinks until there are 1024.
    let n = volume.occupied.len();
    assert!(n < 1024 && scene.len() >= 1024 || scene.len() == n, "{} of {n}", scene.len());
    let Colours::Rgb(colours) = &scene.colours else { panic!("plain colours") };
    assert!(colours.iter().flatten().all(|c| (0.0..=0.99).contains(c)));
    assert!(scene.logit_opacities.iter().all(|o| (0.0..=1.0).contains(o)));
    // Means are at most two cells of the cube from points of the grid, so inside of the cube and its border.
    let reach = 0.5 * recording.grid.edge * 3f64.sqrt() + 4.0 * recording.grid.edge / 32.0;
    for mean in &scene.means {
        let d: f64 = (0..3).map(|k| (f64::from(mean[k]) - pose.centre[k]).powi(2)).sum::<f64>().sqrt();
        assert!(d <= reach, "{d}");
    }
    assert!(scene.quats.iter().all(|q| (q.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4 && q[0] >= 0.0));
    assert_eq!(model.render_config().radius_clip_px, 2.0);
    let (metrics, pictures) = evaluate_frame(&model, &recording, 1).unwrap();
    assert_eq!((metrics.len(), pictures.len()), (6, 6));
    assert!(metrics.iter().all(|m| m.psnr.is_finite()));
}

#[test]
fn checkpoints_of_another_crop_are_refused() {
    let store = checkpoint();
    let error = ReferenceModel::from_store([32, 32, 32], &store).unwrap_err().to_string();
    assert!(error.contains("final_unet.mlp_1.0.weight") && error.contains("[512, "), "{error}");
    assert!(ReferenceModel::from_store([32, 16, 20], &store).is_err());
    let mut lacking = MemoryStore::new();
    for name in store.names().into_iter().filter(|name| name != "scale") {
        lacking.insert(name.clone(), store.get(&name).unwrap());
    }
    assert!(ReferenceModel::from_store([32, 16, 32], &lacking).unwrap_err().to_string().contains("scale"));
    let recording = tiny(3);
    let views = recording.store.read(0).unwrap();
    let volume = recording.carve(0, &views, &[0, 2, 3]).unwrap();
    let other = PoseModel::new(ModelConfig::new([32, 32, 32]).with_widths(2, 8)).unwrap();
    assert!(other.scene(&volume, &recording.grid, &recording.track.pose(0)).is_err());
}
