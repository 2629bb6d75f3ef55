//! The network, its training and its measures.

use std::sync::Arc;

use volkit_core::{DType, SilentProgress};
use volkit_kernels::Threads;
use volkit_pose::{
    FrameViews, MetricsTable, ModelConfig, PoseModel, Split, TrainConfig, Trainer, UNet3d, UNet3dConfig, ViewMetrics,
    evaluate_frame, scene_of, view_metrics,
};
use volkit_splat::Rendering;

use crate::scene::tiny;

fn small_model() -> ModelConfig {
    ModelConfig::new([32, 16, 32]).with_widths(4, 32)
}

#[test]
fn the_network_has_the_published_number_of_parameters() {
    let map = candle_nn::VarMap::new();
    let vb = candle_nn::VarBuilder::from_varmap(&map, candle_core::DType::F32, &candle_core::Device::Cpu);
    UNet3d::new(&UNet3dConfig::new([4, 8], [96, 80, 64]), &vb).unwrap();
    let data = map.data().lock().unwrap();
    let trained = data.iter().filter(|(name, _)| !name.contains("running_"));
    assert_eq!(trained.map(|(_, var)| var.elem_count()).sum::<usize>(), 17_421_120);
    assert!(data.contains_key("encoder5.4.weight") && data.contains_key("upconv4.bias"));
    assert_eq!(data["mlp_1.0.weight"].dims(), [512, 128 * 120]);
    drop(data);
    for bad in [[96, 80, 60], [16, 16, 16], [0, 16, 16]] {
        assert!(UNet3d::new(&UNet3dConfig::new([4, 8], bad), &vb).is_err(), "{bad:?}");
    }
}

#[test]
fn an_untrained_model_shows_the_carved_colours() {
    let recording = tiny(3);
    let model = PoseModel::new(small_model()).unwrap();
    let views = recording.store.read(1).unwrap();
    let volume = recording.carve(1, &views, &recording.observed()).unwrap();
    let scene = scene_of(&model.forward(&volume, &recording.grid, &recording.track.pose(1), false).unwrap()).unwrap();
    assert_eq!(scene.len(), volume.occupied.len());
    let volkit_splat::Colours::Rgb(colours) = &scene.colours else { panic!("plain colours") };
    let n = volume.dims.iter().product::<usize>();
    for (colour, (index, _)) in colours.iter().zip(&volume.occupied) {
        for (k, c) in colour.iter().enumerate() {
            assert!((c - volume.values[(k + 1) * n + index]).abs() < 0.15);
        }
    }
    let (metrics, _) = evaluate_frame(&model, &recording, 1).unwrap();
    assert!(metrics.iter().all(|m| m.psnr > 13.0 && m.soft_iou > 0.3), "{metrics:?}");
    // A volume of another size, and one with nothing in it.
    let other = PoseModel::new(ModelConfig::new([32, 32, 32]).with_widths(2, 8)).unwrap();
    assert!(other.forward(&volume, &recording.grid, &recording.track.pose(1), false).is_err());
    let empty = recording.carve(1, &FrameViews::new(6, [64, 48]), &[0, 2]).unwrap();
    assert!(model.forward(&empty, &recording.grid, &recording.track.pose(1), false).is_err());
}

#[test]
fn gradients_are_central_differences() {
    let recording = tiny(3);
    let model = PoseModel::new(small_model()).unwrap();
    let views = recording.store.read(0).unwrap();
    let volume = recording.carve(0, &views, &recording.observed()).unwrap();
    // A smooth function of everything that the model gives.
    let value = || {
        let g = model.forward(&volume, &recording.grid, &recording.track.pose(0), true).unwrap();
        let square = |t: &candle_core::Tensor| t.sqr().unwrap().mean_all().unwrap();
        let parts = [&g.means, &g.quats, &g.log_scales, &g.logit_opacities, &g.colours].map(square);
        parts.into_iter().reduce(|a, b| (a + b).unwrap()).unwrap()
    };
    let gradients = value().backward().unwrap();
    for (name, at) in [("scale", 0), ("opacity", 1), ("gaussian_param_net.0.weight", 77), ("unet.final_conv.weight", 9)]
    {
        let var = &model.variables()[name];
        let start = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let with = |change: f32| {
            let mut values = start.clone();
            values[at] += change;
            var.set(&candle_core::Tensor::from_vec(values, var.shape(), &candle_core::Device::Cpu).unwrap()).unwrap();
            f64::from(value().to_scalar::<f32>().unwrap())
        };
        let step = 4e-3;
        let wanted = (with(step) - with(-step)) / (2.0 * f64::from(step));
        with(0.0);
        let got = gradients.get(var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()[at];
        // Sums of f32 over a step of 4e-3: four digits at best.
        assert!((f64::from(got) - wanted).abs() < 2e-3 + 0.02 * wanted.abs(), "{name}: {got} {wanted}");
    }
}

#[test]
fn training_learns_and_can_be_gone_on_with() {
    let recording = tiny(9);
    let config = TrainConfig::new(4).with_learning_rate(2e-3).with_valid_every(2);
    let mut whole = Trainer::new(small_model(), config).unwrap();
    for _ in 0..4 {
        whole.epoch(&recording, &SilentProgress).unwrap();
    }
    assert_eq!((whole.step_count(), whole.history().len()), (12, 4));
    let loss = |epoch: usize| whole.history()[epoch].train.total;
    assert!(loss(3) < 0.9 * loss(0), "{} {}", loss(0), loss(3));
    assert!(whole.history()[0].valid.is_none() && whole.history()[1].valid.is_some());

    let mut first = Trainer::new(small_model(), config).unwrap();
    for _ in 0..2 {
        first.epoch(&recording, &SilentProgress).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    first.checkpoint().unwrap().write(&path).unwrap();
    let checkpoint = volkit_train::Checkpoint::read(&path, Trainer::kind()).unwrap();
    let mut second = Trainer::new(small_model(), config).unwrap();
    second.restore(&checkpoint).unwrap();
    for _ in 0..2 {
        second.epoch(&recording, &SilentProgress).unwrap();
    }
    assert_eq!(second.history(), whole.history(), "bit-equal on one thread");
    let store = |trainer: &Trainer| trainer.with_average(|model| model.to_store(DType::F32)).unwrap();
    assert_eq!(store(&second), store(&whole));
    let mut other = Trainer::new(ModelConfig::new([32, 16, 32]).with_widths(4, 16), config).unwrap();
    assert!(other.restore(&checkpoint).is_err());

    // The model comes back from half precision.
    let half = whole.with_average(|model| model.to_store(DType::F16)).unwrap();
    let model = PoseModel::from_store(small_model(), &half).unwrap();
    let (metrics, _) = evaluate_frame(&model, &recording, 7).unwrap();
    let (kept, _) = whole.with_average(|model| evaluate_frame(model, &recording, 7)).unwrap();
    assert!(metrics.iter().zip(&kept).all(|(a, b)| (a.psnr - b.psnr).abs() < 0.1));
    assert!(PoseModel::from_store(ModelConfig::new([32, 16, 32]), &half).is_err());
}

#[test]
fn one_frame_is_learnt_by_heart() {
    let recording = tiny(3);
    let config = TrainConfig::new(30).with_learning_rate(8e-3).with_view_dropout(0.0).with_valid_every(100);
    let mut trainer = Trainer::new(small_model(), config).unwrap();
    let losses: Vec<f64> = (0..30).map(|_| trainer.step(&recording, 0).unwrap().total).collect();
    assert!(losses[29] < 0.6 * losses[0] && losses[29] < losses[15], "{losses:?}");
    let (metrics, _) = evaluate_frame(trainer.model(), &recording, 0).unwrap();
    let observed: Vec<&ViewMetrics> = recording.observed().iter().map(|view| &metrics[*view]).collect();
    assert!(observed.iter().all(|m| m.iou > 0.8), "{observed:?}");
}

#[test]
fn measures_by_hand() {
    let mut views = FrameViews::new(1, [12, 12]);
    views.rgba.fill(255);
    for (i, pixel) in views.rgba.chunks_mut(4).enumerate() {
        let inside = i % 12 < 6;
        pixel.copy_from_slice(&if inside { [51, 51, 51, 255] } else { [255, 255, 255, 0] });
    }
    let threads = Arc::new(Threads::single());
    let rendering = |inside: f32, alpha: f32| Rendering {
        width: 12,
        height: 12,
        colour: (0..3 * 144).map(|i| if i / 3 % 12 < 6 { inside } else { 1.0 }).collect(),
        alpha: (0..144).map(|i| if i % 12 < 6 { alpha } else { 0.0 }).collect(),
        depth: Vec::new(),
    };
    // Off by 0.1 in all channels inside: 0.3 per mask area; half of the picture has an error of 0.01.
    let m = view_metrics(&rendering(0.3, 1.0), &views, 0, &threads).unwrap();
    assert!((m.l1 - 0.3).abs() < 1e-5 && (m.psnr - 10.0 * 200f64.log10()).abs() < 1e-3);
    assert!((m.psnr_foreground - 20.0).abs() < 1e-3 && (m.iou - 1.0).abs() < 1e-9);
    // All white: nothing is covered.
    let m = view_metrics(&rendering(1.0, 0.0), &views, 0, &threads).unwrap();
    assert!((m.psnr - 10.0 * (1.0 / (0.5 * 0.64f64)).log10()).abs() < 1e-4 && m.iou < 1e-6);
    let m = view_metrics(&rendering(0.2, 0.6), &views, 0, &threads).unwrap();
    assert!((m.soft_iou - 0.6).abs() < 1e-6 && (m.iou - 1.0).abs() < 1e-9 && (m.ssim - 1.0).abs() < 1e-6);
    // An empty mask divides nothing by zero.
    let m = view_metrics(&rendering(0.2, 0.6), &FrameViews::new(1, [12, 12]), 0, &threads).unwrap();
    assert!(m.l1.is_finite() && m.psnr_foreground.is_finite());
    assert!(view_metrics(&rendering(0.2, 0.6), &FrameViews::new(1, [6, 24]), 0, &threads).is_err());
}

#[test]
fn tables_by_hand() {
    let of = |psnr| ViewMetrics { psnr, ..ViewMetrics::default() };
    let table = MetricsTable::new(&[vec![of(20.0), of(10.0)], vec![of(30.0), of(14.0)]], &[1]);
    assert_eq!((table.mean(false).unwrap().psnr, table.mean(true).unwrap().psnr), (25.0, 12.0));
    let csv = table.to_csv();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "camera,heldout,iou,soft_iou,l1,psnr,psnr_foreground,ssim");
    assert_eq!(lines[2], "1,1,0.000000,0.000000,0.000000,12.000000,0.000000,0.000000");
    assert_eq!(MetricsTable::new(&[], &[]).mean(false), None);
    assert_eq!(Split::of(8), Split { train: 0..2, valid: 2..4, test: 4..8 });
}
