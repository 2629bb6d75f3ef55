//! Parameters before training.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};
use candle_nn::VarMap;
use volkit_core::ArrayStore;

use crate::PoseError;
use crate::random::sequence;

/// All variables of a map by name, in the order of the names.
pub(super) fn named(map: &VarMap) -> BTreeMap<String, Var> {
    let data = map.data().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    data.iter().map(|(name, var)| (name.clone(), var.clone())).collect()
}

/// Whether a variable is trained: running statistics are not.
pub(super) fn is_trained(name: &str) -> bool {
    !(name.ends_with("running_mean") || name.ends_with("running_var"))
}

/// Draws weights of convolutions and linear layers, and their biases, uniformly from `+-1 / sqrt(fan_in)`: PyTorch's
/// default, from a seed. (The generator of candle can not be seeded on the CPU.) What has one axis and no weight of more
/// beside it stays as it is: norms.
pub(super) fn draw(vars: &BTreeMap<String, Var>, seed: u64) -> Result<(), PoseError> {
    let fan_in = |weight: &str| {
        let dims = vars.get(weight).map(|var| var.dims().to_vec()).filter(|dims| dims.len() > 1)?;
        Some(dims[1..].iter().product::<usize>())
    };
    for (number, (name, var)) in vars.iter().enumerate() {
        let weight = match name.strip_suffix(".bias") {
            Some(layer) => format!("{layer}.weight"),
            None => name.clone(),
        };
        let Some(fan) = fan_in(&weight) else { continue };
        let bound = 1.0 / (fan as f64).sqrt();
        let mut random = sequence(&[seed, number as u64]);
        let values: Vec<f32> = (0..var.elem_count()).map(|_| (bound * (2.0 * random.uniform() - 1.0)) as f32).collect();
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
    }
    Ok(())
}

/// Sets all variables to the arrays of their names.
pub(super) fn fill(vars: &BTreeMap<String, Var>, store: &dyn ArrayStore) -> Result<(), PoseError> {
    for (name, var) in vars {
        let array = store.get(name).map_err(|error| PoseError::read(name, error))?;
        if array.shape() != var.dims() {
            let value = format!("shape {:?}, wanted {:?}", array.shape(), var.dims());
            return Err(PoseError::input("model", name, value, "the shape that volume and widths give"));
        }
        let values = array.to_real::<f32>().map_err(|error| PoseError::read(name, error))?;
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
    }
    Ok(())
}
