//! Settings of `unet-train psi`.

mod library;
mod sections;

pub(crate) use sections::{LossName, PrecisionName, SceneKind};

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use self::sections::{
    ClosedFormConfig, CurriculumStage, FinetuneConfig, InstrumentConfig, NetworkConfig, ScenesConfig, SensorConfig,
    TrainingConfig,
};
use super::args::PsiArgs;
use crate::config_file;

/// A file of settings; `docs/psi.md` tells of every key.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PsiConfig {
    /// Folder of scenes, results and checkpoints, from the folder of the file of settings.
    pub(crate) output_dir: PathBuf,
    /// Seed of all that is random.
    pub(crate) seed: u64,
    /// Scenes of which pictures are drawn.
    pub(crate) num_visualize: usize,
    pub(crate) instrument: InstrumentConfig,
    pub(crate) scenes: ScenesConfig,
    pub(crate) sensor: SensorConfig,
    pub(crate) closed_form: ClosedFormConfig,
    pub(crate) network: NetworkConfig,
    pub(crate) training: TrainingConfig,
    pub(crate) finetune: FinetuneConfig,
}

impl Default for PsiConfig {
    fn default() -> Self {
        Self {
            output_dir: PathBuf::from("psi"),
            seed: 0,
            num_visualize: 2,
            instrument: InstrumentConfig::default(),
            scenes: ScenesConfig::default(),
            sensor: SensorConfig::default(),
            closed_form: ClosedFormConfig::default(),
            network: NetworkConfig::default(),
            training: TrainingConfig::default(),
            finetune: FinetuneConfig::default(),
        }
    }
}

impl PsiConfig {
    /// Reads the file of settings, lets flags go before it, and checks all numbers.
    pub(crate) fn read(args: &PsiArgs) -> Result<Self> {
        let mut config: Self = config_file::read(&args.config)?;
        config.output_dir = match &args.output_dir {
            Some(folder) => folder.clone(),
            None => args.config.parent().unwrap_or(Path::new("")).join(&config.output_dir),
        };
        let folder = args.config.parent().unwrap_or(Path::new(""));
        config.training.stacks.iter_mut().for_each(|stack| *stack = folder.join(&stack));
        let set = |to: &mut usize, from: Option<usize>| *to = from.unwrap_or(*to);
        set(&mut config.num_visualize, args.num_visualize);
        set(&mut config.scenes.num_train_samples, args.num_train_samples);
        set(&mut config.scenes.num_test_samples, args.num_test_samples);
        set(&mut config.scenes.image_size, args.image_size);
        config.seed = args.seed.unwrap_or(config.seed);
        config.override_training(args);
        config.check().with_context(|| args.config.display().to_string())?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        self.instrument().validate()?;
        self.scene_options().validate()?;
        self.sensor()?.validate()?;
        self.solver()?;
        ensure!(self.scenes.image_size > 0, "scenes.image_size = 0: expected at least 1 pixel");
        self.check_training()?;
        let least = self.closed_form.min_modulation;
        ensure!(least.is_finite() && least >= 0.0, "closed_form.min_modulation = {least}: expected 0 or more");
        Ok(())
    }

    fn override_training(&mut self, args: &PsiArgs) {
        let set = |to: &mut usize, from: Option<usize>| *to = from.unwrap_or(*to);
        let training = &mut self.training;
        set(&mut training.batch_size, args.batch_size);
        set(&mut training.patch_size, args.patch_size);
        set(&mut training.grad_accum_steps, args.grad_accum_steps);
        training.epochs = args.epochs.unwrap_or(training.epochs);
        training.learning_rate = args.learning_rate.unwrap_or(training.learning_rate);
        training.smoothness_weight = args.smoothness_weight.unwrap_or(training.smoothness_weight);
        self.network.checkpoint |= args.checkpoint;
        self.finetune.interface_weight = args.interface_weight.unwrap_or(self.finetune.interface_weight);
        training.precision = match (args.no_amp, args.amp, args.amp_dtype) {
            (true, ..) => PrecisionName::F32,
            (_, _, Some(precision)) => precision,
            (_, true, None) => PrecisionName::Bf16,
            _ => training.precision,
        };
        if let Some(weights) = &args.loss_multiscale {
            // Of pixels 4 and 2 times as large, and of the pixels as they are.
            for (factor, weight) in [4, 2, 1].into_iter().zip(weights) {
                let stages = training.curriculum.iter_mut().filter(|stage| stage.factor == factor);
                stages.for_each(|stage| stage.weight = *weight);
            }
        }
    }

    fn check_training(&self) -> Result<()> {
        let (training, finetune) = (&self.training, &self.finetune);
        for (name, rate) in [("training", training.learning_rate), ("finetune", finetune.learning_rate)] {
            ensure!(rate.is_finite() && rate > 0.0, "{name}.learning_rate = {rate}: expected a positive number");
        }
        for (name, size) in [("training", training.batch_size), ("finetune", finetune.batch_size)] {
            ensure!(size > 0, "{name}.batch_size = 0: expected at least 1");
        }
        let (size, overlap) = (training.patch_size, finetune.interface_overlap);
        ensure!(size > 0, "training.patch_size = 0: expected at least 1");
        let weight = finetune.interface_weight;
        ensure!(weight.is_finite() && weight >= 0.0, "finetune.interface_weight = {weight}: expected 0 or more");
        ensure!(
            weight == 0.0 || (1..size).contains(&overlap),
            "finetune.interface_overlap = {overlap}: expected 1 to {}",
            size - 1
        );
        for CurriculumStage { factor, epochs, weight } in &training.curriculum {
            ensure!(
                *factor > 0 && *epochs > 0,
                "training.curriculum: factor {factor}, epochs {epochs}: expected at least 1"
            );
            ensure!(
                weight.is_finite() && *weight > 0.0,
                "training.curriculum: weight {weight}: expected a positive number"
            );
        }
        Ok(())
    }
}
