//! Which steps still hold: a hash of what went into each.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use volkit_core::BoxError;
use volkit_io::{sha256, write_atomically};
use volkit_pose::{Compat, ProjectConfig};

use crate::args::Step;
use crate::project::Project;

/// Changes when a step computes something else from the same inputs.
const VERSION: u64 = 2;

/// Hashes of the inputs of each step, in order; each includes that of the steps that it builds on.
pub(crate) fn keys(project: &Project) -> Result<Vec<(Step, String)>, BoxError> {
    keys_of(project, &project.config)
}

/// Hash of what a training goes on from, whatever the number of its epochs: a finished one can be given more.
pub(crate) fn training_key(project: &Project) -> Result<String, BoxError> {
    let config = ProjectConfig { epochs: 0, ..project.config.clone() };
    let keys = keys_of(project, &config)?;
    Ok(keys.into_iter().find(|(step, _)| *step == Step::Train).map(|(_, key)| key).unwrap_or_default())
}

fn keys_of(project: &Project, c: &ProjectConfig) -> Result<Vec<(Step, String)>, BoxError> {
    let mut files: Vec<PathBuf> = c.video_fns.iter().chain(&c.mask_video_fns).map(|name| project.video(name)).collect();
    files.sort();
    let videos = files.iter().map(|path| facts(path)).collect::<Result<Vec<_>, _>>()?;
    let calibration = [&c.camera_fn, &c.vertical_lines_fn].map(|name| {
        let path = project.file(name);
        if path.is_dir() { facts(&path).ok() } else { fs::read(path).map(|bytes| json!(sha256(&bytes))).ok() }
    });
    let mut keys: Vec<(Step, String)> = Vec::new();
    for step in Step::ALL {
        let own = match step {
            Step::World => json!([calibration, c.frame]),
            Step::Images => {
                let size = [c.image_width, c.image_height, c.image_downsample, c.frame_jump];
                json!([videos, size, c.sampling, calibration[0], c.video_fns, c.mask_video_fns, c.mask_threshold])
            }
            Step::Track if c.compat == Compat::Reference => {
                let published = fs::read(project.file(&c.center_rotation_fn)).map(|bytes| sha256(&bytes)).ok();
                json!([c.ell_tracking, c.ell_unit, c.grid_size, c.holdout_views, published])
            }
            Step::Track => json!([c.ell_tracking, c.ell_unit, c.grid_size, c.holdout_views]),
            Step::Crop => json!([c.ell, c.grid_size, c.volume_idx]),
            Step::Train if c.compat == Compat::Reference => {
                json!([facts(&project.file(&c.model_fn))?, c.volume_fill_color])
            }
            Step::Train => json!([c.volume_fill_color, c.training(), c.seed]),
            Step::Evaluate | Step::Render | Step::Export => json!([c.fps]),
        };
        // Pictures do not depend on the frame of the world, and what follows training depends on all before it alone.
        let before: &[Step] = match step {
            Step::World | Step::Images => &[],
            Step::Track => &[Step::World, Step::Images],
            Step::Crop => &[Step::Track],
            Step::Train => &[Step::Crop],
            Step::Evaluate | Step::Render | Step::Export => &[Step::Train],
        };
        let before: Vec<&String> = keys.iter().filter(|(s, _)| before.contains(s)).map(|(_, key)| key).collect();
        let all = json!([VERSION, step.name(), own, before]);
        keys.push((step, sha256(all.to_string().as_bytes())));
    }
    Ok(keys)
}

/// Size and time of a video, or of all pictures of a folder.
fn facts(path: &Path) -> Result<Value, BoxError> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let meta = fs::metadata(path).map_err(failed)?;
    let of = |meta: &fs::Metadata| {
        let time = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        (meta.len(), time.map_or(0, |time| time.as_nanos() as u64))
    };
    if !meta.is_dir() {
        return Ok(json!(of(&meta)));
    }
    let mut pictures = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (size, time) = of(&entry.metadata().map_err(failed)?);
        pictures.push((entry.file_name().to_string_lossy().into_owned(), size, time));
    }
    pictures.sort();
    Ok(json!(pictures))
}

fn path(project: &Project, step: Step) -> PathBuf {
    project.file("stamps").join(step.name())
}

/// Whether a step has been done with these inputs.
pub(crate) fn holds(project: &Project, step: Step, key: &str) -> bool {
    fs::read_to_string(path(project, step)).is_ok_and(|found| found.trim() == key)
}

/// Notes that a step is done.
pub(crate) fn set(project: &Project, step: Step, key: &str) -> Result<(), BoxError> {
    let path = path(project, step);
    fs::create_dir_all(project.file("stamps"))?;
    Ok(write_atomically(path, |out| writeln!(out, "{key}"))?)
}
