//! A network in training, and its file.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use volkit_seg::training::{TrainableUNet, UNetConfig};
use volkit_train::{Adam, AdamOptions, Checkpoint, CheckpointArray, Ema, Optimizer as _, Parameter};

/// What checkpoints of this training are called.
const KIND: &str = "synthseg";
const OPTIMIZER: &str = "adam";
/// Epsilon of the published training.
const ADAM_EPSILON: f64 = 1e-7;

/// Everything that a step changes.
pub(crate) struct State {
    /// The network.
    pub(crate) net: TrainableUNet,
    adam: Adam<f32>,
    average: Ema<f32>,
    /// Steps taken.
    pub(crate) step: u64,
}

impl State {
    /// A network that has learnt nothing.
    pub(crate) fn new(config: UNetConfig, average_decay: f64) -> Result<Self> {
        let net = TrainableUNet::new(config)?;
        let adam = Adam::new(AdamOptions::default().with_epsilon(ADAM_EPSILON))?;
        let values: Vec<&[f32]> = net.parameters().iter().map(|p| p.values.as_slice()).collect();
        let average = Ema::new(average_decay, &values)?;
        Ok(Self { net, adam, average, step: 0 })
    }

    /// Takes a step with these gradients.
    pub(crate) fn step(&mut self, gradients: &[Vec<f32>], rate: f64) -> Result<()> {
        self.adam.set_learning_rate(rate);
        let parameters = self.net.parameters_mut().iter_mut().zip(gradients);
        let mut parameters: Vec<_> =
            parameters.map(|(parameter, gradient)| Parameter { values: &mut parameter.values, gradient }).collect();
        self.adam.step(&mut parameters)?;
        let values: Vec<&[f32]> = self.net.parameters().iter().map(|p| p.values.as_slice()).collect();
        self.average.update(&values)?;
        self.step += 1;
        Ok(())
    }

    /// The network with the average of its parameters in their place.
    pub(crate) fn averaged(&self) -> TrainableUNet {
        let mut net = self.net.clone();
        for (parameter, average) in net.parameters_mut().iter_mut().zip(self.average.averages()) {
            parameter.values.clone_from(average);
        }
        net
    }

    /// Writes a checkpoint.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut file = Checkpoint::new(KIND);
        file.set_field("step", self.step);
        file.set_field("average_updates", self.average.updates());
        file.set_field("network", serde_json::to_value(self.net.config())?);
        for (parameter, average) in self.net.parameters().iter().zip(self.average.averages()) {
            let array =
                |values: &Vec<f32>| CheckpointArray::F32 { shape: parameter.shape.clone(), values: values.clone() };
            file.set_array(format!("parameter.{}", parameter.name), array(&parameter.values));
            file.set_array(format!("average.{}", parameter.name), array(average));
        }
        for (name, [mean, variance]) in self.net.statistics() {
            let array = |values: &Vec<f32>| CheckpointArray::F32 { shape: vec![values.len()], values: values.clone() };
            file.set_array(format!("mean.{name}"), array(mean));
            file.set_array(format!("variance.{name}"), array(variance));
        }
        file.set_optimizer(OPTIMIZER, &self.adam.state());
        Ok(file.write(path)?)
    }

    /// Reads a checkpoint. The decay of the average may be another than before.
    pub(crate) fn read(path: &Path, average_decay: f64) -> Result<Self> {
        Self::from_checkpoint(&Checkpoint::read(path, KIND)?, average_decay).with_context(|| path.display().to_string())
    }

    fn from_checkpoint(file: &Checkpoint, average_decay: f64) -> Result<Self> {
        let field = |name: &str| file.field(name).with_context(|| format!("field '{name}' is missing"));
        let number = |name: &str| field(name)?.as_u64().with_context(|| format!("field '{name}' is no number"));
        let config: UNetConfig = serde_json::from_value(field("network")?.clone()).context("field 'network'")?;
        let mut state = Self::new(config, average_decay)?;
        let mut averages = Vec::new();
        for parameter in state.net.parameters_mut() {
            let name = parameter.name.clone();
            parameter.values = values(file, &format!("parameter.{name}"), parameter.values.len())?;
            averages.push(values(file, &format!("average.{name}"), parameter.values.len())?);
        }
        let norms: Vec<(String, usize)> =
            state.net.statistics().map(|(name, [mean, _])| (name.to_owned(), mean.len())).collect();
        for (name, n) in norms {
            let of = |what: &str| values(file, &format!("{what}.{name}"), n);
            state.net.set_statistics(&name, [of("mean")?, of("variance")?])?;
        }
        state.average = Ema::resume(average_decay, number("average_updates")?, averages)?;
        state.adam.restore(file.optimizer(OPTIMIZER)?)?;
        state.step = number("step")?;
        Ok(state)
    }
}

fn values(file: &Checkpoint, name: &str, n: usize) -> Result<Vec<f32>> {
    match file.array(name) {
        Some(CheckpointArray::F32 { values, .. }) => {
            ensure!(values.len() == n, "array '{name}': {} values, expected {n}", values.len());
            Ok(values.clone())
        }
        Some(_) => anyhow::bail!("array '{name}': expected f32"),
        None => anyhow::bail!("array '{name}' is missing"),
    }
}

#[cfg(test)]
mod tests {
    use super::State;
    use volkit_seg::training::UNetConfig;

    #[test]
    fn a_checkpoint_goes_on_to_the_bit() {
        let mut config = UNetConfig::default();
        (config.features, config.levels) = (2, 2);
        let mut state = State::new(config, 0.9).unwrap();
        let gradients = |k: f32| -> Vec<Vec<f32>> {
            let net = State::new(config, 0.9).unwrap().net;
            net.parameters().iter().map(|p| p.values.iter().map(|v| v * k - 0.1).collect()).collect()
        };
        state.step(&gradients(1.0), 0.01).unwrap();
        let path = tempfile::tempdir().unwrap();
        let path = path.path().join("last.safetensors");
        state.write(&path).unwrap();
        let mut again = State::read(&path, 0.9).unwrap();
        assert_eq!(again.step, 1);
        for state in [&mut state, &mut again] {
            state.step(&gradients(0.5), 0.02).unwrap();
        }
        assert_eq!(state.net.parameters(), again.net.parameters());
        assert_eq!(state.averaged().parameters(), again.averaged().parameters());
        assert_ne!(state.averaged().parameters(), state.net.parameters());
    }
}
