//! Networks on tensors of candle: results, gradients, running statistics, gradients of parts of a batch.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{Module as _, ModuleT as _};
use volkit_core::{ArrayStore as _, BoxError};
use volkit_nn3d::{Conv3dConfig, SimpleUNet2d, UNet2d, UNet2dConfig, conv2d, recorded};
use volkit_train::{Accumulator, Parameters, Precision};

use super::Tensors;
use crate::check::Check;
use crate::index::Entry;

/// Tolerances from the README of the golden folder, as parts of the largest value.
const F32: f64 = 1e-5;
const GRADIENT: f64 = 1e-4;
const BF16: f64 = 2e-2;
/// Relative, in f64.
const ACCUMULATION: f64 = 1e-12;

impl Tensors {
    fn shaped(&self, name: &str) -> Result<Tensor, BoxError> {
        let array = self.0.get(name)?;
        Ok(Tensor::from_vec(array.to_real::<f64>()?, array.shape(), &Device::Cpu)?)
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f64>, BoxError> {
    Ok(tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

/// Compares to a part of the largest wanted value.
fn compare(check: &mut Check, what: &str, got: &Tensor, wanted: &[f64], tolerance: f64) -> Result<(), BoxError> {
    let largest = wanted.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    check.close(what, &values(got)?, wanted, 0.0, tolerance * largest);
    Ok(())
}

/// The benchmark network with the weights of the index, in f32 or in bf16 as the name of the case says.
pub(super) fn check_simple(entry: Entry<'_>, tensors: &Tensors) -> Result<Check, BoxError> {
    // The case in bf16 names its result only; the rest is that of the case in f32.
    let name = |kind: &str, i: usize| format!("su.{kind}{i}");
    let is_low = !entry.has("channels");
    let (precision, tolerance) = if is_low { (Precision::BF16, BF16) } else { (Precision::F32, F32) };
    let parameters = Parameters::new(0, &Device::Cpu);
    let net = SimpleUNet2d::new(&SimpleUNet2d::CHANNELS, &parameters.builder(precision))?;
    for i in 0..SimpleUNet2d::CHANNELS.len() - 1 {
        for (kind, part) in [("w", "weight"), ("b", "bias")] {
            let given: Vec<f32> = tensors.get(&name(kind, i))?.iter().map(|v| *v as f32).collect();
            parameters.set_values(&format!("{}.{part}", 2 * i), &given)?;
        }
    }
    let x = tensors.shaped("su.x")?.to_dtype(DType::F32)?;
    let mut check = Check::new();
    compare(&mut check, "y", &net.forward(&x)?, &tensors.named(entry, "y")?, tolerance)?;
    Ok(check)
}

/// The name in the index of a parameter that the usual code has under `name`.
fn index_name(name: &str) -> String {
    let levels = |prefix: &str, rest: &str, short: &str| -> Option<String> {
        let (level, rest) = name.strip_prefix(prefix)?.split_once(rest)?;
        Some(format!("{short}.{}.{rest}", level.parse::<usize>().ok()?.checked_sub(1)?))
    };
    let down = levels("down", ".maxpool_conv.1.", "d");
    let known = down.or_else(|| levels("up", ".conv.", "u"));
    known.unwrap_or_else(|| name.replace("outc.conv", "outc"))
}

pub(super) fn check_u_net(entry: Entry<'_>, tensors: &Tensors) -> Result<Check, BoxError> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let config = UNet2dConfig::new(16, 1).with_width(entry.count("width")?);
    let net = UNet2d::new(&config, &parameters.builder(Precision::F32))?;
    let table = |field: &str| -> Result<HashMap<String, String>, BoxError> {
        let object = entry.required(field)?.as_object().ok_or("the index has a table that is none")?;
        Ok(object.iter().map(|(name, tensor)| (name.clone(), tensor.as_str().unwrap_or_default().to_owned())).collect())
    };
    let given = table("params")?;
    for name in parameters.names() {
        let tensor = given.get(&index_name(&name)).ok_or_else(|| format!("the index has no parameter '{name}'"))?;
        let values: Vec<f32> = tensors.get(tensor)?.iter().map(|v| *v as f32).collect();
        parameters.set_values(&name, &values)?;
    }
    let x = tensors.shaped(entry.text("x")?)?.to_dtype(DType::F32)?;
    let mut check = Check::new();
    compare(&mut check, "y_eval", &net.forward_t(&x, false)?, &tensors.named(entry, "y_eval")?, F32)?;
    let y = net.forward_t(&x, true)?;
    compare(&mut check, "y_train", &y, &tensors.named(entry, "y_train")?, F32)?;
    let loss = y.sqr()?.mean_all()?;
    check.close("loss", &values(&loss)?, &[entry.number("loss_value")?], F32, 0.0);
    let gradients = loss.backward()?;
    let wanted = table("grads")?;
    let after = table("running_after")?;
    for name in parameters.names() {
        let Some(var) = parameters.var(&name) else { continue };
        if let Some(tensor) = wanted.get(&index_name(&name)) {
            let gradient = gradients.get(&var).ok_or_else(|| format!("'{name}' has no gradient"))?;
            compare(&mut check, &format!("gradient of {name}"), gradient, &tensors.get(tensor)?, GRADIENT)?;
        }
        if let Some(tensor) = after.get(&index_name(&name)) {
            compare(&mut check, &name, &var, &tensors.get(tensor)?, GRADIENT)?;
        }
    }
    Ok(check)
}

/// Gradients of a batch, and of its parts summed, in f64.
pub(super) fn check_accumulation(entry: Entry<'_>, tensors: &Tensors) -> Result<Check, BoxError> {
    let names = |field: &str| -> Result<Vec<String>, BoxError> {
        Ok(entry.list(field)?.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect())
    };
    let variable = |name: &String| -> Result<Var, BoxError> { Ok(Var::from_tensor(&tensors.shaped(name)?)?) };
    let vars: Vec<Var> = names("params")?.iter().map(variable).collect::<Result<_, _>>()?;
    let [w0, b0, w1, b1] = &vars[..] else { return Err("expected two convolutions with biases".into()) };
    let (x, y) = (tensors.shaped(entry.text("x")?)?, tensors.shaped(entry.text("y")?)?);
    let same = Conv3dConfig::same([1, 3, 3]);
    let loss = |first: usize, count: usize| -> Result<(f64, Vec<Vec<f64>>), BoxError> {
        let part = x.narrow(0, first, count)?.contiguous()?;
        let result = recorded(&[&part], |x| {
            let hidden = conv2d(&x[0], w0, Some(b0), &same.clone().with_rectifier(Some(0.0)))?;
            Ok(conv2d(&hidden, w1, Some(b1), &same)?)
        })?;
        let loss = (result - y.narrow(0, first, count)?)?.sqr()?.mean_all()?;
        let store = loss.backward()?;
        let gradient = |var: &Var| values(store.get(var).unwrap_or(var));
        Ok((values(&loss)?[0], vars.iter().map(gradient).collect::<Result<_, _>>()?))
    };
    let (batch, parts) = (entry.count("batch")?, entry.count("accum_steps")?);
    let mut check = Check::new();
    let lengths: Vec<usize> = vars.iter().map(|var| var.elem_count()).collect();
    let wanted: Vec<Vec<f64>> = names("grads")?.iter().map(|name| tensors.get(name)).collect::<Result<_, _>>()?;
    for count in [batch, batch / parts.max(1)] {
        let mut accumulator = Accumulator::<f64>::new(&lengths);
        for first in (0..batch).step_by(count.max(1)) {
            let (loss, gradients) = loss(first, count)?;
            let slices: Vec<&[f64]> = gradients.iter().map(Vec::as_slice).collect();
            accumulator.add(loss, &slices, count)?;
        }
        let taken = accumulator.take(|mean, gradients| -> Result<(), BoxError> {
            check.close("loss", &[mean], &[entry.number("loss")?], ACCUMULATION, 0.0);
            for (got, wanted) in gradients.iter().zip(&wanted) {
                let largest = wanted.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
                check.close(
                    &format!("gradients of parts of {count}"),
                    got,
                    wanted,
                    ACCUMULATION,
                    ACCUMULATION * largest,
                );
            }
            Ok(())
        });
        taken.transpose()?;
    }
    Ok(check)
}
