//! The suite `training`: `training.json` and the tensors that it names.

mod first_order;
mod gradients;
mod lbfgs;
mod problem;

use std::path::Path;

use serde_json::Value;
use volkit_core::{ArrayStore as _, BoxError};
use volkit_io::SafetensorsStore;

use crate::ConformanceError;
use crate::check::Check;
use crate::index::{Entry, read_json};
use crate::suite::{Cases, Outcome};

const INDEX: &str = "training.json";

/// Cases of the index that no crate here computes yet, and why.
const ELSEWHERE: [(&str, &str); 8] = [
    ("chebykan", "there is no Chebyshev network"),
    ("cpikan", "there is no Chebyshev network"),
    ("grad_accum", "needs gradients of convolutions"),
    ("psi_synth", "there is no generator of interferograms"),
    ("psi_loss", "there is no loss of interferograms"),
    ("simple_unet_f32", "needs the networks of volkit-psi"),
    ("simple_unet_bf16_autocast", "there is no mixed precision"),
    ("unet_f32", "needs gradients of convolutions"),
];

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
    type Run = fn(Entry<'_>, &Tensors) -> Result<Check, BoxError>;
    let kinds: [(&str, Run); 6] = [
        ("first_order", first_order::check),
        ("lbfgs", lbfgs::check),
        ("grad_scaler", gradients::check_scaler),
        ("clip_grad_norm", gradients::check_clipping),
        ("exponential_lr", first_order::check_schedule),
        ("step_lr", first_order::check_schedule),
    ];
    for (kind, run) in kinds {
        for (name, entry) in entries(&index, kind) {
            cases.case(name, || run(Entry::new(entry, folder), &tensors).map(Outcome::from));
        }
    }
    for (kind, why) in ELSEWHERE {
        for (name, _) in entries(&index, kind) {
            cases.case(name, || Ok(Outcome::Skipped(why.to_owned())));
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
