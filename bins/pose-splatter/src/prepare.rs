//! The steps before training.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use volkit_bench::Display;
use volkit_core::{BoxError, DType, Progress as _, Region, VolumeMeta, VolumeSink, VoxelsRef};
use volkit_io::{ZarrArray, ZarrSpec, write_atomically};
use volkit_pose::{
    CarveGrid, Carver, CropFinder, FrameKind, MaskSource, Preparation, PrepareConfig, Split, Track, ViewStore,
    ViewVideos, WorldFrame, up_from_lines, up_from_rig,
};

use crate::project::{Crop, Project, World};
use crate::{background, videos};

/// Most frames that the crop is found from.
const MOST_CROP_FRAMES: usize = 5000;

/// Frames that a configured crop is checked with.
const CHECKED_FRAMES: usize = 16;
/// Least share of the hull's points that a configured crop must hold.
const LEAST_SHARE: f64 = 0.5;

/// Calibration and up direction.
pub(crate) fn world(project: &Project) -> Result<String, BoxError> {
    let rig = project.rig()?;
    let (up, origin) = match project.lines()? {
        Some(lines) => (up_from_lines(&rig, &lines)?, "vertical lines"),
        None => (up_from_rig(&rig)?, "the rig"),
    };
    let published = WorldFrame::reference(&rig, (origin != "the rig").then_some(up))?;
    let frame = match project.config.frame {
        FrameKind::Upright => WorldFrame::upright(&rig, up)?,
        FrameKind::Reference => published,
    };
    project.write_json("world.json", &World { up, frame, per_published: frame.scale / published.scale })?;
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
    let masks = if c.mask_video_fns.is_empty() {
        background::masks(project, n_frames, display)?
    } else {
        let open = |name: &String| Ok::<_, BoxError>(MaskSource::Video(videos::open(&project.video(name))?));
        c.mask_video_fns.iter().map(open).collect::<Result<Vec<_>, _>>()?
    };
    let open = |(name, mask): (&String, MaskSource)| {
        Ok::<_, BoxError>(ViewVideos { colour: videos::open(&project.video(name))?, mask })
    };
    let mut videos = c.video_fns.iter().zip(masks).map(open).collect::<Result<Vec<_>, _>>()?;
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

/// The part of the grid that the animal ever reaches.
pub(crate) fn crop(project: &Project, display: &Display) -> Result<String, BoxError> {
    let c = &project.config;
    let finder = crop_finder(project, display)?;
    let n = finder.n_frames();
    let (volume_idx, outcome) = match c.volume_idx {
        Some(crop) => {
            let share = finder.share(crop);
            if share < LEAST_SHARE {
                let found = finder.find(finder.threshold());
                let why = format!("it holds {:.0} % of the hull's points; {found:?} holds them all", 100.0 * share);
                return Err(format!("volume_idx = {crop:?}: the crop misses the animal: {why}").into());
            }
            (crop, format!("{crop:?} as configured, {:.1} % of the hull's points", 100.0 * share))
        }
        None => {
            let found = finder.find(finder.threshold());
            CarveGrid::new(c.ell, c.grid_size).with_crop(found)?;
            (found, format!("{found:?} from {n} frames"))
        }
    };
    project.write_json("crop.json", &Crop { volume_idx })?;
    Ok(outcome)
}

/// Hulls of the training frames on the whole grid; of some of them where the crop is given.
fn crop_finder(project: &Project, display: &Display) -> Result<CropFinder, BoxError> {
    let c = &project.config;
    let (store, rig) = (project.store()?, project.stored_rig()?);
    let track: Track = project.read_json("track.json")?;
    let carver = Carver::new(&rig, &c.observed(), project.rules(), Arc::clone(&project.threads))?;
    let grid = CarveGrid::new(project.edges()?[0], c.grid_size);
    let n = Split::of(store.n_frames()).train.len().max(1);
    let most = if c.volume_idx.is_some() { CHECKED_FRAMES } else { MOST_CROP_FRAMES };
    let frames: Vec<usize> = (0..n).step_by(n.div_ceil(most)).collect();
    let mut finder = CropFinder::new(c.grid_size);
    display.begin("crop", frames.len() as u64);
    for frame in frames {
        display.check()?;
        finder.add(&carver.hull(&store.read(frame)?, &grid, &track.pose(frame))?)?;
        display.advance(1);
    }
    Ok(finder)
}
