//! Loss scaling and clipping.

use volkit_core::BoxError;
use volkit_train::{GradScaler, GradScalerOptions, Norm, Optimizer as _, Parameter, Sgd, SgdOptions, clip_grad_norm};

use super::Tensors;
use crate::check::Check;
use crate::index::Entry;

/// Tolerance from the README of the golden folder.
const CLIP_RTOL: f64 = 1e-12;

/// Steps on the loss `2 p`, whose gradients are not finite where the pattern has a 1: every number exact.
pub(super) fn check_scaler(entry: Entry<'_>, _tensors: &Tensors) -> Result<Check, BoxError> {
    let options = GradScalerOptions::default()
        .with_initial_scale(entry.number("init_scale")?)
        .with_factors(entry.number("growth_factor")?, entry.number("backoff_factor")?)
        .with_growth_interval(entry.count("growth_interval")? as u64);
    let mut scaler = GradScaler::new(options)?;
    let mut sgd = Sgd::new(SgdOptions::new(0.125))?;
    let mut p = [1.0_f32];
    let (pattern, trace) = (entry.text("pattern")?, entry.list("trace")?);
    if pattern.len() != trace.len() {
        return Err(format!("a pattern of {} steps and a trace of {}", pattern.len(), trace.len()).into());
    }
    let mut check = Check::new();
    for (step, (is_bad, wanted)) in pattern.bytes().map(|byte| byte == b'1').zip(trace).enumerate() {
        let mut gradient = [if is_bad { f32::INFINITY } else { 2.0 * scaler.scale() as f32 }];
        let found = scaler.unscale(&mut [&mut gradient]);
        if !found {
            sgd.step(&mut [Parameter { values: &mut p, gradient: &gradient }])?;
        }
        scaler.update(found)?;
        let got = [scaler.scale(), scaler.growth_tracker() as f64, f64::from(p[0])];
        for (what, got) in ["scale", "growth_tracker", "param"].into_iter().zip(got) {
            let wanted = wanted.get(what).and_then(serde_json::Value::as_f64).ok_or("the trace lacks a number")?;
            check.within(&format!("{what} after step {step}"), (got - wanted).abs(), 0.0);
        }
    }
    Ok(check)
}

pub(super) fn check_clipping(entry: Entry<'_>, tensors: &Tensors) -> Result<Check, BoxError> {
    let norm = match (entry.text("norm_type"), entry.number("norm_type")) {
        (Ok("inf"), _) => Norm::Infinity,
        (_, Ok(1.0)) => Norm::One,
        (_, Ok(2.0)) => Norm::Two,
        _ => return Err("the index has a 'norm_type' that is not 1, 2 or inf".into()),
    };
    let names = |field: &str| -> Result<Vec<Vec<f64>>, BoxError> {
        let names = entry.list(field)?.iter().map(|name| name.as_str().unwrap_or_default());
        names.map(|name| tensors.get(name)).collect()
    };
    let (mut gradients, wanted) = (names("grads")?, names("clipped")?);
    let mut arrays: Vec<&mut [f64]> = gradients.iter_mut().map(Vec::as_mut_slice).collect();
    let total = clip_grad_norm(&mut arrays, entry.number("max_norm")?, norm)?;
    let mut check = Check::new();
    check.close("total_norm", &[total], &[entry.number("total_norm")?], CLIP_RTOL, CLIP_RTOL);
    for (got, wanted) in gradients.iter().zip(&wanted) {
        check.close("clipped", got, wanted, CLIP_RTOL, CLIP_RTOL);
    }
    Ok(check)
}
