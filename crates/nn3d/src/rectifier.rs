//! Rectifiers that are one op with what stands before them.

use candle_core::{Result as CandleResult, Tensor};

use crate::computed::{Gradients, Node, Outcome, attach};
use crate::{Nn3dError, Op, Result, cpu};

/// Errors unless the slope, if there is one, is finite and not negative: the sign of a result must tell that of its
/// argument.
pub(crate) fn check_slope(op: Op, slope: Option<f64>) -> Result<()> {
    match slope {
        Some(slope) if !(slope.is_finite() && slope >= 0.0) => Err(Nn3dError::Config {
            op,
            field: "rectifier",
            value: slope.to_string(),
            reason: "must be finite and not negative",
        }),
        _ => Ok(()),
    }
}

/// [`attach`] of a result that is rectified, if there is a slope. The gradient of the op comes from the rectified result.
pub(crate) fn attach_rectified<G>(
    name: &'static str,
    args: &[&Tensor],
    result: Outcome,
    slope: Option<f64>,
    gradient: G,
) -> CandleResult<Tensor>
where
    G: Fn(&Node<'_>) -> CandleResult<Gradients> + Send + Sync + 'static,
{
    let Some(slope) = slope else { return attach(name, args, result, gradient) };
    attach(name, args, rectified(result, slope)?, move |node| {
        let grad = cpu::rectifier_gradient(node.result()?, node.grad, slope)?;
        gradient(&Node { grad: &grad, ..*node })
    })
}

/// A result behind the rectifier, by candle's ops.
pub(crate) fn rectified(result: Outcome, slope: f64) -> CandleResult<Outcome> {
    let y = result.into_tensor()?.contiguous()?;
    let below = y.affine(slope, 0.0)?;
    Ok(y.gt(&y.zeros_like()?)?.where_cond(&y, &below)?.into())
}
