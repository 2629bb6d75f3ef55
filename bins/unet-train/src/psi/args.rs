//! The command line of `unet-train psi`, as typed.

use std::path::PathBuf;

use super::config::PrecisionName;

/// Height of a surface from the images of a phase-shifting interferometer.
///
/// What a flag says goes before what the file of settings says. Exit status: 0 when all is well, 1 when something failed, 2
/// for a wrong command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  unet-train psi all psi.toml\n  \
    unet-train psi closed-form psi.toml --json\n  \
    unet-train psi closed-form psi.toml --input 'wafer*.bmp' --output height.tif")]
pub(crate) struct PsiArgs {
    /// What is done
    #[arg(value_name = "STEP")]
    pub(crate) step: Step,
    /// Settings (.toml)
    #[arg(value_name = "CONFIG")]
    pub(crate) config: PathBuf,
    /// Stack of images that closed-form solves instead of the generated scenes: 'wafer*.bmp' (BMP, PNG, TIFF), a TIFF of many
    /// pages, .npy [C, H, W], .zarr, .h5
    #[arg(long, value_name = "FILES")]
    pub(crate) input: Option<PathBuf>,
    /// Where the height map of --input goes, in um: .npy, .tif (32 bits)
    #[arg(long, value_name = "FILE", requires = "input")]
    pub(crate) output: Option<PathBuf>,
    /// Folder of scenes, results and checkpoints
    #[arg(long, value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
    /// Seed of all that is random
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Scenes to train on
    #[arg(long, value_name = "N")]
    pub(crate) num_train_samples: Option<usize>,
    /// Scenes to test on, never trained on
    #[arg(long, value_name = "N")]
    pub(crate) num_test_samples: Option<usize>,
    /// Edge of the square images of a scene, in pixels
    #[arg(long, value_name = "PIXELS")]
    pub(crate) image_size: Option<usize>,
    /// Epochs of pretrain
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<u64>,
    /// Patches of a batch of pretrain
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// Learning rate of pretrain
    #[arg(long, value_name = "X")]
    pub(crate) learning_rate: Option<f64>,
    /// Edge of a patch, in pixels
    #[arg(long, value_name = "PIXELS")]
    pub(crate) patch_size: Option<usize>,
    /// Weight of the squared Laplacian in the self-supervised loss
    #[arg(long, value_name = "X")]
    pub(crate) smoothness_weight: Option<f64>,
    /// Weight of the agreement of neighbouring patches in finetune
    #[arg(long, value_name = "X")]
    pub(crate) interface_weight: Option<f64>,
    /// Weights of the loss at pixels 4 and 2 times as large and as they are
    #[arg(long, value_name = "X", num_args = 3)]
    pub(crate) loss_multiscale: Option<Vec<f64>>,
    /// Batches whose gradients make a step
    #[arg(long, value_name = "N")]
    pub(crate) grad_accum_steps: Option<usize>,
    /// Computes parts of the network again in the backward pass instead of keeping them
    #[arg(long)]
    pub(crate) checkpoint: bool,
    /// Convolutions in 16 bits (bf16 unless --amp-dtype says otherwise)
    #[arg(long, conflicts_with = "no_amp")]
    pub(crate) amp: bool,
    /// Convolutions in f32
    #[arg(long)]
    pub(crate) no_amp: bool,
    /// Element type of convolutions
    #[arg(long, value_name = "TYPE", conflicts_with = "no_amp")]
    pub(crate) amp_dtype: Option<PrecisionName>,
    /// Goes on from the last checkpoint, where there is one
    #[arg(long)]
    pub(crate) resume: bool,
    /// Scenes of which pictures are drawn
    #[arg(long, value_name = "N")]
    pub(crate) num_visualize: Option<usize>,
    /// Threads; 0 for all cores. Results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Prints the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Shows no progress and, without --json, no report
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Step {
    /// Makes scenes: stacks of images and true heights
    Generate,
    /// Trains a network on patches of the training scenes
    Pretrain,
    /// Goes on with the loss that needs no true height
    Finetune,
    /// Heights of the test scenes by the network
    Inference,
    /// Errors of the network's heights beside those of the closed form
    Test,
    /// Solves the test scenes, or --input, without training
    ClosedForm,
    /// generate, pretrain, finetune (where finetune.epochs is not 0), inference, test
    All,
}
