//! From a checkpoint to a file of weights.

use std::path::Path;

use anyhow::{Context as _, Result};
use half::f16;
use volkit_core::{Array, ArrayStore as _, MemoryStore};
use volkit_io::{WriteOptions, write_keras, write_safetensors};

use super::config::Config;
use super::state::State;
use super::train::CHECKPOINT;

/// Text that tells the voxel size which the network sees.
const SPACING_KEY: &str = "spacing_mm";
/// Text that tells how long it was trained.
const STEPS_KEY: &str = "training_steps";

/// The averaged network of the checkpoint in the folder of a training, and its steps.
pub(crate) fn store_of(config: &Config) -> Result<(u64, MemoryStore)> {
    let training = &config.training;
    let state = State::read(&training.folder.join(CHECKPOINT), training.average_decay)?;
    let mut store = state.averaged().to_store()?;
    store.set_metadata(SPACING_KEY, config.generator.spacing_mm.to_string());
    store.set_metadata(STEPS_KEY, state.step.to_string());
    Ok((state.step, store))
}

/// Writes the network with the names of the published weights, its kernels rounded to f16: as Keras does where the name ends
/// in `.h5` (all in f32, which every reader takes), as safetensors otherwise.
///
/// Vectors stay f32: they are few, and variances before a norm may be beyond what f16 holds.
pub(crate) fn export(config: &Config, output: &Path) -> Result<String> {
    let (step, store) = store_of(config)?;
    let is_keras = output.extension().is_some_and(|ending| ending == "h5");
    let mut rounded = MemoryStore::new();
    for name in store.names() {
        let array = store.get(&name).map_err(anyhow::Error::from_boxed)?;
        let (shape, values) = (array.shape().to_vec(), array.to_real::<f32>()?);
        let halves: Vec<f16> = values.iter().copied().map(f16::from_f32).collect();
        let array = match shape.len() {
            0 | 1 => Array::new(shape, values)?,
            _ if is_keras => Array::new(shape, halves.into_iter().map(f32::from).collect::<Vec<_>>())?,
            _ => Array::new(shape, halves)?,
        };
        rounded.insert(name, array);
    }
    for (key, text) in store.all_metadata() {
        rounded.set_metadata(key.clone(), text.clone());
    }
    if is_keras {
        write_keras(output, &rounded, &WriteOptions::default())?;
    } else {
        write_safetensors(output, &rounded)?;
    }
    let bytes = std::fs::metadata(output).with_context(|| output.display().to_string())?.len();
    Ok(format!("{}: {step} steps, {:.2} MB, kernels rounded to f16", output.display(), bytes as f64 / 1e6))
}
