//! Percentiles.

use volkit_core::{BoxError, DType};
use volkit_geom::{NanRule, percentiles};

use crate::check::Check;
use crate::digest::dtype;
use crate::index::Entry;
use crate::suite::Outcome;

pub(super) fn case(entry: &Entry<'_>) -> Result<Outcome, BoxError> {
    let data = entry.numbers("data")?;
    let name = entry.text("dtype")?;
    let (p, wanted) = (entry.numbers("p")?, entry.numbers("out")?);
    // Results in f32 were rounded on the way; those in f64 were not.
    let single = entry.text("out_dtype").is_ok_and(|out| dtype(out) == Some(DType::F32));
    let rtol = if single { 1e-6 } else { 1e-12 };
    let values = |data: &[f64]| -> Result<Vec<f64>, BoxError> {
        Ok(match dtype(name) {
            Some(DType::U8) => percentiles(&cast::<u8>(data), &p, NanRule::Propagate)?,
            Some(DType::I16) => percentiles(&cast::<i16>(data), &p, NanRule::Propagate)?,
            Some(DType::F32) => percentiles(&cast::<f32>(data), &p, NanRule::Propagate)?,
            Some(DType::F64) => percentiles(data, &p, NanRule::Propagate)?,
            _ => return Err(format!("percentiles of {name} are not compared here: u8, i16, f32, f64").into()),
        })
    };
    let mut check = Check::new();
    check.close("out", &values(&data)?, &wanted, rtol, rtol * f64::MIN_POSITIVE);
    Ok(check.into())
}

fn cast<T: volkit_core::RealElement>(data: &[f64]) -> Vec<T> {
    data.iter().map(|&x| T::from_f64(x)).collect()
}
