//! The steps before training.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use volkit_bench::Display;
use volkit_core::{BoxError, DType, Progress as _, Region, VolumeMeta, VolumeSink, VoxelsRef};
use volkit_io::{ZarrArray, ZarrSpec, write_atomically};
use volkit_pose::{
    CarveGrid, Carver, CropFinder, FrameKind, Moments, Preparation, PrepareConfig, Split, Track, TrackConfig,
    ViewStore, ViewVideos, WorldFrame, track_frame, up_from_lines, up_from_rig,
};

use crate::project::{Crop, Project, World};
use crate::{truth, videos};

/// Most frames that the crop is found from.
const MOST_CROP_FRAMES: usize = 5000;

/// Calibration and up direction.
pub(crate) fn world(project: &Project) -> Result<String, BoxError> {
    let rig = project.rig()?;
    let (up, origin) = match project.lines()? {
        Some(lines) => (up_from_lines(&rig, &lines)?, "vertical lines"),
        None => (up_from_rig(&rig)?, "the rig"),
    };
    let frame = match project.config.frame {
        FrameKind::Upright => WorldFrame::upright(&rig, up)?,
        FrameKind::Reference => WorldFrame::reference(&rig, (origin != "the rig").then_some(up))?,
    };
    project.write_json("world.json", &World { up, frame })?;
    let [x, y, z] = up;
    Ok(format!("up ({x:.4}, {y:.4}, {z:.4}) from {origin}, 1 unit = {:.6} of the calibration", 1.0 / frame.scale))
}

/// What has been stored so far.
#[derive(Serialize, Deserialize)]
struct Journal {
    key: String,
    stored: usize,
}

/// Frames that go into a Zarr array as they come.
struct ZarrFrames {
    array: ZarrArray,
    meta: VolumeMeta,
}

impl VolumeSink for ZarrFrames {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn write_region(&self, region: &Region, values: VoxelsRef<'_>) -> Result<(), BoxError> {
        let reversed = |axes: &[usize]| axes.iter().rev().copied().collect::<Vec<_>>();
        Ok(self.array.write_box(&reversed(region.start()), &reversed(region.size()), values)?)
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        Ok(())
    }
}

/// One pass over the videos.
pub(crate) fn images(project: &Project, key: &str, display: &Display) -> Result<String, BoxError> {
    let c = &project.config;
    let n_frames = count_frames(project)?;
    let rig = project.rig()?;
    let config = PrepareConfig::new([c.image_width, c.image_height], n_frames.div_ceil(c.frame_jump))
        .with_steps(c.image_downsample, c.frame_jump)
        .with_sampling(c.sampling);
    let (path, journal) = (project.images(), project.images().with_file_name("images.json"));
    let found: Option<Journal> = fs::read_to_string(&journal).ok().and_then(|text| serde_json::from_str(&text).ok());
    if found.is_none() && path.exists() {
        let why = "exists, and there is no journal of this program beside it: move it away";
        return Err(format!("{}: {why}", path.display()).into());
    }
    let n_stored = found.filter(|found| found.key == key && path.exists()).map_or(0, |found| found.stored);
    if n_stored == 0 && path.exists() {
        fs::remove_dir_all(&path)?;
    }
    fs::create_dir_all(project.file(&c.image_directory))?;
    let write_journal = |stored: usize| -> Result<(), BoxError> {
        let text = serde_json::to_string(&Journal { key: key.to_owned(), stored })?;
        Ok(write_atomically(&journal, |out| out.write_all(text.as_bytes()))?)
    };
    write_journal(n_stored)?;
    let [width, height] = config.size();
    let shape = [config.n_kept, rig.len(), height, width, 4];
    let spec = ZarrSpec::new(shape, DType::U8).with_chunk([1, rig.len(), height, width, 4]);
    let array = ZarrArray::create_or_open(&path, &spec)?;
    let sink = ZarrFrames { array, meta: ViewStore::meta(config.size(), rig.len(), config.n_kept)? };
    let open = |(colour, mask): (&String, &String)| -> Result<ViewVideos, BoxError> {
        Ok(ViewVideos { colour: videos::open(&project.video(colour))?, mask: videos::open(&project.video(mask))? })
    };
    let mut videos = c.video_fns.iter().zip(&c.mask_video_fns).map(open).collect::<Result<Vec<_>, _>>()?;
    let job = Preparation {
        videos: &mut videos,
        rig: &rig,
        sink: &sink,
        on_stored: &mut |stored| write_journal(stored),
        progress: display,
        threads: &project.threads,
    };
    volkit_pose::prepare(job, &config.with_stored(n_stored))?;
    Ok(format!("{} frames of {} views, {width} x {height}; {n_stored} were there", config.n_kept, rig.len()))
}

/// Frames of every video, which must be as many.
fn count_frames(project: &Project) -> Result<usize, BoxError> {
    let c = &project.config;
    let mut first: Option<(usize, PathBuf)> = None;
    for name in c.video_fns.iter().chain(&c.mask_video_fns) {
        let path = project.video(name);
        let n = videos::count(&path)?;
        match &first {
            None => first = Some((n, path)),
            Some((wanted, other)) if n != *wanted => {
                let (path, other) = (path.display(), other.display());
                return Err(format!("{path} has {n} frames, {other} has {wanted}").into());
            }
            Some(_) => {}
        }
    }
    match first {
        Some((n, _)) if n > 0 => Ok(n),
        _ => Err("the videos have no frames".into()),
    }
}

/// Centre and heading of each frame.
pub(crate) fn track(project: &Project, display: &Display) -> Result<String, BoxError> {
    let c = &project.config;
    let (store, rig) = (project.store()?, project.placed_rig()?);
    let config = TrackConfig {
        edge: c.ell_tracking,
        grid_size: c.grid_size,
        observed: c.observed(),
        rules: project.rules(),
        threads: Arc::clone(&project.threads),
    };
    display.begin("track", store.n_frames() as u64);
    let mut moments: Vec<Option<Moments>> = Vec::new();
    for frame in 0..store.n_frames() {
        display.check()?;
        moments.push(track_frame(&rig, &store.read(frame)?, &config)?);
        display.advance(1);
    }
    let track = Track::new(&moments)?;
    project.write_json("track.json", &track)?;
    let world: World = project.read_json("world.json")?;
    write_table(project, &world, &track)?;
    let truth = truth::compare(project, &world, &track)?.map_or(String::new(), |truth| format!("; {truth}"));
    Ok(format!("{} frames, {} without a hull{truth}", moments.len(), track.missing.len()))
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

/// The part of the grid that the animal ever reaches.
pub(crate) fn crop(project: &Project, display: &Display) -> Result<String, BoxError> {
    let c = &project.config;
    if let Some(volume_idx) = c.volume_idx {
        project.write_json("crop.json", &Crop { volume_idx })?;
        return Ok(format!("{volume_idx:?} as configured"));
    }
    let (store, rig) = (project.store()?, project.placed_rig()?);
    let track: Track = project.read_json("track.json")?;
    let carver = Carver::new(&rig, &c.observed(), project.rules(), Arc::clone(&project.threads))?;
    let grid = CarveGrid::new(c.ell, c.grid_size);
    let n = Split::of(store.n_frames()).train.len().clamp(1, MOST_CROP_FRAMES);
    let mut finder = CropFinder::new(c.grid_size);
    display.begin("crop", n as u64);
    for frame in 0..n {
        display.check()?;
        finder.add(&carver.hull(&store.read(frame)?, &grid, &track.pose(frame))?)?;
        display.advance(1);
    }
    let volume_idx = finder.find(finder.threshold());
    CarveGrid::new(c.ell, c.grid_size).with_crop(volume_idx)?;
    project.write_json("crop.json", &Crop { volume_idx })?;
    Ok(format!("{volume_idx:?} from {n} frames"))
}
