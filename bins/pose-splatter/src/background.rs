//! Masks by background subtraction, and the sheet of pictures that shows what they take for the animal.

use volkit_bench::Display;
use volkit_core::{BoxError, Progress as _};
use volkit_pose::{Background, Frame, MaskSource};

use crate::picture::Sheet;
use crate::project::Project;
use crate::videos;

/// Frames that the background is the median of.
const MOST_SAMPLES: usize = 31;
/// Frames of each view on the sheet.
const SHOWN: usize = 3;
/// Colour of the outline on the sheet.
const OUTLINE: [f32; 3] = [1.0, 0.0, 0.0];

/// Takes the background of every view from frames all over its video, and writes `masks.png`: a row a view, with the
/// outlines of the masks of three frames.
pub(crate) fn masks(project: &Project, n_frames: usize, display: &Display) -> Result<Vec<MaskSource>, BoxError> {
    let c = &project.config;
    let step = c.image_downsample;
    let mut sheet = Sheet::new([c.image_width, c.image_height].map(|n| n.div_ceil(step)));
    let mut sources = Vec::new();
    display.begin("background", c.video_fns.len() as u64);
    for name in &c.video_fns {
        display.check()?;
        let path = project.video(name);
        let samples = samples(&path, n_frames)?;
        let background = Background::new(&samples, c.mask_threshold, &path.display().to_string())?;
        let shown = samples.iter().step_by(samples.len().div_ceil(SHOWN).max(1));
        sheet.push(shown.map(|frame| outlined(&background, frame, step)).collect::<Result<_, _>>()?);
        sources.push(MaskSource::Background(background));
        display.advance(1);
    }
    sheet.write(&project.file("masks.png"))?;
    Ok(sources)
}

/// Frames evenly spread over a video.
fn samples(path: &std::path::Path, n_frames: usize) -> Result<Vec<Frame>, BoxError> {
    let mut video = videos::open(path)?;
    let step = n_frames.div_ceil(MOST_SAMPLES).max(1);
    let mut samples = Vec::new();
    for i in 0..n_frames {
        if i.is_multiple_of(step) {
            let mut frame = Frame::default();
            if !video.next(&mut frame)? {
                break;
            }
            samples.push(frame);
        } else if !video.skip()? {
            break;
        }
    }
    Ok(samples)
}

/// Every `step`-th pixel of a frame, the border of its mask in colour.
fn outlined(background: &Background, frame: &Frame, step: usize) -> Result<Vec<f32>, BoxError> {
    let mut mask = Frame::default();
    background.mask(frame, &mut mask)?;
    let inside = |x: usize, y: usize| mask.pixels[y * mask.width + x] > 0;
    let mut picture = Vec::new();
    for y in (0..frame.height).step_by(step) {
        for x in (0..frame.width).step_by(step) {
            let beside = [(x + step, y), (x, y + step)].map(|(u, v)| (u.min(frame.width - 1), v.min(frame.height - 1)));
            let is_border = beside.into_iter().any(|(u, v)| inside(u, v) != inside(x, y));
            let seen = frame.rgb(x, y).map(|byte| f32::from(byte) / 255.0);
            picture.extend(if is_border { OUTLINE } else { seen });
        }
    }
    Ok(picture)
}
