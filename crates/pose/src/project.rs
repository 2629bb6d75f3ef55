//! The configuration of a project: the keys of the published program and those of ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::PoseError;
use crate::carve::{CarveGrid, ColourRules};
use crate::model::{LossWeights, ModelConfig, TrainConfig};
use crate::prepare::Sampling;
use crate::rig::FrameKind;

/// Keys of the published configurations that have no meaning here.
const IGNORED: [&str; 11] = [
    "volume_sum_fn",
    "image_compression_level",
    "volume_compression_level",
    "volume_directory",
    "feature_fn",
    "embedding_fn",
    "plot_every",
    "save_every",
    "train_time",
    "valid_time",
    "max_frames",
];

/// Whose model a project has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// Ours (default).
    #[default]
    Own,
    /// That of the published program: its frame, carving, colours and Gaussians, with the parameters of one of its
    /// checkpoints, `.pt` or safetensors. It is not trained.
    Reference,
}

/// What the lengths `ell` and `ell_tracking` are measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeUnit {
    /// Units of the frame of the world (default).
    #[default]
    Frame,
    /// Units of the published frame, whatever the frame: what the published configurations mean. It is the largest distance
    /// of a camera from minus the mean place of the cameras.
    Published,
}

/// What `CONFIG.json` says. Keys without a default must be there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProjectConfig {
    /// Folder that video names are relative to.
    pub data_directory: String,
    /// Folder that all other names are relative to, and that everything is written into.
    pub project_directory: String,
    /// Videos, in the order of the cameras.
    pub video_fns: Vec<String>,
    /// Mask videos; where there are none, masks are what differs from the background.
    #[serde(default)]
    pub mask_video_fns: Vec<String>,
    /// Least difference from the background of a pixel of the animal, of 255; well above the noise where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_threshold: Option<u8>,
    /// Cameras that are neither input nor target of training.
    #[serde(default)]
    pub holdout_views: Vec<usize>,
    /// Calibration: `.h5` or `.json`.
    #[serde(default = "camera_fn")]
    pub camera_fn: String,
    /// Vertical lines as JSON, `[{"camera": 0, "bottom": [u, v], "top": [u, v]}, ..]`; where it is not there, up comes from
    /// the rig.
    #[serde(default = "vertical_lines_fn")]
    pub vertical_lines_fn: String,
    /// Centres and headings of the published program (`.npz`), which are taken as they are with `compat = "reference"` where
    /// the file is there.
    #[serde(default = "center_rotation_fn")]
    pub center_rotation_fn: String,
    /// Pictures, a Zarr array `images.zarr` in this folder.
    #[serde(default = "image_directory")]
    pub image_directory: String,
    /// Renderings.
    #[serde(default = "render_directory")]
    pub render_directory: String,
    /// The trained model.
    #[serde(default = "model_fn")]
    pub model_fn: String,
    /// Columns of the videos.
    pub image_width: usize,
    /// Rows of the videos.
    pub image_height: usize,
    /// Pixels that become one.
    pub image_downsample: usize,
    /// How.
    #[serde(default)]
    pub sampling: Sampling,
    /// Every n-th frame is kept.
    pub frame_jump: usize,
    /// Frames a second of the videos.
    #[serde(default = "fps")]
    pub fps: f64,
    /// Corrected principal points for each frame; only false is supported.
    #[serde(default)]
    pub adaptive_camera: bool,
    /// Whose model.
    #[serde(default)]
    pub compat: Compat,
    /// Frame of the world; the published one with `compat = "reference"`.
    #[serde(default)]
    pub frame: FrameKind,
    /// Edge of the cube that is reconstructed, in units of the frame of the world.
    pub ell: f64,
    /// Edge of the cube that is searched.
    pub ell_tracking: f64,
    /// What both are measured in.
    #[serde(default)]
    pub ell_unit: EdgeUnit,
    /// Points along them.
    pub grid_size: usize,
    /// Box of the grid that is kept; found automatically where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_idx: Option<[[usize; 2]; 3]>,
    /// Colour of empty points.
    #[serde(default = "volume_fill_color")]
    pub volume_fill_color: f32,
    /// Weight of the absolute differences.
    #[serde(default = "img_lambda")]
    pub img_lambda: f32,
    /// Weight of the dissimilarity.
    #[serde(default)]
    pub ssim_lambda: f32,
    /// Learning rate at the start.
    #[serde(default = "lr")]
    pub lr: f64,
    /// Passes over the training frames.
    #[serde(default = "epochs")]
    pub epochs: u64,
    /// Epochs between validations.
    #[serde(default = "one")]
    pub valid_every: u64,
    /// Share of the steps that hide a view from the network.
    #[serde(default = "view_dropout")]
    pub view_dropout: f64,
    /// Seed of parameters and order.
    #[serde(default)]
    pub seed: u64,
    /// Keys that are not known.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

fn camera_fn() -> String {
    "camera_params.h5".to_owned()
}

fn vertical_lines_fn() -> String {
    "vertical_lines.json".to_owned()
}

fn center_rotation_fn() -> String {
    "center_rotation.npz".to_owned()
}

fn image_directory() -> String {
    "images".to_owned()
}

fn render_directory() -> String {
    "renders".to_owned()
}

fn model_fn() -> String {
    "model.safetensors".to_owned()
}

fn fps() -> f64 {
    30.0
}

fn volume_fill_color() -> f32 {
    0.38
}

fn img_lambda() -> f32 {
    0.5
}

fn lr() -> f64 {
    1e-3
}

fn epochs() -> u64 {
    12
}

fn one() -> u64 {
    1
}

fn view_dropout() -> f64 {
    0.25
}

impl ProjectConfig {
    /// Reads a configuration; `what` names it in errors.
    ///
    /// # Errors
    /// [`PoseError::Read`] for text of another form and missing keys, [`PoseError::Input`] for values that can not be.
    pub fn from_json(text: &str, what: &str) -> Result<Self, PoseError> {
        let mut config: Self = serde_json::from_str(text).map_err(|error| PoseError::read(what, error))?;
        if config.compat == Compat::Reference {
            config.frame = FrameKind::Reference;
        }
        config.validate(what)?;
        Ok(config)
    }

    /// Keys that mean nothing here and were not in the published configurations either: misspelt ones.
    #[must_use]
    pub fn unknown_keys(&self) -> Vec<&str> {
        self.other.keys().map(String::as_str).filter(|key| !IGNORED.contains(key)).collect()
    }

    /// # Errors
    /// [`PoseError::Input`] that names the key.
    fn validate(&self, what: &str) -> Result<(), PoseError> {
        let refuse = |key: &str, value: String, why| Err(PoseError::input(what, key, value, why));
        let n = self.video_fns.len();
        if n < 3 || ![0, n].contains(&self.mask_video_fns.len()) {
            let value = format!("{n} and {}", self.mask_video_fns.len());
            return refuse("video_fns, mask_video_fns", value, "at least 3, and as many masks or none");
        }
        if self.holdout_views.iter().any(|view| *view >= n) || self.observed().len() < 2 {
            let why = "numbers of videos, of which at least two are left";
            return refuse("holdout_views", format!("{:?}", self.holdout_views), why);
        }
        let positive = [
            ("image_width", self.image_width),
            ("image_height", self.image_height),
            ("image_downsample", self.image_downsample),
            ("frame_jump", self.frame_jump),
        ];
        if let Some((key, value)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return refuse(key, value.to_string(), "at least 1");
        }
        if self.image_downsample > self.image_width.min(self.image_height) {
            return refuse(
                "image_downsample",
                self.image_downsample.to_string(),
                "no more than the size of the pictures",
            );
        }
        let reals = [("ell", self.ell), ("ell_tracking", self.ell_tracking), ("lr", self.lr), ("fps", self.fps)];
        if let Some((key, value)) = reals.into_iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
            return refuse(key, value.to_string(), "positive");
        }
        if !(16..=1024).contains(&self.grid_size) || !self.grid_size.is_multiple_of(16) {
            return refuse("grid_size", self.grid_size.to_string(), "a multiple of 16 from 16 to 1024");
        }
        if self.adaptive_camera {
            return refuse("adaptive_camera", "true".to_owned(), "false: cameras are taken as calibrated");
        }
        if self.compat == Compat::Reference && self.volume_idx.is_none() {
            return refuse("volume_idx", "none".to_owned(), "the crop of the checkpoint, with compat = reference");
        }
        if !(0.0..=1.0).contains(&self.view_dropout) {
            return refuse("view_dropout", self.view_dropout.to_string(), "0 to 1");
        }
        if let Some(crop) = self.volume_idx {
            CarveGrid::new(self.ell, self.grid_size).with_crop(crop)?;
        }
        Ok(())
    }

    /// Cameras that are seen.
    #[must_use]
    pub fn observed(&self) -> Vec<usize> {
        (0..self.video_fns.len()).filter(|view| !self.holdout_views.contains(view)).collect()
    }

    /// How the model is trained.
    #[must_use]
    pub fn training(&self) -> TrainConfig {
        TrainConfig::new(self.epochs)
            .with_learning_rate(self.lr)
            .with_loss(LossWeights { image: self.img_lambda, ssim: self.ssim_lambda })
            .with_view_dropout(self.view_dropout)
            .with_valid_every(self.valid_every)
            .with_seed(self.seed)
    }

    /// The model for a crop of these sizes.
    #[must_use]
    pub fn model(&self, dims: [usize; 3]) -> ModelConfig {
        ModelConfig::new(dims).with_seed(self.seed)
    }

    /// How points are coloured.
    #[must_use]
    pub fn colours(&self) -> ColourRules {
        match self.compat {
            Compat::Own => ColourRules::default().with_fill(self.volume_fill_color),
            Compat::Reference => ColourRules::as_published(self.volume_fill_color),
        }
    }
}
