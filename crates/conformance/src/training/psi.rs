//! Images of an interferometer, phases, and the loss that needs no true height.

use volkit_core::{ArrayStore as _, BoxError};
use volkit_kernels::Threads;
use volkit_psi::{ClosedForm, ClosedFormOptions, FringeLoss, Interferometer, Sensor};

use super::Tensors;
use crate::check::Check;
use crate::index::Entry;

/// Tolerance from the README of the golden folder.
const RTOL: f64 = 1e-10;
/// Rounding of a phase of 100 radians in f64, and of the four greys that it is taken from.
const PHASE_ATOL: f64 = 1e-12;

pub(super) fn check_images(entry: Entry<'_>, tensors: &Tensors) -> Result<Check, BoxError> {
    let instrument = Interferometer::new(entry.numbers("wavelengths")?, entry.count("num_buckets")?);
    let height = tensors.named(entry, "height")?;
    let images = instrument.images(&height);
    let mut check = Check::new();
    let wanted = tensors.named(entry, "buckets_f64")?;
    check.close("buckets_f64", &images, &wanted, RTOL, RTOL);
    let recorded = Sensor::default().record(&instrument, &height, 0)?.into_real::<f64>()?;
    check.close("buckets_u8", &recorded, &tensors.named(entry, "buckets_u8")?, 0.0, 0.0);
    let solver = ClosedForm::new(&instrument, ClosedFormOptions::default())?;
    check.close("wrapped_phase", &solver.phases(&wanted)?, &tensors.named(entry, "wrapped_phase")?, 0.0, PHASE_ATOL);
    let solved = solver.solve(&wanted, &Threads::single())?;
    check.close("height", &solved.height_um, &height, 0.0, PHASE_ATOL);
    Ok(check)
}

pub(super) fn check_loss(entry: Entry<'_>, tensors: &Tensors) -> Result<Check, BoxError> {
    let name = entry.text("pred")?;
    let shape = tensors.0.get(name)?.shape().to_vec();
    let target = tensors.named(entry, "target")?;
    let [.., height, width] = shape[..] else { return Err(format!("'{name}' has shape {shape:?}").into()) };
    let pred = tensors.get(name)?;
    let n = pred.len() / (height * width).max(1);
    let loss = FringeLoss::new(Interferometer::default(), entry.number("smoothness_weight")?)?;
    let (parts, gradient) = loss.evaluate(&pred, &target, [n, height, width], &Threads::single())?;
    let mut check = Check::new();
    let numbers = [("loss_data", parts.data), ("loss_smooth", parts.smooth), ("total", parts.total)];
    for (field, got) in numbers {
        check.close(field, &[got], &[entry.number(field)?], RTOL, 0.0);
    }
    let wanted = tensors.named(entry, "grad")?;
    let most = wanted.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    check.close("grad", &gradient, &wanted, RTOL, RTOL * most);
    Ok(check)
}
