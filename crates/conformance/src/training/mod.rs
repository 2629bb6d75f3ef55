//! The suite `training`: `training.json` and the tensors that it names.

mod first_order;
mod gradients;
#[cfg(feature = "candle")]
mod kan;
mod lbfgs;
#[cfg(feature = "candle")]
mod networks;
mod problem;
mod psi;

use std::path::Path;

use serde_json::Value;
use volkit_core::{ArrayStore as _, BoxError};
use volkit_io::SafetensorsStore;

use crate::ConformanceError;
use crate::check::Check;
use crate::index::{Entry, read_json};
use crate::suite::{Cases, NEEDS_CANDLE, Outcome};

const INDEX: &str = "training.json";

type Run = fn(Entry<'_>, &Tensors) -> Result<Check, BoxError>;

/// Cases that need tensors of candle; without them they are skipped.
const NETWORKS: [&str; 6] =
    ["grad_accum", "simple_unet_f32", "simple_unet_bf16_autocast", "unet_f32", "chebykan", "cpikan"];

#[cfg(feature = "candle")]
fn network(kind: &str) -> Option<Run> {
    Some(match kind {
        "grad_accum" => networks::check_accumulation,
        "unet_f32" => networks::check_u_net,
        "chebykan" => kan::check_layer,
        "cpikan" => kan::check_network,
        _ => networks::check_simple,
    })
}

#[cfg(not(feature = "candle"))]
fn network(_kind: &str) -> Option<Run> {
    None
}

/// Tensors of the folder, in f64.
struct Tensors(SafetensorsStore);

impl Tensors {
    fn get(&self, name: &str) -> Result<Vec<f64>, BoxError> {
        Ok(self.0.get(name)?.to_real()?)
    }

    /// The tensor that a field of an entry names.
    fn named(&self, entry: Entry<'_>, field: &str) -> Result<Vec<f64>, BoxError> {
        self.get(entry.text(field)?)
    }
}

pub(crate) fn run(folder: &Path, cases: &mut Cases<'_>) -> Result<(), ConformanceError> {
    let Some(index) = read_json(&folder.join(INDEX))? else {
        return Err(ConformanceError::NoIndex { folder: folder.to_owned(), wanted: INDEX });
    };
    let tensors = match SafetensorsStore::open(folder.join("training.safetensors")) {
        Ok(store) => Tensors(store),
        Err(error) => {
            cases.case("tensors".to_owned(), || Err(error.into()));
            return Ok(());
        }
    };
    let kinds: [(&str, Run); 8] = [
        ("first_order", first_order::check),
        ("lbfgs", lbfgs::check),
        ("grad_scaler", gradients::check_scaler),
        ("clip_grad_norm", gradients::check_clipping),
        ("exponential_lr", first_order::check_schedule),
        ("step_lr", first_order::check_schedule),
        ("psi_synth", psi::check_images),
        ("psi_loss", psi::check_loss),
    ];
    let all = kinds.map(|(kind, run)| (kind, Some(run)));
    for (kind, run) in all.into_iter().chain(NETWORKS.map(|kind| (kind, network(kind)))) {
        for (name, entry) in entries(&index, kind) {
            cases.case(name, || match run {
                Some(run) => run(Entry::new(entry, folder), &tensors).map(Outcome::from),
                None => Ok(Outcome::Skipped(NEEDS_CANDLE.to_owned())),
            });
        }
    }
    Ok(())
}

/// The entries of a kind with their names.
fn entries<'a>(index: &'a Value, kind: &str) -> Vec<(String, &'a Value)> {
    match index.get(kind) {
        None => Vec::new(),
        Some(Value::Array(list)) => {
            list.iter().enumerate().map(|(number, entry)| (format!("{kind}/{number:02}"), entry)).collect()
        }
        Some(entry) => vec![(kind.to_owned(), entry)],
    }
}
