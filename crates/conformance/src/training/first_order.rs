//! Trajectories of Adam, `AdamW` and gradient descent, and learning rates over time.

use serde_json::Value;
use volkit_core::BoxError;
use volkit_train::{
    Adam, AdamOptions, Exponential, Optimizer, Parameter, Schedule, Sgd, SgdOptions, Step, WeightDecay,
};

use super::Tensors;
use super::problem::Problem;
use crate::check::Check;
use crate::index::Entry;

/// Tolerances from the README of the golden folder.
const TRAJECTORY_RTOL: f64 = 1e-8;
const RATE_RTOL: f64 = 1e-12;

pub(super) fn check(entry: Entry<'_>, tensors: &Tensors) -> Result<Check, BoxError> {
    let problem = Problem::named(entry.text("problem")?, tensors)?;
    let (params, losses) = (tensors.named(entry, "params")?, tensors.named(entry, "losses")?);
    let steps = entry.count("steps")?;
    if losses.len() != steps || params.len() % (steps + 1) != 0 {
        return Err(format!("{steps} steps with {} losses and {} parameters", losses.len(), params.len()).into());
    }
    let n = params.len() / (steps + 1);
    let mut optimizer = optimizer(entry.text("optimizer")?, entry.entry("args")?)?;
    let mut p = params[..n].to_vec();
    let (mut got, mut got_losses) = (p.clone(), Vec::new());
    for _ in 0..steps {
        let (loss, gradient) = problem.at(&p);
        optimizer.step(&mut [Parameter { values: &mut p, gradient: &gradient }])?;
        got.extend_from_slice(&p);
        got_losses.push(loss);
    }
    let mut check = Check::new();
    check.close("params", &got, &params, TRAJECTORY_RTOL, TRAJECTORY_RTOL);
    check.close("losses", &got_losses, &losses, TRAJECTORY_RTOL, TRAJECTORY_RTOL);
    Ok(check)
}

fn optimizer(name: &str, args: Entry<'_>) -> Result<Box<dyn Optimizer<f64>>, BoxError> {
    let number = |field: &str| if args.has(field) { args.number(field).map(Some) } else { Ok(None) };
    let rate = args.number("lr")?;
    let decay = number("weight_decay")?;
    if name == "SGD" {
        let options = SgdOptions::new(rate).with_momentum(number("momentum")?.unwrap_or(0.0));
        return Ok(Box::new(Sgd::new(options.with_weight_decay(decay.unwrap_or(0.0)))?));
    }
    let mut options = AdamOptions::default().with_learning_rate(rate);
    if args.has("betas") {
        let betas = args.numbers("betas")?;
        options = options.with_betas(betas.try_into().map_err(|_| "the index has 'betas' that are not two numbers")?);
    }
    if let Some(epsilon) = number("eps")? {
        options = options.with_epsilon(epsilon);
    }
    if args.has("amsgrad") {
        options = options.with_amsgrad(args.flag("amsgrad")?);
    }
    options = match (name, decay) {
        ("Adam", None) => options,
        ("Adam", Some(decay)) => options.with_weight_decay(WeightDecay::L2(decay)),
        ("AdamW", decay) => options.with_weight_decay(WeightDecay::Decoupled(decay.unwrap_or(0.01))),
        _ => return Err(format!("the index has 'optimizer' = '{name}', which is not known").into()),
    };
    Ok(Box::new(Adam::new(options)?))
}

pub(super) fn check_schedule(entry: Entry<'_>, _tensors: &Tensors) -> Result<Check, BoxError> {
    let (first, gamma, wanted) = (entry.number("lr0")?, entry.number("gamma")?, entry.numbers("lr")?);
    let schedule: Box<dyn Schedule> = match entry.optional("step_size").and_then(Value::as_u64) {
        Some(every) => Box::new(Step::new(every, gamma)?),
        None => Box::new(Exponential::new(gamma)?),
    };
    let got = (0..wanted.len() as u64).map(|t| first * schedule.factor(t));
    let error = got.zip(&wanted).map(|(a, b)| ((a - b) / b).abs()).fold(0.0, f64::max);
    let mut check = Check::new();
    check.within("lr", error, RATE_RTOL);
    Ok(check)
}
