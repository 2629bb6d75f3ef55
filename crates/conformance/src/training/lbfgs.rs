//! Every point at which L-BFGS evaluates.

use volkit_core::BoxError;
use volkit_train::{Lbfgs, LbfgsOptions, LineSearch};

use super::Tensors;
use super::problem::Problem;
use crate::check::Check;
use crate::index::Entry;

/// From the README of the golden folder: evaluations that must agree closely, and how closely; then the end of each step.
const FIRST: usize = 30;
const FIRST_RTOL: f64 = 1e-8;
const FINAL_RTOL: f64 = 1e-6;

pub(super) fn check(entry: Entry<'_>, tensors: &Tensors) -> Result<Check, BoxError> {
    let problem = Problem::named(entry.text("problem")?, tensors)?;
    let args = entry.entry("args")?;
    let search = match args.optional("line_search_fn").map(|name| name.as_str().unwrap_or_default()) {
        None => LineSearch::None,
        Some("strong_wolfe") => LineSearch::StrongWolfe,
        Some(other) => return Err(format!("the index has 'line_search_fn' = '{other}', which is not known").into()),
    };
    let options = LbfgsOptions::default()
        .with_learning_rate(args.number("lr")?)
        .with_limits(args.count("max_iter")?, None)
        .with_history(args.count("history_size")?)
        .with_line_search(search);
    let mut lbfgs = Lbfgs::new(options)?;
    let mut p = entry.numbers("start")?;
    let (mut points, mut losses, mut calls, mut after) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..entry.count("steps")? {
        let report = lbfgs.step(&mut p, &mut |p| {
            let (loss, gradient) = problem.at(p);
            points.extend_from_slice(p);
            losses.push(loss);
            Ok((loss, gradient))
        })?;
        calls.push(report.evaluations);
        after.extend_from_slice(&p);
    }
    let mut check = Check::new();
    let wanted_calls = entry.counts("closure_calls_per_step")?;
    check.equal("evaluations per step", calls, wanted_calls);
    let first = |values: &[f64], width: usize| values[..values.len().min(FIRST * width)].to_vec();
    for (what, got, width) in [("eval_points", points, p.len()), ("eval_losses", losses, 1)] {
        let wanted = tensors.named(entry, what)?;
        check.close(what, &first(&got, width), &first(&wanted, width), FIRST_RTOL, FIRST_RTOL);
    }
    check.close("params_after_step", &after, &tensors.named(entry, "params_after_step")?, FINAL_RTOL, FINAL_RTOL);
    Ok(check)
}
