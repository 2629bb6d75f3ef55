//! Pictures and files of the trained animal.

use std::fs;
use std::sync::Arc;

use volkit_bench::Display;
use volkit_core::{BoxError, Progress as _};
use volkit_pose::Split;
use volkit_splat::{CpuRasterizer, Orbit, RenderConfig, Turntable, write_ply};

use crate::project::Project;
use crate::train;

/// Pictures of a turn.
const TURN: usize = 36;
/// Angle above the floor, in radians.
const ELEVATION: f64 = 0.35;

/// A turn around the middle test frame, at the distance and with the lens of the first camera.
pub(crate) fn turntable(project: &Project, display: &Display) -> Result<String, BoxError> {
    let (recording, model) = (project.recording()?, train::load(project)?);
    let test = Split::of(recording.store.n_frames()).test;
    let frame = (test.start + test.end) / 2;
    let views = recording.store.read(frame)?;
    let scene = recording.scene(&model, frame, &views)?;
    let target = recording.track.centres[frame];
    let camera = &recording.rig.cameras()[0];
    let eye = camera.centre();
    let radius = (0..3).map(|k| (eye[k] - target[k]).powi(2)).sum::<f64>().sqrt();
    let mut intrinsics = camera.to_splat(views.size)?.intrinsics;
    intrinsics.centre_px = [0.5 * intrinsics.width as f64, 0.5 * intrinsics.height as f64];
    let orbit = Orbit { target, up: [0.0, 0.0, 1.0], radius, elevation: ELEVATION, intrinsics };
    let mut config = RenderConfig::default();
    config.background = [1.0; 3];
    display.begin("turntable", TURN as u64);
    let turn = Turntable { cameras: orbit.cameras(TURN)?, config };
    let mut rasterizer = CpuRasterizer::new(Arc::clone(&project.threads))?;
    let folder = project.renders().join("turntable");
    turn.write(&folder, &mut rasterizer, &scene.as_slices())?;
    Ok(format!("{TURN} pictures of frame {frame}, {} Gaussians", scene.len()))
}

/// The Gaussians of every test frame as PLY.
pub(crate) fn export(project: &Project, display: &Display) -> Result<String, BoxError> {
    let (recording, model) = (project.recording()?, train::load(project)?);
    let test = Split::of(recording.store.n_frames()).test;
    let folder = project.file("gaussians");
    fs::create_dir_all(&folder)?;
    display.begin("export", test.len() as u64);
    for frame in test.clone() {
        display.check()?;
        let scene = recording.scene(&model, frame, &recording.store.read(frame)?)?;
        write_ply(folder.join(format!("frame{frame:05}.ply")), &scene.as_slices())?;
        display.advance(1);
    }
    Ok(format!("{} PLY files", test.len()))
}
