//! Running products and sums along an axis, by doubling steps.
//!
//! candle's `cumsum` multiplies by a triangular matrix, which takes time by the square of the length; there is no running
//! product. A step of `s` joins each element with the one `s` before it.

use candle_core::{Result, Tensor};

/// `y[k] = x[0] * .. * x[k]` along axis 1 of `[T, K, P]`.
pub(super) fn running_product(x: &Tensor) -> Result<Tensor> {
    let (tiles, n, pixels) = x.dims3()?;
    let mut y = x.clone();
    let mut step = 1;
    while step < n {
        let ones = Tensor::ones((tiles, step, pixels), x.dtype(), x.device())?;
        y = (&y * Tensor::cat(&[ones, y.narrow(1, 0, n - step)?], 1)?)?;
        step *= 2;
    }
    Ok(y)
}

/// `y[k] = x[k] + .. + x[K - 1]` along axis 1 of `[T, K, P]`.
pub(super) fn running_sum_from_behind(x: &Tensor) -> Result<Tensor> {
    let (tiles, n, pixels) = x.dims3()?;
    let mut y = x.clone();
    let mut step = 1;
    while step < n {
        let zeros = Tensor::zeros((tiles, step, pixels), x.dtype(), x.device())?;
        y = (&y + Tensor::cat(&[y.narrow(1, step, n - step)?, zeros], 1)?)?;
        step *= 2;
    }
    Ok(y)
}

/// The element before, along axis 1 of `[T, K, P]`; `first` before the first.
pub(super) fn shifted(x: &Tensor, first: f32) -> Result<Tensor> {
    let (tiles, n, pixels) = x.dims3()?;
    let edge = Tensor::full(first, (tiles, 1, pixels), x.device())?.to_dtype(x.dtype())?;
    Tensor::cat(&[edge, x.narrow(1, 0, n - 1)?], 1)
}

/// The element behind, along axis 1 of `[T, K, P]`; zero behind the last.
pub(super) fn shifted_back(x: &Tensor) -> Result<Tensor> {
    let (tiles, n, pixels) = x.dims3()?;
    let edge = Tensor::zeros((tiles, 1, pixels), x.dtype(), x.device())?;
    Tensor::cat(&[x.narrow(1, 1, n - 1)?, edge], 1)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::{running_product, running_sum_from_behind, shifted, shifted_back};

    fn column(values: &[f32]) -> Tensor {
        Tensor::from_vec(values.to_vec(), (1, values.len(), 1), &Device::Cpu).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn products_and_sums_of_any_length() {
        for n in [1, 2, 3, 5, 8, 13] {
            let x: Vec<f32> = (1..=n).map(|k| k as f32).collect();
            let factorials: Vec<f32> = (1..=n).map(|k| (1..=k).map(|i| i as f32).product()).collect();
            assert_eq!(values(&running_product(&column(&x)).unwrap()), factorials);
            let sums: Vec<f32> = (1..=n).map(|k| (k..=n).map(|i| i as f32).sum()).collect();
            assert_eq!(values(&running_sum_from_behind(&column(&x)).unwrap()), sums);
        }
    }

    #[test]
    fn neighbours() {
        assert_eq!(values(&shifted(&column(&[2.0, 3.0, 4.0]), 1.0).unwrap()), [1.0, 2.0, 3.0]);
        assert_eq!(values(&shifted_back(&column(&[2.0, 3.0, 4.0])).unwrap()), [3.0, 4.0, 0.0]);
        assert_eq!(values(&shifted(&column(&[2.0]), 1.0).unwrap()), [1.0]);
        assert_eq!(values(&shifted_back(&column(&[2.0])).unwrap()), [0.0]);
    }

    #[test]
    fn columns_do_not_mix() {
        let x = Tensor::new(&[[[1f32, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]], &Device::Cpu).unwrap();
        assert_eq!(values(&running_product(&x).unwrap()), [1.0, 2.0, 3.0, 8.0, 5.0, 6.0, 35.0, 48.0]);
    }
}
