//! The affine of a header: choice, quaternions, and the way back.

use volkit_core::Affine;

use crate::BaseAffine;
use crate::jacobi::{largest_eigenvector, nearest_rotation};

use super::NiftiHeader;
use super::codec::FieldError;

/// Highest code that the standard gives a meaning: "other template".
const MAX_FORM_CODE: i64 = 5;
/// Norms of quaternions below this count as zero.
const ZERO_NORM: f64 = f64::EPSILON;

/// The quaternion form of an affine: nearest rotation, spacings, handedness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quaternion {
    /// `quatern_b`, `quatern_c`, `quatern_d`.
    pub(crate) bcd: [f64; 3],
    /// -1 where the third axis is reversed, else 1.
    pub(crate) qfac: f64,
    pub(crate) spacing: [f64; 3],
}

impl NiftiHeader {
    /// The affine in the sform fields, whatever its code.
    #[must_use]
    pub fn sform(&self) -> Affine {
        Affine::from_rows(self.srow)
    }

    /// The affine in the qform fields, whatever its code; `None` where they hold none (a quaternion longer than 1, or
    /// numbers that are not finite).
    #[must_use]
    pub fn qform(&self) -> Option<Affine> {
        self.checked_qform().ok()
    }

    /// Code of the sform, 0 where it is not one of the standard.
    pub(crate) fn valid_sform_code(&self) -> i64 {
        if (0..=MAX_FORM_CODE).contains(&self.sform_code) { self.sform_code } else { 0 }
    }

    /// Code of the qform, 0 where it is not one of the standard.
    pub(crate) fn valid_qform_code(&self) -> i64 {
        if (0..=MAX_FORM_CODE).contains(&self.qform_code) { self.qform_code } else { 0 }
    }

    /// `pixdim[1]` to `pixdim[3]`, zeros made 1 and negative numbers positive. Numbers that are not finite stay.
    pub(crate) fn repaired_spacing(&self) -> [f64; 3] {
        std::array::from_fn(|axis| match self.pixdim[axis + 1].abs() {
            0.0 => 1.0,
            spacing => spacing,
        })
    }

    /// The affine that the header means: sform, else qform, else the base affine of a grid of `size` voxels.
    pub(crate) fn chosen_affine(&self, size: [usize; 3], base: BaseAffine) -> Result<Affine, FieldError> {
        if self.valid_sform_code() > 0 {
            let names = ["srow_x", "srow_y", "srow_z"];
            for (name, row) in names.iter().zip(&self.srow) {
                check_finite(name, row)?;
            }
            return Ok(self.sform());
        }
        if self.valid_qform_code() > 0 {
            return self.checked_qform();
        }
        Ok(base_affine(size, self.base_spacing()?, base))
    }

    /// Spacing of the axes that are there, 1 for the others.
    pub(crate) fn base_spacing(&self) -> Result<[f64; 3], FieldError> {
        let n_axes = self.dim[0].clamp(1, 3) as usize;
        check_finite("pixdim", &self.pixdim[1..=n_axes])?;
        let mut spacing = self.repaired_spacing();
        spacing[n_axes..].fill(1.0);
        Ok(spacing)
    }

    fn checked_qform(&self) -> Result<Affine, FieldError> {
        check_finite("pixdim", &self.pixdim[1..4])?;
        check_finite("quatern", &self.quatern)?;
        check_finite("qoffset", &self.qoffset)?;
        let [b, c, d] = self.quatern;
        let epsilon = if self.version == 2 { f64::EPSILON } else { f64::from(f32::EPSILON) };
        let a2 = 1.0 - (b * b + c * c + d * d);
        let a = if a2.abs() < 3.0 * epsilon { 0.0 } else { a2.sqrt() };
        if a.is_nan() {
            let value = format!("{:?}", self.quatern);
            return Err(FieldError::new("quatern", value, "must not be longer than 1"));
        }
        let rotation = rotation_of([a, b, c, d]);
        let qfac = if self.pixdim[0] == -1.0 { -1.0 } else { 1.0 };
        let [p1, p2, p3] = self.repaired_spacing();
        let scale = [p1, p2, qfac * p3];
        let linear = std::array::from_fn(|r| std::array::from_fn(|c| rotation[r][c] * scale[c]));
        Ok(Affine::from_parts(linear, self.qoffset))
    }
}

fn check_finite(field: &str, values: &[f64]) -> Result<(), FieldError> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(FieldError::new(field, format!("{values:?}"), "must be finite: the affine is made of it"))
}

/// Affine of a grid about which nothing but the spacing is known.
pub(crate) fn base_affine(size: [usize; 3], spacing: [f64; 3], base: BaseAffine) -> Affine {
    match base {
        BaseAffine::Method1 => Affine::from_scale(spacing),
        BaseAffine::Centred => {
            let scale = [-spacing[0], spacing[1], spacing[2]];
            let middle = std::array::from_fn(|axis| -scale[axis] * (size[axis] as f64 - 1.0) / 2.0);
            Affine::from_scale(scale).with_translation(middle)
        }
    }
}

/// Rotation matrix (rows) of a quaternion `[a, b, c, d]` of any length.
fn rotation_of([a, b, c, d]: [f64; 4]) -> [[f64; 3]; 3] {
    let norm = a * a + b * b + c * c + d * d;
    if norm < ZERO_NORM {
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    }
    let s = 2.0 / norm;
    [
        [1.0 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c)],
        [s * (b * c + a * d), 1.0 - s * (b * b + d * d), s * (c * d - a * b)],
        [s * (b * d - a * c), s * (c * d + a * b), 1.0 - s * (b * b + c * c)],
    ]
}

/// The quaternion form nearest to an affine: shear is lost.
pub(crate) fn quaternion_of(affine: &Affine) -> Quaternion {
    let spacing = affine.spacing();
    let linear = affine.linear();
    let mut r: [[f64; 3]; 3] = std::array::from_fn(|row| {
        std::array::from_fn(|c| if spacing[c] == 0.0 { linear[row][c] } else { linear[row][c] / spacing[c] })
    });
    let mut qfac = 1.0;
    if Affine::from_parts(r, [0.0; 3]).determinant() < 0.0 {
        qfac = -1.0;
        r.iter_mut().for_each(|row| row[2] = -row[2]);
    }
    let m = nearest_rotation(r);
    // Bar-Itzhack, "New method for extracting the quaternion from a rotation matrix" (2000), in the order b, c, d, a.
    let k = [
        [m[0][0] - m[1][1] - m[2][2], m[0][1] + m[1][0], m[0][2] + m[2][0], m[2][1] - m[1][2]],
        [m[0][1] + m[1][0], m[1][1] - m[0][0] - m[2][2], m[1][2] + m[2][1], m[0][2] - m[2][0]],
        [m[0][2] + m[2][0], m[1][2] + m[2][1], m[2][2] - m[0][0] - m[1][1], m[1][0] - m[0][1]],
        [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1], m[0][0] + m[1][1] + m[2][2]],
    ];
    let [b, c, d, a] = largest_eigenvector(k);
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    Quaternion { bcd: [sign * b, sign * c, sign * d], qfac, spacing }
}

#[cfg(test)]
mod tests {
    use super::{Quaternion, base_affine, quaternion_of};
    use crate::BaseAffine;
    use crate::nifti::NiftiHeader;
    use proptest::prelude::*;
    use volkit_core::Affine;

    fn with_qform(affine: &Affine) -> NiftiHeader {
        let Quaternion { bcd, qfac, spacing } = quaternion_of(affine);
        let [p1, p2, p3] = spacing;
        let pixdim = [qfac, p1, p2, p3, 0.0, 0.0, 0.0, 0.0];
        NiftiHeader { version: 2, quatern: bcd, qoffset: affine.translation(), pixdim, ..NiftiHeader::default() }
    }

    #[test]
    fn base_affine_is_centred_and_right_to_left() {
        let affine = base_affine([5, 4, 3], [1.25, 2.5, 3.5], BaseAffine::Centred);
        assert_eq!(affine.translation(), [2.5, -3.75, -3.5]);
        assert_eq!(affine.apply([2.0, 1.5, 1.0]), [0.0; 3]);
        assert_eq!(base_affine([5, 4, 3], [1.0, 2.0, 3.0], BaseAffine::Method1), Affine::from_scale([1.0, 2.0, 3.0]));
    }

    #[test]
    fn half_turns_survive() {
        for scale in [[1.0, -2.0, -3.0], [-1.0, 2.0, -3.0], [-1.0, -2.0, 3.0], [-1.0, 2.0, 3.0], [1.0, 2.0, 3.0]] {
            let affine = Affine::from_scale(scale).with_translation([4.0, 5.0, 6.0]);
            let back = with_qform(&affine).qform().unwrap();
            assert!(back.is_close(&affine, 0.0, 1e-12), "{scale:?}: {back:?}");
        }
    }

    #[test]
    fn a_long_quaternion_is_refused() {
        let header = NiftiHeader { quatern: [1.0, 0.1, 0.0], ..NiftiHeader::default() };
        assert_eq!(header.qform(), None);
        // Rounding to f32 may make it a little longer than 1.
        let header = NiftiHeader { quatern: [1.0 + 1e-7, 0.0, 0.0], ..NiftiHeader::default() };
        assert!(header.qform().is_some());
    }

    proptest! {
        #[test]
        fn rotations_with_spacing_survive(
            q in prop::array::uniform4(-1.0f64..1.0),
            spacing in prop::array::uniform3(0.1f64..5.0),
            flip: bool,
        ) {
            let norm = q.iter().map(|x| x * x).sum::<f64>();
            prop_assume!(norm > 1e-2);
            let rotation = super::rotation_of(q);
            let scale = [spacing[0], spacing[1], if flip { -spacing[2] } else { spacing[2] }];
            let linear = std::array::from_fn(|r| std::array::from_fn(|c| rotation[r][c] * scale[c]));
            let affine = Affine::from_parts(linear, [1.0, -2.0, 3.0]);
            let back = with_qform(&affine).qform().unwrap();
            prop_assert!(back.is_close(&affine, 0.0, 1e-6), "{:?} {:?}", affine, back);
        }
    }
}
