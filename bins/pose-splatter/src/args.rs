//! The command line as it is typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// From multi-view videos of an animal to a trained model and animated 3-D Gaussians.
///
/// A project is a CONFIG.json; everything is written into its `project_directory`. Each step leaves a stamp of its inputs
/// and of the configuration: a step whose stamp still holds is not run again, one that was interrupted goes on. Exit
/// status: 0 when all is well, 1 when something failed, 2 for a wrong command line.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  pose-splatter synth out/m --preset small\n  pose-splatter run out/m/config.json\n  \
    pose-splatter run out/m/config.json --from train --threads 4\n  \
    pose-splatter render out/m/config.json --angle 30 --frames 64..96 --out walk.mp4\n  \
    pose-splatter compare out/a out/b --out comparison"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Threads; 0 for all cores. The result does not depend on it
    #[arg(long, value_name = "N", default_value_t = 0, global = true)]
    pub(crate) threads: usize,
    /// No progress and no report
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// Prints the report as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a recording of the procedural animal, with its truth, and a configuration
    Synth(SynthArgs),
    /// Runs all steps that are due
    Run {
        /// CONFIG.json of the project
        config: PathBuf,
        /// First step
        #[arg(long, value_enum)]
        from: Option<Step>,
        /// Last step
        #[arg(long, value_enum)]
        to: Option<Step>,
    },
    /// The steps before training: world, images, track, crop
    Prepare {
        /// CONFIG.json of the project
        config: PathBuf,
    },
    /// Trains, or goes on training
    Train {
        /// CONFIG.json of the project
        config: PathBuf,
    },
    /// Measures the model on the last third of the recording: CSV and page
    Evaluate {
        /// CONFIG.json of the project
        config: PathBuf,
    },
    /// Renders the animal: from a camera, from an angle, all around, over time [default: the step `render`]
    Render(RenderArgs),
    /// Measures of several runs side by side: table, CSV, page
    Compare {
        /// CONFIG.json files, or folders that hold one or hold `metrics_test.json`
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// Folder for `comparison.csv`, `index.html` and its pictures
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Prints a configuration with the published settings for an animal
    Preset(PresetArgs),
    /// Writes the Gaussians of the test frames as PLY
    Export {
        /// CONFIG.json of the project
        config: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct SynthArgs {
    /// Folder to make
    pub(crate) dir: PathBuf,
    /// Size of the recording
    #[arg(long, value_enum, default_value = "small")]
    pub(crate) preset: Preset,
    /// Moves the whole world by a random rigid motion of that seed, as a calibration whose vertical is not z
    #[arg(long, value_name = "SEED")]
    pub(crate) tilt_seed: Option<u64>,
    /// Flips 1 % of the pixels at the border of the masks
    #[arg(long)]
    pub(crate) mask_noise: bool,
    /// Erodes the mask of one camera by two pixels in 10 % of the frames
    #[arg(long)]
    pub(crate) mask_dropout: bool,
    /// Leaves `volume_idx` out of the configuration, so that the crop is found
    #[arg(long)]
    pub(crate) find_crop: bool,
    /// Leaves the masks out, so that they are found by background subtraction
    #[arg(long)]
    pub(crate) no_masks: bool,
    /// Cameras, 4 to 12; the last is above
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub(crate) n_cameras: usize,
    /// Passes over the training frames that the configuration asks for [default: that of the preset]
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RenderArgs {
    /// CONFIG.json of the project
    pub(crate) config: PathBuf,
    /// From the camera of that number
    #[arg(long, value_name = "N", conflicts_with_all = ["angle", "turntable"])]
    pub(crate) view: Option<usize>,
    /// From that angle about the vertical, in degrees from +x of the world
    #[arg(long, value_name = "DEG", allow_negative_numbers = true, conflicts_with = "turntable")]
    pub(crate) angle: Option<f64>,
    /// The angle counts from the animal's heading: 0 looks it in the face
    #[arg(long, requires = "angle")]
    pub(crate) egocentric: bool,
    /// Angle above the floor, in degrees [default: 20]
    #[arg(long, value_name = "DEG", allow_negative_numbers = true)]
    pub(crate) elevation: Option<f64>,
    /// Once around, in that many pictures (36 if not told); with `--frames` as many as there are frames
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "36")]
    pub(crate) turntable: Option<usize>,
    /// Kept frames as `A..B` (B not included), `A..` or one number [default: the middle of the test third]
    #[arg(long, value_name = "A..B", value_parser = frames)]
    pub(crate) frames: Option<Frames>,
    /// As large as the videos, instead of as the pictures that the model was trained on
    #[arg(long)]
    pub(crate) full: bool,
    /// Folder for PNG pictures, or a video (.mp4, .mkv, .mov, .webm, .avi, .gif), which `ffmpeg` writes
    /// [default: a folder in the project's renders]
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Pictures a second of a video [default: as recorded; 30 for one frame]
    #[arg(long, value_name = "HZ")]
    pub(crate) fps: Option<f64>,
}

impl RenderArgs {
    /// Whether nothing but the configuration is given: the step of a run.
    pub(crate) fn is_step(&self) -> bool {
        let has_camera = self.view.is_some() || self.angle.is_some() || self.turntable.is_some();
        let is_shown_otherwise = self.frames.is_some() || self.elevation.is_some() || self.full;
        !has_camera && !is_shown_otherwise && self.out.is_none() && self.fps.is_none()
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct PresetArgs {
    #[arg(value_enum)]
    pub(crate) animal: Animal,
    /// Changes of the published settings
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) variant: Vec<Variant>,
    /// Cameras that are not held out [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) observed: Option<usize>,
}

/// Recordings of the publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Animal {
    /// 6 cameras, 2048 x 1536
    Mouse,
    /// 6 cameras, 1328 x 1048
    Rat,
    /// 6 cameras, 2048 x 1536
    Finch,
    /// 4 cameras, 1312 x 640
    Pigeon,
    /// 6 cameras, 1152 x 1024, 100 frames a second
    MarkerlessMouse,
}

/// Changes of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Variant {
    /// Half the pictures' size, 64 points, every tenth frame
    Fast,
    /// Twice the pictures' size, 128 points
    HighRes,
    /// Similarity in the loss
    Ssim,
    /// Every second frame
    Extended,
}

/// A range of frames as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frames {
    pub(crate) first: usize,
    /// Not included; none up to the last.
    pub(crate) end: Option<usize>,
}

fn frames(text: &str) -> Result<Frames, String> {
    let number = |word: &str| word.parse::<usize>().map_err(|_| format!("`{word}` is no frame number; A..B, A.. or A"));
    let Some((first, end)) = text.split_once("..") else {
        let first = number(text)?;
        return Ok(Frames { first, end: Some(first + 1) });
    };
    let frames = Frames { first: number(first)?, end: (!end.is_empty()).then(|| number(end)).transpose()? };
    if frames.end.is_some_and(|end| end <= frames.first) { Err(format!("`{text}` is empty")) } else { Ok(frames) }
}

/// Sizes of synthetic recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// 128 x 96, 24 frames, for tests
    Tiny,
    /// 256 x 192, 192 frames, for the gates of quality
    Small,
    /// 1152 x 1024, 50 frames, with the sizes of the published mouse, for speed
    Shape,
}

/// The steps of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Step {
    /// Calibration and up direction: world.json
    World,
    /// One pass over the videos: images.zarr
    Images,
    /// Centre and heading of each frame: track.json, track.csv
    Track,
    /// The part of the grid that the animal ever reaches: crop.json
    Crop,
    /// The model
    Train,
    /// Measures on the last third: `metrics_test.csv`, index.html
    Evaluate,
    /// A turntable
    Render,
    /// PLY files of the test frames
    Export,
}

impl Step {
    pub(crate) const ALL: [Self; 8] =
        [Self::World, Self::Images, Self::Track, Self::Crop, Self::Train, Self::Evaluate, Self::Render, Self::Export];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::World => "world",
            Self::Images => "images",
            Self::Track => "track",
            Self::Crop => "crop",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Render => "render",
            Self::Export => "export",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Frames, frames};

    #[test]
    fn frames_as_typed() {
        assert_eq!(frames("3"), Ok(Frames { first: 3, end: Some(4) }));
        assert_eq!(frames("2..5"), Ok(Frames { first: 2, end: Some(5) }));
        assert_eq!(frames("7.."), Ok(Frames { first: 7, end: None }));
        for bad in ["", "..", "..4", "5..5", "6..2", "a..b", "-1", "1...3"] {
            assert!(frames(bad).is_err(), "{bad}");
        }
    }
}
