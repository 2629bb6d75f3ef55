//! The settings of the published recordings, as configurations that run.

use serde_json::{Value, json};
use volkit_core::BoxError;

use crate::args::{Animal, PresetArgs, Variant};

/// What the publication sets for a recording. Lengths are in its own units; the boxes of its grids belong to its tilted
/// frame, so the crop is left to be found.
struct Published {
    /// Columns and rows of the videos.
    size: [usize; 2],
    downsample: usize,
    ell: f64,
    ell_tracking: f64,
    grid_size: usize,
    fill: f64,
    fps: f64,
    n_cameras: usize,
    /// Cameras that are held out, those first that are held out where only one is.
    held_out: &'static [usize],
}

impl Published {
    fn of(animal: Animal) -> Self {
        let mouse = Self {
            size: [2048, 1536],
            downsample: 4,
            ell: 0.22,
            ell_tracking: 0.25,
            grid_size: 112,
            fill: 0.38,
            fps: 30.0,
            n_cameras: 6,
            held_out: &[5, 1],
        };
        match animal {
            Animal::Mouse => mouse,
            Animal::Rat => Self { size: [1328, 1048], held_out: &[5, 2], ..mouse },
            Animal::Finch => Self { ell: 0.16, ell_tracking: 0.15, fill: 0.45, ..mouse },
            Animal::Pigeon => Self {
                size: [1312, 640],
                downsample: 2,
                ell: 0.08,
                ell_tracking: 0.12,
                grid_size: 80,
                fill: 0.45,
                n_cameras: 4,
                held_out: &[],
                ..mouse
            },
            Animal::MarkerlessMouse => Self { size: [1152, 1024], fps: 100.0, ..mouse },
        }
    }
}

/// The configuration of an animal with its variants.
pub(crate) fn config(args: &PresetArgs) -> Result<Value, BoxError> {
    let p = Published::of(args.animal);
    let n = args.observed.unwrap_or(p.n_cameras);
    let held_out = p.n_cameras.checked_sub(n).and_then(|k| p.held_out.get(..k)).ok_or_else(|| {
        let least = p.n_cameras - p.held_out.len();
        format!("--observed {n}: {least} to {} of this recording", p.n_cameras)
    })?;
    let names = |kind: &str| (0..p.n_cameras).map(|k| format!("{kind}/{k}.mp4")).collect::<Vec<_>>();
    let mut config = json!({
        "data_directory": "data",
        "project_directory": "project",
        "video_fns": names("videos_undist"),
        "mask_video_fns": names("masks"),
        "holdout_views": held_out,
        "camera_fn": "camera_params.h5",
        "vertical_lines_fn": "vertical_lines.npz",
        "image_width": p.size[0],
        "image_height": p.size[1],
        "image_downsample": p.downsample,
        "frame_jump": 5,
        "fps": p.fps,
        "frame": "upright",
        "ell": p.ell,
        "ell_tracking": p.ell_tracking,
        "ell_unit": "published",
        "grid_size": p.grid_size,
        "volume_fill_color": p.fill,
        "img_lambda": 0.5,
        "ssim_lambda": 0.0,
        "epochs": 50,
        "valid_every": 5
    });
    for variant in &args.variant {
        let changes = match variant {
            Variant::Fast => json!({ "image_downsample": 2 * p.downsample, "grid_size": 64, "frame_jump": 10 }),
            Variant::HighRes => json!({ "image_downsample": (p.downsample / 2).max(1), "grid_size": 128 }),
            Variant::Ssim => json!({ "img_lambda": 0.3, "ssim_lambda": 0.2 }),
            Variant::Extended => json!({ "frame_jump": 2 }),
        };
        for (key, value) in changes.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use volkit_pose::{EdgeUnit, ProjectConfig};

    use super::*;

    fn args(animal: Animal, variant: &[Variant], observed: Option<usize>) -> PresetArgs {
        PresetArgs { animal, variant: variant.to_vec(), observed }
    }

    fn parsed(args: &PresetArgs) -> ProjectConfig {
        ProjectConfig::from_json(&config(args).unwrap().to_string(), "preset").unwrap()
    }

    #[test]
    fn every_preset_and_variant_is_a_configuration() {
        for animal in Animal::value_variants() {
            let with = |variant: &[Variant]| parsed(&args(*animal, variant, None));
            assert!(with(&[]).unknown_keys().is_empty() && with(&[]).holdout_views.is_empty());
            for variant in Variant::value_variants() {
                let c = with(&[*variant]);
                assert_eq!(c.grid_size % 16, 0);
                assert_ne!(c, with(&[]), "{variant:?}");
                assert_eq!((c.ell_unit, c.volume_idx), (EdgeUnit::Published, None));
            }
        }
    }

    #[test]
    fn the_published_numbers() {
        let c = parsed(&args(Animal::Rat, &[], Some(4)));
        assert_eq!((c.image_width, c.image_height, c.holdout_views), (1328, 1048, vec![5, 2]));
        let c = parsed(&args(Animal::Finch, &[Variant::Fast, Variant::Ssim], Some(5)));
        assert_eq!((c.image_downsample, c.grid_size, c.frame_jump, c.ell), (8, 64, 10, 0.16));
        assert_eq!((c.img_lambda, c.ssim_lambda, c.holdout_views), (0.3, 0.2, vec![5]));
        let c = parsed(&args(Animal::Pigeon, &[], None));
        assert_eq!((c.video_fns.len(), c.grid_size, c.image_downsample, c.volume_fill_color), (4, 80, 2, 0.45));
        for (animal, observed) in [(Animal::Mouse, 3), (Animal::Mouse, 7), (Animal::Pigeon, 3)] {
            assert!(config(&args(animal, &[], Some(observed))).is_err(), "{animal:?} {observed}");
        }
    }
}
