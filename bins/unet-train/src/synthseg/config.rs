//! Settings of training on label maps.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use volkit_seg::training::{GeneratorConfig, LossConfig, UNetConfig};

use crate::config_file;

/// A file of settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Label maps.
    pub(crate) data: DataConfig,
    /// Which network is trained.
    pub(crate) network: UNetConfig,
    /// How scans are made.
    pub(crate) generator: GeneratorConfig,
    /// What the network is told.
    pub(crate) loss: LossConfig,
    /// How it is trained.
    pub(crate) training: TrainingConfig,
    /// How it is evaluated.
    pub(crate) evaluation: EvaluationConfig,
}

/// How a network is evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EvaluationConfig {
    /// Voxels of a synthetic scan along each axis, of 1 mm.
    pub(crate) size: usize,
    /// Distances of slices that scans are made with, in mm.
    pub(crate) slices_mm: Vec<f64>,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self { size: 192, slices_mm: vec![1.0, 5.0] }
    }
}

/// Label maps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DataConfig {
    /// Folder of label maps (.nii.gz, .nii, .mgz), from the folder of the file of settings.
    pub(crate) maps: PathBuf,
    /// Names of maps, without suffix, that are kept for evaluation.
    pub(crate) held_out: Vec<String>,
    /// A real scan, and its labels in the classes of MeshNet's `subcortical` networks, for evaluation.
    pub(crate) real: Option<RealScan>,
}

/// A scan with labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RealScan {
    /// The scan.
    pub(crate) scan: PathBuf,
    /// Its labels.
    pub(crate) labels: PathBuf,
}

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TrainingConfig {
    /// Where checkpoints, log and pictures go, from the folder of the file of settings.
    pub(crate) folder: PathBuf,
    /// Steps in all.
    pub(crate) steps: u64,
    /// Step at which this run stops, if that is before the last: the schedule stays that of all steps.
    pub(crate) stop_at: Option<u64>,
    /// Samples whose gradients are averaged for a step.
    pub(crate) accumulate: u64,
    /// Learning rate of Adam.
    pub(crate) learning_rate: f64,
    /// Steps over which the learning rate rises.
    pub(crate) rise_steps: u64,
    /// Steps at the end over which the learning rate falls to zero.
    pub(crate) fall_steps: u64,
    /// Longest gradient.
    pub(crate) clip_norm: f64,
    /// Decay of the average of parameters.
    pub(crate) average_decay: f64,
    /// Step from which batch norm turns into batch renormalisation.
    pub(crate) renorm_start: u64,
    /// Steps that this takes.
    pub(crate) renorm_steps: u64,
    /// Steps between checkpoints.
    pub(crate) checkpoint_steps: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            folder: "training".into(),
            steps: 10_000,
            stop_at: None,
            accumulate: 1,
            learning_rate: 1e-4,
            rise_steps: 0,
            fall_steps: 0,
            clip_norm: 1e9,
            average_decay: 0.999,
            renorm_start: u64::MAX >> 1,
            renorm_steps: 1,
            checkpoint_steps: 100,
        }
    }
}

impl TrainingConfig {
    /// The step that a run ends before.
    pub(crate) fn end(&self) -> u64 {
        self.stop_at.unwrap_or(self.steps).min(self.steps)
    }

    /// Factor of the learning rate of step `step`: a rise, a plain, a fall.
    pub(crate) fn rate_factor(&self, step: u64) -> f64 {
        let share = |done: u64, all: u64| if all == 0 { 1.0 } else { (done as f64 / all as f64).min(1.0) };
        share(step + 1, self.rise_steps).min(share(self.steps.saturating_sub(step), self.fall_steps))
    }
}

impl Config {
    /// Reads a file; paths in it count from its folder.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut config: Self = config_file::read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for path in [&mut config.data.maps, &mut config.training.folder] {
            *path = folder.join(&path);
        }
        if let Some(real) = &mut config.data.real {
            (real.scan, real.labels) = (folder.join(&real.scan), folder.join(&real.labels));
        }
        config.check().with_context(|| path.display().to_string())?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        self.generator.validate()?;
        let (training, slices) = (&self.training, &self.evaluation.slices_mm);
        ensure!(slices.iter().all(|mm| (1.0..=20.0).contains(mm)), "evaluation.slices_mm = {slices:?}: from 1 to 20");
        ensure!(training.accumulate > 0, "training.accumulate = 0: at least one sample makes a step");
        let (rate, clip) = (training.learning_rate, training.clip_norm);
        ensure!(rate.is_finite() && rate > 0.0, "training.learning_rate = {rate}: must be positive");
        ensure!(clip.is_finite() && clip > 0.0, "training.clip_norm = {clip}: must be positive");
        ensure!(training.checkpoint_steps > 0, "training.checkpoint_steps = 0: must be at least 1");
        let multiple = 1 << self.network.levels.saturating_sub(1).min(16);
        let size = self.generator.size;
        ensure!(size.is_multiple_of(multiple), "generator.size = {size}: the network halves it to {multiple}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, TrainingConfig};

    #[test]
    fn rates_rise_and_fall() {
        let config = TrainingConfig { steps: 100, rise_steps: 10, fall_steps: 20, ..TrainingConfig::default() };
        let factors = [0, 9, 50, 80, 90, 99].map(|step| config.rate_factor(step));
        assert_eq!(factors, [0.1, 1.0, 1.0, 1.0, 0.5, 0.05]);
        assert_eq!(TrainingConfig::default().rate_factor(0), 1.0);
    }

    #[test]
    fn files_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Config::read(&path)
        };
        let config = read("[generator]\nsize = 64\n[data]\nmaps = 'maps'\n[training]\nsteps = 3\n").unwrap();
        assert_eq!((config.data.maps, config.training.steps), (folder.path().join("maps"), 3));
        for (text, word) in [
            ("[generator]\nsize = 60\n", "halves"),
            ("[training]\nstep = 3\n", "step"),
            ("[training]\nlearning_rate = -1.0\n", "positive"),
            ("[generator.bias]\nprobability = 2.0\n", "bias.probability"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(word) && error.contains("net.toml"), "{error}");
        }
    }
}
