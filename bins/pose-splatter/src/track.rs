//! The step `track`: centre and heading of each frame, and what the masks and cameras are worth.

use std::sync::Arc;

use volkit_bench::Display;
use volkit_core::{BoxError, Progress as _};
use volkit_io::write_atomically;
use volkit_pose::{Compat, MaskQuality, MaskReport, Moments, Rig, Track, TrackConfig, rough_centre, track_frame};

use crate::project::{Project, World, published_track};
use crate::truth;

/// Frames that a failed search looks at again to say why.
const LOOKED_AT: usize = 20;

/// Finds centres and headings; writes `track.json`, `track.csv` and `masks.csv`.
pub(crate) fn track(project: &Project, display: &Display) -> Result<String, BoxError> {
    let c = &project.config;
    let (store, rig) = (project.store()?, project.stored_rig()?);
    let config = TrackConfig {
        edge: project.edges()?[1],
        grid_size: c.grid_size,
        observed: c.observed(),
        rules: project.rules(),
        threads: Arc::clone(&project.threads),
    };
    display.begin("track", store.n_frames() as u64);
    let (mut moments, mut quality): (Vec<Option<Moments>>, _) = (Vec::new(), MaskQuality::default());
    let mut guesses = Vec::new();
    for frame in 0..store.n_frames() {
        display.check()?;
        let views = store.read(frame)?;
        quality.add(&views);
        moments.push(track_frame(&rig, &views, &config)?);
        if guesses.len() < LOOKED_AT && moments.iter().all(Option::is_none) {
            let cameras: Vec<_> = config.observed.iter().map(|view| rig.cameras()[*view]).collect();
            let masks: Vec<_> = config.observed.iter().map(|view| views.mask(*view)).collect();
            guesses.extend(rough_centre(&cameras, &masks, views.size[0]));
        }
        display.advance(1);
    }
    let reports = quality.reports();
    write_masks(project, &reports)?;
    for warning in reports.iter().filter_map(MaskReport::warning) {
        display.say(&format!("warning: {warning}"));
    }
    let found: Vec<[f64; 3]> = moments.iter().flatten().map(|m| m.centre).collect();
    in_front(&rig, &config.observed, if found.is_empty() { &guesses } else { &found })?;
    let published = project.file(&c.center_rotation_fn);
    let track = if c.compat == Compat::Reference && published.exists() {
        published_track(&published)?
    } else {
        Track::new(&moments)?
    };
    project.write_json("track.json", &track)?;
    let world: World = project.read_json("world.json")?;
    write_table(project, &world, &track)?;
    let truth = truth::compare(project, &world, &track)?.map_or(String::new(), |truth| format!("; {truth}"));
    Ok(format!("{} frames, {} without a hull{truth}", moments.len(), track.missing.len()))
}

/// Refuses a calibration that puts the animal behind a camera in most frames.
fn in_front(rig: &Rig, observed: &[usize], centres: &[[f64; 3]]) -> Result<(), BoxError> {
    for view in observed {
        let behind = centres.iter().filter(|centre| rig.cameras()[*view].to_camera(**centre)[2] <= 0.0).count();
        if 2 * behind > centres.len() {
            let n = centres.len();
            let why = "check its rotation and translation, which take points of the world to the camera, and its place in \
                       the order of the videos";
            return Err(format!("camera {view}: the animal is behind it in {behind} of {n} frames: {why}").into());
        }
    }
    Ok(())
}

/// What the masks of each view are worth.
fn write_masks(project: &Project, reports: &[MaskReport]) -> Result<(), BoxError> {
    Ok(write_atomically(project.file("masks.csv"), |out| {
        writeln!(out, "view,frames,empty,at_border,median_share,largest_jump")?;
        for r in reports {
            let counts = format!("{},{},{},{}", r.view, r.n_frames, r.n_empty, r.n_at_border);
            writeln!(out, "{counts},{:.5},{:.3}", r.median_share, r.largest_jump)?;
        }
        Ok(())
    })?)
}

/// Centre in the units of the calibration, heading, speed.
fn write_table(project: &Project, world: &World, track: &Track) -> Result<(), BoxError> {
    let places: Vec<[f64; 3]> = track.centres.iter().map(|centre| world.frame.to_rig(*centre)).collect();
    let frame_secs = project.config.frame_jump as f64 / project.config.fps;
    Ok(write_atomically(project.file("track.csv"), |out| {
        writeln!(out, "frame,x,y,z,heading_rad,speed_per_s,missing")?;
        for (i, [x, y, z]) in places.iter().enumerate() {
            let before = places[i.saturating_sub(1)];
            let step = [x - before[0], y - before[1], z - before[2]].iter().map(|d| d * d).sum::<f64>().sqrt();
            let (angle, missing) = (track.angles[i], u8::from(track.missing.contains(&i)));
            let frame = i * project.config.frame_jump;
            writeln!(out, "{frame},{x:.4},{y:.4},{z:.4},{angle:.5},{:.4},{missing}", step / frame_secs)?;
        }
        Ok(())
    })?)
}
