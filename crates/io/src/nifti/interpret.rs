//! What a header means: shape, element type, scaling, spacing, affine, with repairs and warnings.

use volkit_core::{DType, VolumeMeta};

use crate::limits::{absurd_spacing, spacing_rule};
use crate::{ReadOptions, Scaling, SpaceUnit};

use super::NiftiHeader;
use super::affine::base_affine;
use super::codec::{FieldError, V1_BYTES, V2_BYTES};
use super::types::{analyze_dtype_of, dtype_of};

/// Header, extender: single files hold no voxels before.
const V1_DATA_START: u64 = V1_BYTES as u64 + 4;
const V2_DATA_START: u64 = V2_BYTES as u64 + 4;
/// Spacing and affine that differ by more deserve a warning.
const SPACING_TOLERANCE: f64 = 0.01;

/// The meaning of a header.
pub(crate) struct Meaning {
    /// With the stored element type.
    pub(crate) meta: VolumeMeta,
    pub(crate) scaling: Scaling,
    pub(crate) offset: u64,
}

impl NiftiHeader {
    pub(crate) fn interpret(&self, options: &ReadOptions, warnings: &mut Vec<String>) -> Result<Meaning, FieldError> {
        let shape = self.shape(warnings)?;
        let dtype = self.dtype(warnings)?;
        let scaling = self.scaling(dtype)?;
        let offset = self.data_offset(warnings)?;
        let size: [usize; 3] = std::array::from_fn(|axis| shape.get(axis).copied().unwrap_or(1));
        for (field, code, valid) in [
            ("qform_code", self.qform_code, self.valid_qform_code()),
            ("sform_code", self.sform_code, self.valid_sform_code()),
        ] {
            if self.version > 0 && code != valid {
                warnings.push(format!("{field} = {code} is not one of 0 to 5 and counts as 0"));
            }
        }
        let affine = if self.version == 0 {
            self.analyze_affine(size, options.base_affine)?
        } else {
            self.chosen_affine(size, options.base_affine)?
        };
        if let Some(axis) = absurd_spacing(affine.spacing()) {
            let is_sform = self.version > 0 && self.valid_sform_code() > 0;
            let (field, value) = if is_sform {
                ("affine", format!("{:?}", self.srow))
            } else {
                ("pixdim", format!("{:?}", &self.pixdim[1..4]))
            };
            return Err(FieldError::new(field, value, spacing_rule(axis)));
        }
        let spacing = self.spacing(shape.len(), affine.spacing(), warnings);
        let meta = VolumeMeta::new(shape, dtype, affine)
            .map_err(|error| FieldError::new("dim", format!("{:?}", self.dim), error.to_string()))?;
        let meta = meta
            .with_spacing(spacing)
            .map_err(|error| FieldError::new("pixdim", format!("{:?}", self.pixdim), error.to_string()))?;
        if matches!(self.units().space, SpaceUnit::Metre | SpaceUnit::Micron) {
            let unit = if self.units().space == SpaceUnit::Metre { "metres" } else { "micrometres" };
            warnings
                .push(format!("xyzt_units = {}: affine and spacing are in {unit}, as in the file", self.xyzt_units));
        }
        Ok(Meaning { meta, scaling, offset })
    }

    fn shape(&self, warnings: &mut Vec<String>) -> Result<Vec<usize>, FieldError> {
        let n_axes = self.dim[0];
        if !(1..=7).contains(&n_axes) {
            return Err(FieldError::new("dim[0]", n_axes, "must be 1 to 7"));
        }
        if let Some(shape) = self.surface_shape(warnings)? {
            return Ok(shape);
        }
        let axis_len = |axis: i64| {
            let len = self.dim[axis as usize];
            usize::try_from(len)
                .ok()
                .filter(|&len| len > 0)
                .ok_or_else(|| FieldError::new(format!("dim[{axis}]"), len, "must be at least 1"))
        };
        (1..=n_axes).map(axis_len).collect()
    }

    /// FreeSurfer keeps vectors over surfaces in axes too short for them: the true length is elsewhere.
    fn surface_shape(&self, warnings: &mut Vec<String>) -> Result<Option<Vec<usize>>, FieldError> {
        const ICO7: [i64; 3] = [27_307, 1, 6];
        const ICO7_VERTICES: usize = 163_842;
        if self.version != 1 || self.dim[0] < 3 {
            return Ok(None);
        }
        let length = if self.dim[1..4] == [-1, 1, 1] {
            let length = usize::try_from(self.glmin).ok().filter(|&length| length > 0);
            length.ok_or_else(|| {
                FieldError::new("glmin", self.glmin, "must be the length of an axis where dim[1] = -1")
            })?
        } else if self.dim[1..4] == ICO7 {
            ICO7_VERTICES
        } else {
            return Ok(None);
        };
        warnings.push(format!("dim[1..=3] = {:?}: a vector over a surface of {length} vertices", &self.dim[1..4]));
        let mut shape = vec![length, 1, 1];
        for axis in 4..=self.dim[0] as usize {
            let len = self.dim[axis];
            let valid = usize::try_from(len).ok().filter(|&len| len > 0);
            shape.push(valid.ok_or_else(|| FieldError::new(format!("dim[{axis}]"), len, "must be at least 1"))?);
        }
        Ok(Some(shape))
    }

    fn dtype(&self, warnings: &mut Vec<String>) -> Result<DType, FieldError> {
        let dtype = if self.version == 0 { analyze_dtype_of(self.datatype) } else { dtype_of(self.datatype) };
        let dtype = dtype.ok_or_else(|| {
            let why = match self.datatype {
                0 => "the element type is unknown",
                1 => "voxels of one bit are not supported",
                255 => "the element type 'all' is not supported",
                _ => "no such element type",
            };
            FieldError::new("datatype", self.datatype, why)
        })?;
        if self.bitpix != 8 * dtype.size() as i64 {
            warnings.push(format!("bitpix = {} is not that of datatype {dtype}, which counts", self.bitpix));
        }
        Ok(dtype)
    }

    fn scaling(&self, dtype: DType) -> Result<Scaling, FieldError> {
        let (slope, inter) = (self.scl_slope, self.scl_inter);
        let is_colour = !dtype.is_real() && !dtype.is_complex();
        if slope == 0.0 || !slope.is_finite() || is_colour {
            return Ok(Scaling::IDENTITY);
        }
        if self.version == 0 {
            return Ok(Scaling { slope, inter: 0.0 });
        }
        if !inter.is_finite() {
            return Err(FieldError::new("scl_inter", inter, format!("must be finite where scl_slope is ({slope})")));
        }
        Ok(Scaling { slope, inter })
    }

    fn data_offset(&self, warnings: &mut Vec<String>) -> Result<u64, FieldError> {
        let offset = self.vox_offset;
        let refuse = |why: &str| Err(FieldError::new("vox_offset", offset, why));
        if self.version == 0 {
            // Analyze: clamped at 0; no value but a number in the file makes sense.
            return if offset.is_nan() || offset == f64::INFINITY {
                refuse("must be finite")
            } else {
                Ok(offset as u64)
            };
        }
        if !offset.is_finite() {
            return refuse("must be finite");
        }
        if offset < 0.0 {
            return refuse("must not be negative");
        }
        let offset = offset as u64;
        if !self.single_file {
            return Ok(offset);
        }
        let least = if self.version == 2 { V2_DATA_START } else { V1_DATA_START };
        if offset == 0 {
            warnings.push(format!("vox_offset = 0 in a single file: voxels are read from {least}"));
            return Ok(least);
        }
        if offset < least {
            return refuse(&format!("must be at least {least} in a single file"));
        }
        Ok(offset)
    }

    /// `pixdim` of the axes in use: zeros become 1, negative numbers positive, others that are no spacing that of the
    /// affine.
    fn spacing(&self, n_axes: usize, from_affine: [f64; 3], warnings: &mut Vec<String>) -> Vec<f64> {
        let mut spacing = Vec::with_capacity(n_axes);
        for (axis, &stored) in self.pixdim[1..=n_axes].iter().enumerate() {
            let repaired = match stored {
                stored if axis < 3 && !stored.is_finite() => from_affine[axis],
                stored if axis < 3 && stored == 0.0 => 1.0,
                stored if axis < 3 => stored.abs(),
                stored if stored.is_finite() => stored,
                _ => 1.0,
            };
            if repaired.to_bits() != stored.to_bits() {
                warnings.push(format!("pixdim[{}] = {stored} counts as {repaired}", axis + 1));
            }
            spacing.push(repaired);
        }
        let differs =
            |axis: &usize| (spacing[*axis] - from_affine[*axis]).abs() > SPACING_TOLERANCE * from_affine[*axis];
        if let Some(axis) = (0..n_axes.min(3)).find(differs) {
            let (stored, length) = (spacing[axis], from_affine[axis]);
            warnings.push(format!("pixdim[{}] = {stored} differs from the affine, whose step is {length}", axis + 1));
        }
        spacing
    }

    /// SPM's origin where there is one, else the base affine.
    fn analyze_affine(&self, size: [usize; 3], base: crate::BaseAffine) -> Result<volkit_core::Affine, FieldError> {
        let spacing = self.base_spacing()?;
        let affine = base_affine(size, spacing, base);
        let Some(origin) = self.spm_origin() else { return Ok(affine) };
        let inside = (0..3).all(|axis| origin[axis] >= 1 && origin[axis] <= size[axis] as i64);
        if !inside {
            return Ok(affine);
        }
        // World zero lies at voxel origin - 1.
        let zero = affine.apply_linear(origin.map(|voxel| voxel as f64 - 1.0));
        Ok(affine.with_translation(zero.map(|x| -x)))
    }

    /// The first three of five 16-bit integers at byte 253, which NIfTI-1 uses for other things.
    fn spm_origin(&self) -> Option<[i64; 3]> {
        let bytes = super::codec::encode(&Self { version: 1, ..self.clone() }).ok()?;
        let word = |axis: usize| {
            let pair = [bytes[253 + 2 * axis], bytes[254 + 2 * axis]];
            i64::from(if self.endian == crate::Endian::Big {
                i16::from_be_bytes(pair)
            } else {
                i16::from_le_bytes(pair)
            })
        };
        let origin = [word(0), word(1), word(2)];
        (origin != [0; 3]).then_some(origin)
    }
}
