//! A recording of the procedural animal, as a project of its own.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use volkit_bench::{AnimalCamera, AnimalPhantom, AnimalView, Display, Random};
use volkit_core::{BoxError, Progress as _};
use volkit_io::write_atomically;
use volkit_kernels::Threads;

use crate::args::{Preset, SynthArgs};
use crate::synth_files::{Motion, write_calibration, write_picture, write_truth};

/// Share of the border pixels that `--mask-noise` flips.
const FLIPPED: f64 = 0.01;
/// Share of the frames in which `--mask-dropout` erodes a mask, and by how many pixels.
const ERODED: f64 = 0.1;
const ERODED_PX: usize = 2;

/// What a preset stands for.
struct Plan {
    /// Columns and rows.
    size: [usize; 2],
    n_frames: usize,
    fps: f64,
    downsample: usize,
    frame_jump: usize,
    grid_size: usize,
    ell: f64,
    crop: [[usize; 2]; 3],
    epochs: u64,
}

impl Plan {
    fn of(preset: Preset) -> Self {
        match preset {
            Preset::Tiny => Self {
                size: [128, 96],
                n_frames: 24,
                fps: 20.0,
                downsample: 2,
                frame_jump: 2,
                grid_size: 32,
                ell: 0.40,
                crop: [[0, 32], [8, 24], [0, 32]],
                epochs: 5,
            },
            Preset::Small => Self {
                size: [256, 192],
                n_frames: 192,
                fps: 20.0,
                downsample: 2,
                frame_jump: 2,
                grid_size: 64,
                ell: 0.40,
                crop: [[0, 64], [16, 48], [16, 48]],
                epochs: 12,
            },
            Preset::Shape => Self {
                size: [1152, 1024],
                n_frames: 50,
                fps: 20.0,
                downsample: 4,
                frame_jump: 5,
                grid_size: 112,
                ell: 0.22,
                crop: [[0, 96], [16, 96], [25, 89]],
                epochs: 1,
            },
        }
    }
}

/// Makes the recording; gives the path of its configuration.
pub(crate) fn run(args: &SynthArgs, threads: usize, display: &Display) -> Result<PathBuf, BoxError> {
    let plan = Plan::of(args.preset);
    let config = args.dir.join("config.json");
    if config.exists() {
        return Err(format!("{}: exists", config.display()).into());
    }
    let animal = AnimalPhantom::new(plan.size).with_cameras(args.n_cameras);
    let cameras = animal.cameras()?;
    let project = args.dir.join("project");
    fs::create_dir_all(&project)?;
    let folders = |kind: &str| -> Result<Vec<PathBuf>, BoxError> {
        let folder = |k: usize| args.dir.join("data").join(kind).join(k.to_string());
        let folders: Vec<PathBuf> = (0..cameras.len()).map(folder).collect();
        folders.iter().try_for_each(fs::create_dir_all)?;
        Ok(folders)
    };
    let colours = folders("videos_undist")?;
    let masks = if args.no_masks { Vec::new() } else { folders("masks")? };
    display.begin("render views", (plan.n_frames * cameras.len()) as u64);
    let mut outcomes: Vec<Result<(), BoxError>> = (0..plan.n_frames).map(|_| Ok(())).collect();
    let mut frames: Vec<_> = outcomes.iter_mut().enumerate().collect();
    Threads::new(threads).for_each_mut(&mut frames, |(frame, outcome)| {
        let frame = *frame;
        **outcome = cameras.iter().enumerate().try_for_each(|(k, camera)| {
            display.check()?;
            let mut view = animal.render(camera, frame as f64 / plan.fps, frame as u64)?;
            spoil(&mut view, camera, args, [frame, k]);
            write_picture(&colours[k].join(format!("{frame:05}.png")), plan.size, &view.colour)?;
            if let Some(folder) = masks.get(k) {
                write_picture(&folder.join(format!("{frame:05}.png")), plan.size, &view.mask)?;
            }
            display.advance(1);
            Ok(())
        });
    });
    outcomes.into_iter().collect::<Result<(), BoxError>>()?;
    let motion = args.tilt_seed.map_or_else(Motion::none, Motion::random);
    write_calibration(&project.join("camera_params.h5"), &cameras, &motion)?;
    let times: Vec<f64> = (0..plan.n_frames).map(|frame| frame as f64 / plan.fps).collect();
    write_truth(&project.join("truth.h5"), &animal, &times, &motion)?;
    write_config(&config, args, &plan, cameras.len())?;
    Ok(config)
}

fn write_config(path: &Path, args: &SynthArgs, plan: &Plan, n_cameras: usize) -> Result<(), BoxError> {
    let names = |kind: &str| (0..n_cameras).map(|k| format!("{kind}/{k}")).collect::<Vec<_>>();
    let mut config = json!({
        "data_directory": "data",
        "project_directory": "project",
        "video_fns": names("videos_undist"),
        "holdout_views": [n_cameras - 1, 1],
        "camera_fn": "camera_params.h5",
        "vertical_lines_fn": "vertical_lines.json",
        "image_directory": "images",
        "render_directory": "renders",
        "model_fn": "model.safetensors",
        "image_width": plan.size[0],
        "image_height": plan.size[1],
        "image_downsample": plan.downsample,
        "sampling": "stride",
        "frame_jump": plan.frame_jump,
        "fps": plan.fps,
        "adaptive_camera": false,
        "frame": "upright",
        "ell": plan.ell,
        "ell_tracking": plan.ell,
        "grid_size": plan.grid_size,
        "volume_fill_color": 0.38,
        "img_lambda": 0.5,
        "ssim_lambda": 0.0,
        "lr": 1e-3,
        "epochs": args.epochs.unwrap_or(plan.epochs),
        "valid_every": 1,
        "view_dropout": 0.25,
        "seed": 0
    });
    if !args.find_crop {
        config["volume_idx"] = json!(plan.crop);
    }
    if !args.no_masks {
        config["mask_video_fns"] = json!(names("masks"));
    }
    let text = serde_json::to_string_pretty(&config)?;
    Ok(write_atomically(path, |out| writeln!(out, "{text}"))?)
}

/// Spoils the mask as the command line asks.
fn spoil(view: &mut AnimalView, camera: &AnimalCamera, args: &SynthArgs, [frame, k]: [usize; 2]) {
    let size = camera.size;
    if args.mask_noise {
        let mut random = Random::new(((frame as u64) << 8) ^ k as u64 ^ 0x6d61_736b);
        let border: Vec<usize> = (0..view.mask.len()).filter(|i| is_border(&view.mask, size, *i)).collect();
        for i in border {
            if random.uniform() < FLIPPED {
                view.mask[i] = 255 - view.mask[i];
            }
        }
    }
    if args.mask_dropout {
        let mut random = Random::new(frame as u64 ^ 0x6472_6f70);
        let (is_eroded, which) = (random.uniform() < ERODED, (random.uniform() * args.n_cameras as f64) as usize);
        if is_eroded && which == k {
            for _ in 0..ERODED_PX {
                let border: Vec<usize> =
                    (0..view.mask.len()).filter(|i| view.mask[*i] > 0 && is_border(&view.mask, size, *i)).collect();
                border.into_iter().for_each(|i| view.mask[i] = 0);
            }
        }
    }
}

/// Whether one of the four neighbours of a pixel is on the other side of the mask.
fn is_border(mask: &[u8], [width, height]: [usize; 2], i: usize) -> bool {
    let (x, y) = (i % width, i / width);
    let inside = mask[i] >= 128;
    let differs = |j: usize| (mask[j] >= 128) != inside;
    (x > 0 && differs(i - 1))
        || (x + 1 < width && differs(i + 1))
        || (y > 0 && differs(i - width))
        || (y + 1 < height && differs(i + width))
}
