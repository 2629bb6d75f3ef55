//! Settings as the library takes them.

use anyhow::{Context as _, Result};
use volkit_nn3d::UNet2dConfig;
use volkit_psi::{
    ClosedForm, ClosedFormOptions, Curriculum, FringeOrder, HeightNetConfig, Interferometer, Levels, NetInput, NetKind,
    SceneOptions, Sensor,
};

use super::PsiConfig;
use super::sections::{FinetuneConfig, FringeOrderName, InputName, InstrumentConfig, NetworkName};
use crate::psi::train::Stage;

/// Numbers of a training.
pub(crate) struct StageNumbers {
    pub(crate) epochs: u64,
    pub(crate) batch_size: usize,
    pub(crate) learning_rate: f64,
}

impl PsiConfig {
    /// The interferometer.
    pub(crate) fn instrument(&self) -> Interferometer {
        let InstrumentConfig { wavelengths_um, buckets, phase_steps, background, modulation } = &self.instrument;
        let equal = Interferometer::new(wavelengths_um.as_slice(), *buckets).with_levels(*background, *modulation);
        match phase_steps {
            Some(steps) => equal.with_phase_steps(steps.as_slice()),
            None => equal,
        }
    }

    /// What random scenes are made of.
    pub(crate) fn scene_options(&self) -> SceneOptions {
        let scenes = &self.scenes;
        SceneOptions::default()
            .with_height_range_um(scenes.height_range_um)
            .with_counts(scenes.max_gaussians, scenes.max_bumps)
            .with_roughness(scenes.roughness_um, scenes.roughness_band)
    }

    /// The camera.
    pub(crate) fn sensor(&self) -> Result<Sensor> {
        let levels = match self.sensor.bits {
            8 => Levels::U8,
            16 => Levels::U16,
            32 => Levels::F32,
            other => anyhow::bail!("sensor.bits = {other}: expected 8, 16 or 32"),
        };
        Ok(Sensor::default()
            .with_levels(levels)
            .with_noise(self.sensor.noise_sigma)
            .with_errors(self.sensor.gain_error, self.sensor.phase_step_error))
    }

    /// The solver without training.
    pub(crate) fn solver(&self) -> Result<ClosedForm> {
        let order = match self.closed_form.fringe_order {
            FringeOrderName::BeatChain => FringeOrder::BeatChain,
            FringeOrderName::Residual => FringeOrder::Residual,
        };
        let options = ClosedFormOptions::default()
            .with_height_range_um(self.closed_form.height_range_um)
            .with_fringe_order(order);
        ClosedForm::new(&self.instrument(), options).context("closed_form")
    }

    /// What the network sees of the greys.
    pub(crate) fn net_input(&self) -> NetInput {
        match self.network.input {
            InputName::Fringes => NetInput::Fringes,
            InputName::Beats => NetInput::Beats,
        }
    }

    /// Channels of that.
    pub(crate) fn input_channels(&self) -> Result<usize> {
        Ok(match self.net_input() {
            NetInput::Fringes => self.instrument().channels(),
            NetInput::Beats => 2 * self.solver()?.n_beats(),
        })
    }

    /// The network for an input of so many channels.
    pub(crate) fn network(&self, channels: usize) -> HeightNetConfig {
        let network = &self.network;
        let kind = match network.kind {
            NetworkName::Simple => NetKind::Chain { hidden: network.hidden.clone() },
            NetworkName::Unet => NetKind::UNet(
                UNet2dConfig::new(channels, 1)
                    .with_width(network.width)
                    .with_depth(network.depth)
                    .with_bilinear(network.bilinear),
            ),
        };
        HeightNetConfig::new(channels)
            .with_kind(kind)
            .with_height_range_um(self.closed_form.height_range_um)
            .with_checkpoint(network.checkpoint)
    }

    /// Coarser pixels first.
    pub(crate) fn curriculum(&self) -> Curriculum {
        let stages = &self.training.curriculum;
        Curriculum { stages: stages.iter().map(|stage| (stage.factor, stage.epochs, stage.weight)).collect() }
    }

    /// Epochs, batch and learning rate of a training.
    pub(crate) fn stage(&self, stage: Stage) -> StageNumbers {
        let training = &self.training;
        match stage {
            Stage::Pretrain => {
                let (epochs, learning_rate) = (training.epochs, training.learning_rate);
                StageNumbers { epochs, batch_size: training.batch_size, learning_rate }
            }
            Stage::Finetune => {
                let &FinetuneConfig { epochs, batch_size, learning_rate, .. } = &self.finetune;
                StageNumbers { epochs, batch_size, learning_rate }
            }
        }
    }

    /// Weight and columns of the agreement of neighbours, where a training has it.
    pub(crate) fn interface(&self, stage: Stage) -> Option<(f64, usize)> {
        let FinetuneConfig { interface_weight, interface_overlap, .. } = self.finetune;
        (stage == Stage::Finetune && interface_weight > 0.0).then_some((interface_weight, interface_overlap))
    }
}
