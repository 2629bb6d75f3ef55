//! From values to stored elements: exact where possible, rounded, clamped or rescaled where asked.

use std::path::Path;

use volkit_core::{CoreError, DType, RealElement, Volume, VoxelsMut, VoxelsRef, with_real_voxels};

use crate::{IoError, Scaling};

/// The smallest of u8, i16 and i32 that holds every value of a label map, if all are integers in that range.
#[must_use]
pub fn smallest_label_dtype(volume: &Volume) -> Option<DType> {
    let summary = Summary::of(volume.voxels().view(), DType::I32)?;
    [DType::U8, DType::I16, DType::I32].into_iter().find(|&dtype| summary.fits(dtype))
}

/// How values become stored elements.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    stored: DType,
    scaling: Scaling,
    warnings: Vec<String>,
}

impl Cast {
    /// Looks at the values and decides.
    pub(crate) fn plan(path: &Path, values: VoxelsRef<'_>, stored: DType, rescale: bool) -> Result<Self, IoError> {
        let as_they_are = Self { stored, scaling: Scaling::IDENTITY, warnings: Vec::new() };
        let from = values.dtype();
        if from == stored {
            return Ok(as_they_are);
        }
        let Some(summary) = Summary::of(values, stored).filter(|_| stored.is_real()) else {
            return Err(IoError::unsupported(path, format!("{from} values can not be written as {stored}")));
        };
        if !stored.is_integer() {
            let mut cast = as_they_are;
            if summary.n_overflowing > 0 {
                let n = summary.n_overflowing;
                cast.warnings.push(format!("{n} finite values are beyond {stored} and become infinite"));
            }
            return Ok(cast);
        }
        if summary.fits(stored) {
            return Ok(as_they_are);
        }
        if rescale {
            return Ok(Self { scaling: summary.stretch(path, stored)?, ..as_they_are });
        }
        let mut cast = as_they_are;
        if summary.n_clamped > 0 {
            cast.warnings.push(format!("{} values lie outside {stored} and were clamped", summary.n_clamped));
        }
        if summary.n_nan > 0 {
            cast.warnings.push(format!("{} NaN values were written as 0", summary.n_nan));
        }
        Ok(cast)
    }

    pub(crate) fn scaling(&self) -> Scaling {
        self.scaling
    }

    pub(crate) fn stored(&self) -> DType {
        self.stored
    }

    pub(crate) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    /// Rounds the scaling to what the header keeps, so that it is what a reader will use.
    pub(crate) fn set_stored_precision(&mut self, path: &Path, single: bool) -> Result<(), IoError> {
        if single {
            self.scaling.slope = f64::from(self.scaling.slope as f32);
            self.scaling.inter = f64::from(self.scaling.inter as f32);
        }
        let Scaling { slope, inter } = self.scaling;
        if slope == 0.0 || !slope.is_finite() || !inter.is_finite() {
            let why = "the range of the values can not be kept as a scaling: write f32 or f64";
            return Err(IoError::bad_header(path, "scl_slope, scl_inter", format!("{slope}, {inter}"), why));
        }
        Ok(())
    }

    /// Writes stored elements to `out`.
    pub(crate) fn encode(&self, values: VoxelsRef<'_>, out: VoxelsMut<'_>) -> Result<(), CoreError> {
        if self.scaling.is_identity() {
            return convert(values, out);
        }
        let refused = CoreError::DType { from: values.dtype(), to: out.dtype() };
        let Scaling { slope, inter } = self.scaling;
        // The stored number whose value is nearest to 0.
        let zero = (0.0 - inter) / slope;
        with_real_voxels!(VoxelsRef, values, values => {
            with_real_voxels!(VoxelsMut, out, out => {
                for (out, value) in out.iter_mut().zip(values) {
                    let stored = (value.to_f64() - inter) / slope;
                    *out = RealElement::from_f64(if stored.is_nan() { zero } else { stored });
                }
                Ok(())
            }, Err(refused))
        }, Err(refused))
    }
}

/// Conversion as the vocabulary crate does it, but exact between the two 64-bit integers.
pub(crate) fn convert(values: VoxelsRef<'_>, out: VoxelsMut<'_>) -> Result<(), CoreError> {
    match (values, out) {
        (VoxelsRef::I64(from), VoxelsMut::U64(to)) if from.len() == to.len() => {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = u64::try_from(from).unwrap_or(0));
            Ok(())
        }
        (VoxelsRef::U64(from), VoxelsMut::I64(to)) if from.len() == to.len() => {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = i64::try_from(from).unwrap_or(i64::MAX));
            Ok(())
        }
        (values, out) => values.convert_into(out),
    }
}

/// What matters of all values for storing them as one type.
#[derive(Clone, Copy, Debug)]
struct Summary {
    /// Of the finite values; `min > max` where there is none.
    min: f64,
    max: f64,
    n_nan: usize,
    n_infinite: usize,
    all_integral: bool,
    /// Values outside the integer type that was asked for.
    n_clamped: usize,
    /// Finite values that the float type that was asked for makes infinite.
    n_overflowing: usize,
}

impl Summary {
    fn of(values: VoxelsRef<'_>, asked: DType) -> Option<Self> {
        with_real_voxels!(VoxelsRef, values, values => {
            Some(Self::of_numbers(values.iter().map(|value| value.to_f64()), asked))
        }, None)
    }

    fn of_numbers(values: impl Iterator<Item = f64>, asked: DType) -> Self {
        let mut summary = Self {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            n_nan: 0,
            n_infinite: 0,
            all_integral: true,
            n_clamped: 0,
            n_overflowing: 0,
        };
        let range = integer_range(asked);
        let overflows = |value: f64| match asked {
            DType::F32 => (value as f32).is_infinite(),
            DType::F16 => value.abs() >= 65_520.0,
            DType::BF16 => (value as f32).is_infinite(),
            _ => false,
        };
        for value in values {
            if value.is_nan() {
                summary.n_nan += 1;
                continue;
            }
            if let Some((low, end)) = range {
                let rounded = value.round_ties_even();
                summary.n_clamped += usize::from(rounded < low || rounded >= end);
            }
            if value.is_infinite() {
                summary.n_infinite += 1;
                continue;
            }
            summary.n_overflowing += usize::from(overflows(value));
            summary.all_integral &= value == value.trunc();
            summary.min = summary.min.min(value);
            summary.max = summary.max.max(value);
        }
        summary
    }

    /// Whether every value is an integer of that type.
    fn fits(&self, dtype: DType) -> bool {
        let Some((low, end)) = integer_range(dtype) else { return false };
        let no_value = self.min > self.max;
        self.n_nan + self.n_infinite == 0 && self.all_integral && (no_value || (self.min >= low && self.max < end))
    }

    /// The scaling that spreads the finite values over an integer type.
    fn stretch(&self, path: &Path, stored: DType) -> Result<Scaling, IoError> {
        let (low, end) = integer_range(stored).unwrap_or((0.0, 1.0));
        if self.min > self.max {
            return Ok(Scaling::IDENTITY);
        }
        if self.min == self.max {
            return Ok(Scaling { slope: 1.0, inter: self.min });
        }
        let slope = (self.max - self.min) / (end - 1.0 - low);
        let scaling = Scaling { slope, inter: self.min - low * slope };
        if !scaling.slope.is_finite() || !scaling.inter.is_finite() {
            let value = format!("{} to {}", self.min, self.max);
            return Err(IoError::bad_header(path, "scl_slope", value, "the range is too large to rescale"));
        }
        Ok(scaling)
    }
}

/// Smallest value, and the first integer beyond the largest (both exact in f64).
fn integer_range(dtype: DType) -> Option<(f64, f64)> {
    let bits = 8 * dtype.size() as i32;
    if !dtype.is_integer() {
        return None;
    }
    Some(match dtype {
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => (0.0, 2f64.powi(bits)),
        _ => (-(2f64.powi(bits - 1)), 2f64.powi(bits - 1)),
    })
}

#[cfg(test)]
mod tests {
    use super::{Cast, smallest_label_dtype};
    use crate::Scaling;
    use std::path::Path;
    use volkit_core::{Affine, DType, Volume, Voxels};

    fn stored(values: impl Into<Voxels>, dtype: DType, rescale: bool) -> (Voxels, Cast) {
        let values = values.into();
        let cast = Cast::plan(Path::new("a.nii"), values.view(), dtype, rescale).unwrap();
        let mut out = Voxels::zeros(dtype, values.len()).unwrap();
        cast.encode(values.view(), out.view_mut()).unwrap();
        (out, cast)
    }

    #[test]
    fn integral_floats_are_written_as_they_are() {
        for rescale in [false, true] {
            let (out, cast) = stored(vec![1.0f32, 2.0, 3.0], DType::U8, rescale);
            assert_eq!((out, cast.scaling()), (Voxels::U8(vec![1, 2, 3]), Scaling::IDENTITY));
        }
    }

    #[test]
    fn rescaling_spreads_over_the_type() {
        let values = vec![0.0, 0.5, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let (out, cast) = stored(values, DType::U8, true);
        assert_eq!(cast.scaling(), Scaling { slope: 1.0 / 255.0, inter: 0.0 });
        assert_eq!(out, Voxels::U8(vec![0, 128, 255, 0, 255, 0]));
        let (out, cast) = stored(vec![-1.0, 1.0, f64::NAN], DType::I8, true);
        assert_eq!(cast.scaling().apply(-128.0), -1.0);
        // -1 maps to -128 and 1 to 127, so that 0 lies between -1 and 0; ties go to the even one.
        assert_eq!(out, Voxels::I8(vec![-128, 127, 0]));
    }

    #[test]
    fn constants_become_the_intercept() {
        let (out, cast) = stored(vec![0.25f64; 3], DType::I16, true);
        assert_eq!((out, cast.scaling()), (Voxels::I16(vec![0; 3]), Scaling { slope: 1.0, inter: 0.25 }));
        let (_, cast) = stored(vec![f64::NAN; 3], DType::I16, true);
        assert_eq!(cast.scaling(), Scaling::IDENTITY);
    }

    #[test]
    fn rounding_without_rescaling_warns_only_when_it_must() {
        let (out, cast) = stored(vec![0.5f32, 1.5, 254.6], DType::U8, false);
        assert_eq!((out, cast.into_warnings()), (Voxels::U8(vec![0, 2, 255]), Vec::new()));
        let (out, cast) = stored(vec![-3.0f32, 300.0, f32::NAN], DType::U8, false);
        assert_eq!(out, Voxels::U8(vec![0, 255, 0]));
        assert_eq!(
            cast.into_warnings(),
            ["2 values lie outside u8 and were clamped", "1 NaN values were written as 0"]
        );
    }

    #[test]
    fn wide_integers_do_not_go_through_floats() {
        let (out, _) = stored(vec![i64::MAX, 1, -1], DType::U64, false);
        assert_eq!(out, Voxels::U64(vec![i64::MAX as u64, 1, 0]));
        let (out, cast) = stored(vec![u64::MAX, 1], DType::I64, false);
        assert_eq!((out, cast.into_warnings().len()), (Voxels::I64(vec![i64::MAX, 1]), 1));
    }

    #[test]
    fn labels_take_the_smallest_type() {
        let dtype = |values: Vec<i64>| {
            let volume = Volume::new([values.len()], values, Affine::IDENTITY).unwrap();
            smallest_label_dtype(&volume)
        };
        assert_eq!(dtype(vec![0, 255]), Some(DType::U8));
        assert_eq!(dtype(vec![0, 256]), Some(DType::I16));
        assert_eq!(dtype(vec![-1, 32_768]), Some(DType::I32));
        assert_eq!(dtype(vec![1 << 31]), None);
    }
}
