//! Pictures and files of the trained animal.

use std::f64::consts::TAU;
use std::fs;
use std::path::PathBuf;

use volkit_bench::Display;
use volkit_core::{BoxError, Progress as _};
use volkit_pose::Split;
use volkit_splat::write_ply;

use crate::args::{Frames, RenderArgs};
use crate::output::Output;
use crate::project::Project;
use crate::studio::{Shot, Studio};

/// Pictures of a turn.
const TURN: usize = 36;
/// Angle above the floor.
const ELEVATION_DEGREES: f64 = 20.0;
/// Pictures a second of a video that shows one frame.
const STILL_FPS: f64 = 30.0;

/// A turn around the middle test frame.
pub(crate) fn turntable(project: &Project, display: &Display) -> Result<String, BoxError> {
    let studio = Studio::open(project, false)?;
    let frame = studio.middle_frame();
    let orbit = studio.orbit(frame, frame, ELEVATION_DEGREES.to_radians())?;
    let shots: Vec<Shot> = orbit.cameras(TURN)?.into_iter().map(|camera| Shot { frame, camera }).collect();
    let output = Output::open(&project.renders().join("turntable"), studio.size(), STILL_FPS)?;
    studio.shoot(&shots, output, display)?;
    Ok(format!("{TURN} pictures of frame {frame}"))
}

/// What the command line asks for; gives the path that was written and how many pictures there are.
pub(crate) fn render(project: &Project, args: &RenderArgs, display: &Display) -> Result<(PathBuf, usize), BoxError> {
    if let Some(fps) = args.fps.filter(|fps| !(fps.is_finite() && *fps > 0.0)) {
        return Err(format!("--fps {fps}: positive").into());
    }
    let elevation = args.elevation.unwrap_or(ELEVATION_DEGREES);
    if !(-89.0..=89.0).contains(&elevation) {
        return Err(format!("--elevation {elevation}: -89 to 89 degrees").into());
    }
    let studio = Studio::open(project, args.full)?;
    let n = studio.recording.store.n_frames();
    let frames = match args.frames {
        None => studio.middle_frame()..studio.middle_frame() + 1,
        Some(Frames { first, end }) if first < n && end.is_none_or(|end| end <= n) => first..end.unwrap_or(n),
        Some(Frames { first, end }) => {
            let end = end.map_or(String::new(), |end| end.to_string());
            return Err(format!("--frames {first}..{end}: the recording has {n} kept frames, 0..{n}").into());
        }
    };
    let (what, shots) = shots(&studio, args, frames.clone())?;
    let of_time = project.config.fps / project.config.frame_jump as f64;
    let fps = args.fps.unwrap_or(if frames.len() > 1 { of_time } else { STILL_FPS });
    let name = format!("{what}-frames{}..{}", frames.start, frames.end);
    let path = args.out.clone().unwrap_or_else(|| project.renders().join(name));
    studio.shoot(&shots, Output::open(&path, studio.size(), fps)?, display)?;
    Ok((path, shots.len()))
}

/// The shots of a command line, and what they are called.
fn shots(studio: &Studio, args: &RenderArgs, frames: std::ops::Range<usize>) -> Result<(String, Vec<Shot>), BoxError> {
    let (first, n) = (frames.start, frames.len());
    let elevation = args.elevation.unwrap_or(ELEVATION_DEGREES).to_radians();
    let around = |frame: usize, angle: f64| -> Result<Shot, BoxError> {
        Ok(Shot { frame, camera: studio.orbit(frame, first, elevation)?.camera(angle)? })
    };
    if let Some(view) = args.view {
        let camera = studio.view(view)?;
        return Ok((format!("view{view}"), frames.map(|frame| Shot { frame, camera }).collect()));
    }
    if let Some(degrees) = args.angle {
        let base = |frame: usize| if args.egocentric { studio.recording.track.angles[frame] } else { 0.0 };
        let shots = frames.map(|frame| around(frame, base(frame) + degrees.to_radians()));
        return Ok((format!("angle{degrees}"), shots.collect::<Result<_, _>>()?));
    }
    let turn = if n > 1 { n } else { args.turntable.unwrap_or(TURN) };
    if turn == 0 {
        return Err("--turntable 0: at least one picture".into());
    }
    let shot = |i: usize| around(if n > 1 { first + i } else { first }, TAU * i as f64 / turn as f64);
    Ok(("turntable".to_owned(), (0..turn).map(shot).collect::<Result<_, _>>()?))
}

/// The Gaussians of every test frame as PLY.
pub(crate) fn export(project: &Project, display: &Display) -> Result<String, BoxError> {
    let studio = Studio::open(project, false)?;
    let test = Split::of(studio.recording.store.n_frames()).test;
    let folder = project.file("gaussians");
    fs::create_dir_all(&folder)?;
    display.begin("export", test.len() as u64);
    for frame in test.clone() {
        display.check()?;
        write_ply(folder.join(format!("frame{frame:05}.ply")), &studio.scene(frame)?.as_slices())?;
        display.advance(1);
    }
    Ok(format!("{} PLY files", test.len()))
}
