//! The self-check: a small network on a device against the kernels of the CPU.

use candle_core::{Device, Result as CandleResult, Tensor};

use super::DeviceRefusal;
use crate::{
    Activation, BatchNormConfig, Conv3dConfig, OpPath, Pool3dConfig, Upsample3d, UpsampleMode, batch_norm, conv3d,
    max_pool3d, softmax,
};

/// Largest difference to the CPU that a device may have, as a part of the largest value. Sums of f32 in another order
/// differ by about 1e-6; products that are rounded to 10 bits (TF32) by about 1e-3, and are refused.
pub const SELF_CHECK_RTOL: f64 = 1e-4;

/// Sizes that no tile of a kernel divides.
const SIZE: [usize; 3] = [5, 6, 7];
const CHANNELS: [usize; 2] = [3, 6];

/// Numbers between -1 and 1 that follow no simple pattern.
fn numbers(n: usize, step: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * step + i * i * 7) % 101) as f32 / 50.0 - 1.0).collect()
}

/// Convolution, activation, batch norm, max-pooling, up-sampling and softmax of fixed numbers on `device`: the features
/// and the shares, one after the other.
pub(super) fn sample(device: &Device, path: OpPath) -> CandleResult<Vec<f32>> {
    let [d, h, w] = SIZE;
    let [c_in, c_out] = CHANNELS;
    let vector = |step: usize| Tensor::from_vec(numbers(c_out, step), c_out, device);
    let x = Tensor::from_vec(numbers(c_in * d * h * w, 37), (1, c_in, d, h, w), device)?;
    let weight = Tensor::from_vec(numbers(c_out * c_in * 27, 53), (c_out, c_in, 3, 3, 3), device)?;
    let y = conv3d(&x, &weight, Some(&vector(11)?), &Conv3dConfig::same([3; 3]).with_path(path))?;
    let y = Activation::Elu(1.0).apply(&y, path)?;
    let variance = vector(29)?.sqr()?.affine(1.0, 0.5)?;
    let config = BatchNormConfig::new().with_path(path);
    let y = batch_norm(&y, &vector(17)?, &variance, Some(&vector(19)?), Some(&vector(23)?), &config)?;
    let pooled = max_pool3d(&y, &Pool3dConfig::new([2; 3]).with_path(path))?;
    let fine = Upsample3d::new([2; 3], UpsampleMode::Nearest)?.with_path(path);
    let shares = softmax(&candle_nn::Module::forward(&fine, &pooled)?, 1)?;
    let mut values = y.flatten_all()?.to_vec1::<f32>()?;
    values.extend(shares.flatten_all()?.to_vec1::<f32>()?);
    Ok(values)
}

/// Judges what a device gave for the sample.
pub(super) fn judge(got: &[f32], wanted: &[f32]) -> Result<f64, DeviceRefusal> {
    let n_values = got.iter().filter(|value| !value.is_finite()).count();
    if n_values > 0 {
        return Err(DeviceRefusal::NotFinite { n_values, of: got.len() });
    }
    if got.len() != wanted.len() {
        let said = format!("self-check failed: {} results for {}", got.len(), wanted.len());
        return Err(DeviceRefusal::Failed { said });
    }
    let largest = wanted.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let off = got.iter().zip(wanted).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
    let error = f64::from(off) / f64::from(largest.max(f32::MIN_POSITIVE));
    if error > SELF_CHECK_RTOL {
        return Err(DeviceRefusal::Wrong { error, tolerance: SELF_CHECK_RTOL });
    }
    Ok(error)
}

/// Runs a small network on a device by candle's own ops and compares it with the kernels of the CPU: convolution,
/// activation, batch norm, max-pooling, up-sampling and softmax. Gives the largest difference, as a part of the largest
/// value.
///
/// # Errors
/// [`DeviceRefusal`] with what is wrong: more than [`SELF_CHECK_RTOL`] off, numbers that are none, or what the device
/// said.
///
/// ```
/// let error = volkit_nn3d::self_check(&candle_core::Device::Cpu)?;
/// assert!(error < volkit_nn3d::SELF_CHECK_RTOL);
/// # Ok::<(), volkit_nn3d::DeviceRefusal>(())
/// ```
pub fn self_check(device: &Device) -> Result<f64, DeviceRefusal> {
    check_by(|| sample(device, OpPath::Composite))
}

/// The same for whatever runs the sample.
pub(super) fn check_by(run: impl FnOnce() -> CandleResult<Vec<f32>>) -> Result<f64, DeviceRefusal> {
    let wanted = sample(&Device::Cpu, OpPath::Auto).map_err(|error| DeviceRefusal::of(&error))?;
    judge(&run().map_err(|error| DeviceRefusal::of(&error))?, &wanted)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::{check_by, sample, self_check};
    use crate::{DeviceRefusal, OpPath, SELF_CHECK_RTOL};

    /// The results of a sound device after `fault` was done to them.
    fn with_fault(fault: impl FnOnce(&mut Vec<f32>)) -> Result<f64, DeviceRefusal> {
        check_by(|| {
            let mut values = sample(&Device::Cpu, OpPath::Composite)?;
            fault(&mut values);
            Ok(values)
        })
    }

    #[test]
    fn the_composite_path_of_the_cpu_passes() {
        let error = self_check(&Device::Cpu).unwrap();
        assert!(error > 0.0 && error < 1e-5, "{error:e}");
    }

    #[test]
    fn the_sample_has_features_of_both_signs_and_shares_that_sum_to_one() {
        let values = sample(&Device::Cpu, OpPath::Auto).unwrap();
        let (features, shares) = values.split_at(6 * 5 * 6 * 7);
        assert!(features.iter().any(|v| *v > 0.5) && features.iter().any(|v| *v < -0.5));
        assert_eq!(shares.len(), 6 * 4 * 6 * 6);
        let sum: f32 = shares.iter().sum();
        assert!((sum - (4 * 6 * 6) as f32).abs() < 1e-3, "{sum}");
    }

    #[test]
    fn one_wrong_value_is_caught() {
        for at in [0, 17, 1259, 1260, 1700] {
            let refusal = with_fault(|values| values[at] += 0.01).unwrap_err();
            assert!(
                matches!(refusal, DeviceRefusal::Wrong { error, tolerance } if error > 1e-4 && tolerance == SELF_CHECK_RTOL),
                "{refusal}"
            );
        }
    }

    #[test]
    fn products_of_few_bits_are_caught() {
        // TF32 keeps 10 bits of a factor.
        let refusal = with_fault(|values| values.iter_mut().for_each(|v| *v *= 1.0 + 1.0 / 1024.0)).unwrap_err();
        assert!(refusal.to_string().starts_with("self-check failed: "), "{refusal}");
    }

    #[test]
    fn what_is_no_number_is_caught_and_counted() {
        let refusal = with_fault(|values| {
            values[3] = f32::NAN;
            values[900] = f32::INFINITY;
        });
        assert_eq!(refusal, Err(DeviceRefusal::NotFinite { n_values: 2, of: 1260 + 864 }));
    }

    #[test]
    fn missing_results_and_errors_are_reasons() {
        assert!(matches!(with_fault(|values| values.truncate(9)), Err(DeviceRefusal::Failed { .. })));
        let said = check_by(|| candle_core::bail!("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")"));
        assert!(matches!(said, Err(DeviceRefusal::OutOfMemory { .. })), "{said:?}");
    }
}
