//! One pass over the videos: every frame is decoded once, undistorted, shrunk, and stored with its mask.

use serde::{Deserialize, Serialize};
use volkit_core::{BoxError, Progress, VolumeSink};
use volkit_kernels::Threads;

use crate::PoseError;
use crate::frames::{Background, Frame, FrameSource};
use crate::rig::{Rig, RigCamera};
use crate::views::{FrameViews, INSIDE, PIXEL, write};

/// What a pixel is outside of the animal.
const WHITE: u8 = 255;

/// How pictures are made smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Every n-th pixel, as published (default).
    #[default]
    Stride,
    /// The mean over n x n pixels, white outside of the mask; the mask is the share that it covers.
    Area,
}

/// Where the masks of a view come from.
pub enum MaskSource {
    /// A video, bright where the animal is.
    Video(Box<dyn FrameSource>),
    /// The picture itself: what differs from the background.
    Background(Background),
}

impl MaskSource {
    fn skip(&mut self) -> Result<bool, PoseError> {
        match self {
            Self::Video(video) => video.skip(),
            Self::Background(_) => Ok(true),
        }
    }

    /// The mask of the next frame, whose colours are at hand.
    fn next(&mut self, colour: &Frame, mask: &mut Frame) -> Result<bool, PoseError> {
        match self {
            Self::Video(video) => video.next(mask),
            Self::Background(background) => background.mask(colour, mask).map(|()| true),
        }
    }
}

/// What a view is read from.
pub struct ViewVideos {
    /// Colours.
    pub colour: Box<dyn FrameSource>,
    /// Masks.
    pub mask: MaskSource,
}

/// How [`prepare`] stores frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrepareConfig {
    /// Columns and rows of the videos.
    pub full_size: [usize; 2],
    /// Pixels that become one along each axis.
    pub downsample: usize,
    /// Every n-th frame is kept, beginning with the first.
    pub frame_jump: usize,
    /// Frames to keep in all.
    pub n_kept: usize,
    /// Kept frames that are stored already, from the first on (default 0).
    pub n_stored: usize,
    /// Default: stride.
    pub sampling: Sampling,
}

impl PrepareConfig {
    /// Videos of `full_size` columns and rows, of which `n_kept` frames are kept, whole and each.
    #[must_use]
    pub fn new(full_size: [usize; 2], n_kept: usize) -> Self {
        Self { full_size, downsample: 1, frame_jump: 1, n_kept, n_stored: 0, sampling: Sampling::Stride }
    }

    /// The same with pictures shrunk by `downsample` and every `frame_jump`-th frame.
    #[must_use]
    pub fn with_steps(self, downsample: usize, frame_jump: usize) -> Self {
        Self { downsample, frame_jump, ..self }
    }

    /// The same with another way of shrinking.
    #[must_use]
    pub fn with_sampling(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    /// The same where the first `n_stored` kept frames are stored already.
    #[must_use]
    pub fn with_stored(self, n_stored: usize) -> Self {
        Self { n_stored, ..self }
    }

    /// Columns and rows of the stored pictures.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.full_size.map(|n| n / self.downsample.max(1))
    }

    fn validate(&self) -> Result<(), PoseError> {
        if self.downsample == 0 || self.frame_jump == 0 {
            let value = format!("{}, {}", self.downsample, self.frame_jump);
            return Err(PoseError::parameter("downsample, frame_jump", value, "at least 1"));
        }
        if self.size().contains(&0) {
            return Err(PoseError::parameter("downsample", self.downsample, "no more than the size of the pictures"));
        }
        Ok(())
    }
}

/// What [`prepare`] works on.
pub struct Preparation<'a> {
    /// One pair of videos a view.
    pub videos: &'a mut [ViewVideos],
    /// The cameras of the full pictures, in the same order.
    pub rig: &'a Rig,
    /// Where the frames go: a store as [`crate::ViewStore::meta`] describes it.
    pub sink: &'a dyn VolumeSink,
    /// Is told the number of frames that are stored, after each.
    pub on_stored: &'a mut dyn FnMut(usize) -> Result<(), BoxError>,
    /// Who is told of the work.
    pub progress: &'a dyn Progress,
    /// Who shares it: views are decoded side by side.
    pub threads: &'a Threads,
}

/// A view while it is read.
struct Reader<'a> {
    number: usize,
    videos: &'a mut ViewVideos,
    colour: Frame,
    mask: Frame,
    lens: Option<LensMap>,
    pixels: Vec<u8>,
    outcome: Result<bool, PoseError>,
}

/// Reads all videos side by side, undoes lenses and skew by bilinear interpolation, and stores the frames that are kept.
///
/// # Errors
/// [`PoseError::Input`] for a picture of another size, for a video that ends early and for one that goes on, with its
/// number; [`PoseError::Seam`] from the sink; [`PoseError::Stopped`].
pub fn prepare(job: Preparation<'_>, config: &PrepareConfig) -> Result<(), PoseError> {
    config.validate()?;
    let Preparation { videos, rig, sink, on_stored, progress, threads } = job;
    if videos.len() != rig.len() {
        let value = format!("{} for {} cameras", videos.len(), rig.len());
        return Err(PoseError::input("videos", "number", value, "as many as the calibration has cameras"));
    }
    let size = config.size();
    let readers = videos.iter_mut().zip(rig.cameras()).enumerate().map(|(number, (videos, camera))| Reader {
        number,
        videos,
        colour: Frame::default(),
        mask: Frame::default(),
        lens: LensMap::new(camera, config),
        pixels: vec![0; size[0] * size[1] * PIXEL],
        outcome: Ok(true),
    });
    let mut readers: Vec<_> = readers.collect();
    progress.begin("decode frames", (config.n_kept - config.n_stored.min(config.n_kept)) as u64);
    let mut views = FrameViews::new(readers.len(), size);
    for kept in 0..config.n_kept {
        progress.check()?;
        let wanted = kept >= config.n_stored;
        threads.for_each_mut(&mut readers, |reader| reader.outcome = reader.advance(kept, wanted, config));
        for (reader, part) in readers.iter_mut().zip(views.rgba.chunks_mut(size[0] * size[1] * PIXEL)) {
            if !std::mem::replace(&mut reader.outcome, Ok(true))? {
                let what = format!("videos of view {}", reader.number);
                let value = format!("fewer than {}", kept * config.frame_jump + 1);
                return Err(PoseError::input(&what, "frames", value, "as many as the other views have"));
            }
            part.copy_from_slice(&reader.pixels);
        }
        if wanted {
            write(sink, kept, &views)?;
            on_stored(kept + 1).map_err(|error| PoseError::Seam("noting a stored frame", error))?;
            progress.advance(1);
        }
    }
    Ok(())
}

impl Reader<'_> {
    /// Goes on to kept frame `kept` and decodes it if it is wanted; false where a video has ended.
    fn advance(&mut self, kept: usize, wanted: bool, config: &PrepareConfig) -> Result<bool, PoseError> {
        let skipped = if kept == 0 { 0 } else { config.frame_jump - 1 };
        for _ in 0..skipped + usize::from(!wanted) {
            if !(self.videos.colour.skip()? && self.videos.mask.skip()?) {
                return Ok(false);
            }
        }
        if !wanted {
            return Ok(true);
        }
        if !(self.videos.colour.next(&mut self.colour)? && self.videos.mask.next(&self.colour, &mut self.mask)?) {
            return Ok(false);
        }
        for (frame, kind) in [(&self.colour, "video"), (&self.mask, "mask video")] {
            if [frame.width, frame.height] != config.full_size {
                let [width, height] = config.full_size;
                let what = format!("{kind} of view {}, wanted {width} x {height}", self.number);
                let value = format!("{} x {}", frame.width, frame.height);
                return Err(PoseError::input(&what, "size", value, "the size that the configuration says"));
            }
        }
        self.sample(config);
        Ok(true)
    }

    /// Shrinks the pictures at hand.
    fn sample(&mut self, config: &PrepareConfig) {
        let step = config.downsample;
        let [columns, _] = config.size();
        let mut pixels = std::mem::take(&mut self.pixels);
        for (i, out) in pixels.chunks_exact_mut(PIXEL).enumerate() {
            let [x, y] = [i % columns * step, i / columns * step];
            let side = if config.sampling == Sampling::Area { step } else { 1 };
            let (mut sum, mut covered) = ([0.0; 3], 0.0);
            for k in 0..side * side {
                let (rgb, mask) = self.at(x + k % side, y + k / side, config.full_size[0]);
                let inside = mask >= f32::from(INSIDE);
                covered += if side > 1 { f32::from(u8::from(inside)) * 255.0 } else { mask };
                for (sum, c) in sum.iter_mut().zip(rgb) {
                    *sum += if inside { c } else { f32::from(WHITE) };
                }
            }
            let n = (side * side) as f32;
            for (out, value) in out.iter_mut().zip(sum.into_iter().chain([covered])) {
                *out = (value / n).round().clamp(0.0, 255.0) as u8;
            }
        }
        self.pixels = pixels;
    }

    /// Colour and mask of a pixel of the undistorted picture.
    fn at(&self, x: usize, y: usize, width: usize) -> ([f32; 3], f32) {
        let Some(lens) = &self.lens else {
            return (self.colour.rgb(x, y).map(f32::from), f32::from(self.mask.grey(x, y)));
        };
        let [u, v] = lens.places[y * width + x];
        let last = [self.colour.width - 1, self.colour.height - 1];
        if !(u >= 0.0 && v >= 0.0 && u <= last[0] as f32 && v <= last[1] as f32) {
            return ([f32::from(WHITE); 3], 0.0);
        }
        let (x0, y0) = (u as usize, v as usize);
        let (mut rgb, mut mask) = ([0.0; 3], 0.0);
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let weight = |d: usize, t: f32| if d == 1 { t } else { 1.0 - t };
            let weight = weight(dx, u - x0 as f32) * weight(dy, v - y0 as f32);
            let (x, y) = ((x0 + dx).min(last[0]), (y0 + dy).min(last[1]));
            for (sum, c) in rgb.iter_mut().zip(self.colour.rgb(x, y)) {
                *sum += weight * f32::from(c);
            }
            mask += weight * f32::from(self.mask.grey(x, y));
        }
        (rgb, mask)
    }
}

/// Where in the picture of a lens the pixels of the pinhole's lie.
struct LensMap {
    /// `[rows, columns]` of the full picture.
    places: Vec<[f32; 2]>,
}

impl LensMap {
    fn new(camera: &RigCamera, config: &PrepareConfig) -> Option<Self> {
        let pinhole = camera.pinhole();
        if pinhole == *camera {
            return None;
        }
        let [width, height] = config.full_size;
        let place = |i: usize| {
            let ray = pinhole.pixel_to_ray([(i % width) as f64, (i / width) as f64]);
            camera.ray_to_pixel(camera.distortion.map_or(ray, |lens| lens.apply(ray))).map(|x| x as f32)
        };
        Some(Self { places: (0..width * height).map(place).collect() })
    }
}
