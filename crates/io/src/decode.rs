//! From stored elements to values: scaling, and parts of complex numbers and colours.

use std::path::Path;

use volkit_core::{CoreError, DType, RealElement, Voxels, VoxelsMut, VoxelsRef, with_real_voxels};

use crate::{ColourPart, ComplexPart, IoError, ReadOptions, Values};

/// `value = stored * slope + inter`, with two roundings in f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// Factor.
    pub slope: f64,
    /// Summand.
    pub inter: f64,
}

impl Scaling {
    /// Values are what is stored.
    pub const IDENTITY: Self = Self { slope: 1.0, inter: 0.0 };

    /// Whether values are what is stored.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.slope == 1.0 && self.inter == 0.0
    }

    /// The value of a stored number; product and sum are left out where they change nothing.
    #[must_use]
    pub fn apply(&self, stored: f64) -> f64 {
        let product = if self.slope == 1.0 { stored } else { stored * self.slope };
        // Adding 0 would turn -0 into +0.
        if self.inter == 0.0 { product } else { product + self.inter }
    }
}

/// Turns stored elements into values of one type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder {
    stored: DType,
    value: DType,
    scaling: Scaling,
    complex: Option<ComplexPart>,
    colour: Option<ColourPart>,
}

impl Decoder {
    pub(crate) fn new(path: &Path, stored: DType, scaling: Scaling, options: &ReadOptions) -> Result<Self, IoError> {
        let is_colour = !stored.is_real() && !stored.is_complex();
        let scaling = if is_colour || options.values == Values::Stored { Scaling::IDENTITY } else { scaling };
        let real = match options.values {
            Values::F32 => Some(DType::F32),
            Values::F64 => Some(DType::F64),
            _ => None,
        };
        let value = match real {
            None if scaling.is_identity() => stored,
            None if stored.is_complex() => DType::Complex128,
            None => DType::F64,
            Some(asked) if stored.is_complex() && options.complex.is_none() => {
                let what = format!("{stored} voxels asked for as {asked}: choose magnitude, phase, real or imaginary");
                return Err(IoError::unsupported(path, what));
            }
            Some(asked) if is_colour && options.colour.is_none() => {
                let what = format!("{stored} voxels asked for as {asked}: choose luma or a colour channel");
                return Err(IoError::unsupported(path, what));
            }
            Some(asked) => asked,
        };
        Ok(Self { stored, value, scaling, complex: options.complex, colour: options.colour })
    }

    /// Element type of the values.
    pub(crate) fn value_dtype(&self) -> DType {
        self.value
    }

    /// Whether the stored elements are the values.
    pub(crate) fn is_identity(&self) -> bool {
        self.value == self.stored && self.scaling.is_identity()
    }

    /// Writes the values of `stored` to `out`, converted to its element type.
    ///
    /// # Errors
    /// [`CoreError::DType`] when values of this kind can not be read as the element type of `out`.
    pub(crate) fn decode(&self, stored: VoxelsRef<'_>, mut out: VoxelsMut<'_>) -> Result<(), CoreError> {
        if self.is_identity() {
            return plain(stored, out);
        }
        // f32 out of f64 values is one rounding, so the two steps may be one; other types go by way of the value.
        let fused = out.dtype() == self.value || (out.dtype() == DType::F32 && self.value == DType::F64);
        if !fused {
            let mut values = Voxels::zeros(self.value, out.len())?;
            self.decode(stored, values.view_mut())?;
            return values.view().convert_into(out);
        }
        let refused = CoreError::DType { from: stored.dtype(), to: out.dtype() };
        match &mut out {
            VoxelsMut::F32(out) => self.real_into(stored, out).ok_or(refused),
            VoxelsMut::F64(out) => self.real_into(stored, out).ok_or(refused),
            VoxelsMut::Complex128(out) => {
                let values = complex_values(stored).ok_or(refused)?;
                for (out, (re, im)) in out.iter_mut().zip(values) {
                    (out.re, out.im) = self.scale_complex(re, im);
                }
                Ok(())
            }
            _ => Err(refused),
        }
    }

    fn real_into<T: RealElement>(&self, stored: VoxelsRef<'_>, out: &mut [T]) -> Option<()> {
        if stored.dtype().is_real() {
            if self.scaling.is_identity() {
                return plain(stored, T::as_mut(out)).ok();
            }
            with_real_voxels!(VoxelsRef, stored, stored => scale(stored, self.scaling, out), return None);
            return Some(());
        }
        if let Some(values) = complex_values(stored) {
            let part = self.complex?;
            for (out, (re, im)) in out.iter_mut().zip(values) {
                *out = T::from_f64(complex_part(part, self.scale_complex(re, im)));
            }
            return Some(());
        }
        let part = self.colour?;
        match stored {
            VoxelsRef::Rgb24(colours) => {
                for (out, &[r, g, b]) in out.iter_mut().zip(colours) {
                    *out = T::from_f64(colour_part(part, [r, g, b, u8::MAX]));
                }
            }
            VoxelsRef::Rgba32(colours) => {
                for (out, &colour) in out.iter_mut().zip(colours) {
                    *out = T::from_f64(colour_part(part, colour));
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// The slope multiplies both parts, the intercept is added to the real one: arithmetic of complex arrays.
    fn scale_complex(&self, re: f64, im: f64) -> (f64, f64) {
        let im = if self.scaling.slope == 1.0 { im } else { im * self.scaling.slope };
        (self.scaling.apply(re), im)
    }
}

/// Conversion without scaling; integers of at most 32 bits become f32 with one rounding, without f64 between.
fn plain(stored: VoxelsRef<'_>, out: VoxelsMut<'_>) -> Result<(), CoreError> {
    fn cast<A: Copy>(from: &[A], to: &mut [f32], convert: impl Fn(A) -> f32) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = convert(from);
        }
    }
    if stored.len() != out.len() {
        return stored.convert_into(out);
    }
    match (stored, out) {
        (VoxelsRef::U8(from), VoxelsMut::F32(to)) => cast(from, to, f32::from),
        (VoxelsRef::I8(from), VoxelsMut::F32(to)) => cast(from, to, f32::from),
        (VoxelsRef::U16(from), VoxelsMut::F32(to)) => cast(from, to, f32::from),
        (VoxelsRef::I16(from), VoxelsMut::F32(to)) => cast(from, to, f32::from),
        (VoxelsRef::U32(from), VoxelsMut::F32(to)) => cast(from, to, |v| v as f32),
        (VoxelsRef::I32(from), VoxelsMut::F32(to)) => cast(from, to, |v| v as f32),
        (stored, out) => return stored.convert_into(out),
    }
    Ok(())
}

fn scale<A: RealElement, B: RealElement>(stored: &[A], scaling: Scaling, out: &mut [B]) {
    let Scaling { slope, inter } = scaling;
    let pairs = out.iter_mut().zip(stored);
    // The product with 1 changes nothing; the sum with 0 would change -0, so it is left out.
    if inter == 0.0 {
        pairs.for_each(|(out, stored)| *out = B::from_f64(stored.to_f64() * slope));
    } else {
        pairs.for_each(|(out, stored)| *out = B::from_f64(stored.to_f64() * slope + inter));
    }
}

fn complex_values<'a>(stored: VoxelsRef<'a>) -> Option<Box<dyn Iterator<Item = (f64, f64)> + 'a>> {
    match stored {
        VoxelsRef::Complex64(values) => Some(Box::new(values.iter().map(|v| (f64::from(v.re), f64::from(v.im))))),
        VoxelsRef::Complex128(values) => Some(Box::new(values.iter().map(|v| (v.re, v.im)))),
        VoxelsRef::Complex256(values) => Some(Box::new(values.iter().map(|[re, im]| (re.to_f64(), im.to_f64())))),
        _ => None,
    }
}

fn complex_part(part: ComplexPart, (re, im): (f64, f64)) -> f64 {
    match part {
        ComplexPart::Magnitude => re.hypot(im),
        ComplexPart::Phase => im.atan2(re),
        ComplexPart::Real => re,
        ComplexPart::Imaginary => im,
    }
}

fn colour_part(part: ColourPart, [r, g, b, a]: [u8; 4]) -> f64 {
    match part {
        ColourPart::Luma => 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b),
        ColourPart::Red => f64::from(r),
        ColourPart::Green => f64::from(g),
        ColourPart::Blue => f64::from(b),
        ColourPart::Alpha => f64::from(a),
    }
}
