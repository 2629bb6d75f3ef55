//! Values with their derivatives.

use candle_core::{Result, Tensor, bail};

/// Values `[B, F]` of a batch of points with their first and second derivatives along each of `d` coordinates (the diagonal
/// of the second ones: all that a Laplacian needs).
///
/// Derivatives are carried forward through the layers by ordinary tensor operations. A loss of them is one reverse pass away
/// from its gradient by the parameters; candle has no second reverse pass to take derivatives by it.
#[derive(Clone, Debug)]
pub struct Jet {
    /// `[B, F]`.
    pub value: Tensor,
    /// First derivatives, `d` tensors `[B, F]`.
    pub first: Vec<Tensor>,
    /// Second derivatives, `d` tensors `[B, F]`.
    pub second: Vec<Tensor>,
}

impl Jet {
    /// Points `[B, d]` as functions of themselves: the derivative of coordinate i along axis i is `scale[i]`, all else is 0.
    ///
    /// # Errors
    /// For a tensor that is not `[B, d]`.
    pub fn of_points(points: &Tensor, scale: &[f64]) -> Result<Self> {
        let (_, d) = points.dims2()?;
        if scale.len() != d {
            bail!("jet: {} scales for points of {d} coordinates", scale.len());
        }
        let (dtype, device) = (points.dtype(), points.device());
        let column = |axis: usize| -> Result<Tensor> {
            let row: Vec<f64> = (0..d).map(|i| if i == axis { scale[axis] } else { 0.0 }).collect();
            Tensor::from_vec(row, (1, d), device)?.to_dtype(dtype)?.broadcast_as(points.shape())?.contiguous()
        };
        let first = (0..d).map(column).collect::<Result<_>>()?;
        let second = (0..d).map(|_| points.zeros_like()).collect::<Result<_>>()?;
        Ok(Self { value: points.clone(), first, second })
    }

    /// Coordinates along which derivatives are carried.
    #[must_use]
    pub fn n_axes(&self) -> usize {
        self.first.len()
    }

    /// `[B, F]`, the sum of the second derivatives over the coordinates.
    ///
    /// # Errors
    /// Those of candle.
    pub fn laplacian(&self) -> Result<Tensor> {
        let mut sum = self.value.zeros_like()?;
        for second in &self.second {
            sum = (sum + second)?;
        }
        Ok(sum)
    }
}

/// The hyperbolic tangent, feature by feature: `y' = (1 - y^2) x'`, `y'' = (1 - y^2)(x'' - 2 y x'^2)`.
///
/// # Errors
/// Those of candle.
pub fn tanh_jet(x: &Jet) -> Result<Jet> {
    let value = x.value.tanh()?;
    let slope = value.sqr()?.affine(-1.0, 1.0)?;
    let first = x.first.iter().map(|first| &slope * first).collect::<Result<_>>()?;
    let second = |(first, second): (&Tensor, &Tensor)| -> Result<Tensor> {
        let bend = (&value * first.sqr()?)?.affine(-2.0, 0.0)?;
        &slope * (second + bend)?
    };
    let second = x.first.iter().zip(&x.second).map(second).collect::<Result<_>>()?;
    Ok(Jet { value, first, second })
}
