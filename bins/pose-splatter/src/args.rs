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
    pose-splatter run out/m/config.json --from train --threads 4\n  pose-splatter evaluate out/m/config.json"
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
    /// Renders a turntable of a frame
    Render {
        /// CONFIG.json of the project
        config: PathBuf,
    },
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
    /// Cameras, 4 to 12; the last is above
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub(crate) n_cameras: usize,
    /// Passes over the training frames that the configuration asks for [default: that of the preset]
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<u64>,
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
