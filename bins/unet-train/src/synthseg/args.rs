//! The command line of `unet-train synthseg`, as typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Train a segmentation network on label maps alone: every scan that it sees is synthetic.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SynthSegArgs {
    /// Settings (.toml).
    #[arg(value_name = "CONFIG", required = true)]
    pub(crate) config: Option<PathBuf>,

    /// Go on from the checkpoint in the folder of the training.
    #[arg(long)]
    pub(crate) resume: bool,

    #[command(subcommand)]
    pub(crate) action: Option<Action>,

    /// Threads; 0 means one per core.
    #[arg(long, value_name = "N", default_value_t = 0, global = true)]
    pub(crate) threads: usize,

    /// Say nothing but errors.
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
}

/// What can be done beside training.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Action {
    /// Print Dice on synthetic scans of the held-out maps, and on the real scan of the settings, as tables in Markdown.
    Evaluate {
        /// Settings (.toml).
        config: PathBuf,
        /// Weights to evaluate [default: the average in the checkpoint of the training].
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
    },
    /// Write the average in the checkpoint of the training as weights that `synthseg --model` takes: Keras (.h5), or
    /// safetensors in f16.
    Export {
        /// Settings (.toml).
        config: PathBuf,
        /// File of weights.
        output: PathBuf,
    },
    /// Train anew for some steps and compare each loss with that of a log.
    Check {
        /// Settings (.toml).
        config: PathBuf,
        /// Log of an earlier training with these settings.
        log: PathBuf,
        /// Folder of the new training; it is emptied first.
        folder: PathBuf,
        /// How many steps.
        #[arg(long, value_name = "N", default_value_t = 200)]
        steps: u64,
    },
    /// Write pictures of synthetic scans with their labels.
    Samples {
        /// Settings (.toml).
        config: PathBuf,
        /// Folder of pictures.
        output: PathBuf,
        /// How many scans.
        #[arg(long, value_name = "N", default_value_t = 4)]
        count: u64,
    },
}
