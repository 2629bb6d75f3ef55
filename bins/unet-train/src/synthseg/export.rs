//! From a checkpoint to a file of weights.

use std::path::Path;

use anyhow::{Context as _, Result};
use half::f16;
use volkit_core::{Array, ArrayStore as _, MemoryStore};
use volkit_io::write_safetensors;

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

/// Writes the network as safetensors with the names of the published weights, in f16.
pub(crate) fn export(config: &Config, output: &Path) -> Result<String> {
    let (step, store) = store_of(config)?;
    let mut halved = MemoryStore::new();
    for name in store.names() {
        let array = store.get(&name).map_err(anyhow::Error::from_boxed)?;
        let values: Vec<f16> = array.to_real::<f32>()?.into_iter().map(f16::from_f32).collect();
        halved.insert(name, Array::new(array.shape().to_vec(), values)?);
    }
    for (key, text) in store.all_metadata() {
        halved.set_metadata(key.clone(), text.clone());
    }
    write_safetensors(output, &halved)?;
    let bytes = std::fs::metadata(output).with_context(|| output.display().to_string())?.len();
    Ok(format!("{}: {step} steps, {:.2} MB, f16", output.display(), bytes as f64 / 1e6))
}
