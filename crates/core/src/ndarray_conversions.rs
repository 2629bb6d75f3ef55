//! Conversions to and from `ndarray`.

use ndarray::{ArrayD, ArrayViewD, IxDyn, ShapeBuilder as _};

use crate::element::Element;
use crate::{Affine, Array, CoreError, Volume};

impl Volume {
    /// A view with the axes of the volume: index `[[i, j, k]]` is voxel `(i, j, k)`; memory is column-major.
    ///
    /// # Errors
    /// [`CoreError::DType`] when the element type is not `T`.
    pub fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>, CoreError> {
        let values = self.as_slice().ok_or(CoreError::DType { from: self.dtype(), to: T::DTYPE })?;
        let view = ArrayViewD::from_shape(IxDyn(self.shape()).f(), values);
        Ok(view.expect("invariant: a volume has as many values as its shape says"))
    }

    /// A volume with the axes of an array in any memory order; copies only where the order is not column-major.
    ///
    /// # Errors
    /// [`CoreError::Shape`] for a rank of 0 or more than seven axes.
    pub fn from_ndarray<T: Element>(array: ArrayD<T>, affine: Affine) -> Result<Self, CoreError> {
        let shape = array.shape().to_vec();
        // Reversing the axes turns column-major order into ndarray's standard order.
        let reversed = array.reversed_axes();
        let values = if reversed.is_standard_layout() {
            let (values, offset) = reversed.into_raw_vec_and_offset();
            let start = offset.unwrap_or(0);
            let len = shape.iter().product::<usize>();
            if start == 0 && values.len() == len { values } else { values[start..start + len].to_vec() }
        } else {
            reversed.iter().copied().collect()
        };
        Self::new(shape, values, affine)
    }
}

impl Array {
    /// A view of the array.
    ///
    /// # Errors
    /// [`CoreError::DType`] when the element type is not `T`.
    pub fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>, CoreError> {
        let from = self.values().dtype();
        let values = self.values().as_slice().ok_or(CoreError::DType { from, to: T::DTYPE })?;
        let view = ArrayViewD::from_shape(IxDyn(self.shape()), values);
        Ok(view.expect("invariant: an array has as many values as its shape says"))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Affine, Volume};
    use ndarray::{Array, Axis, IxDyn, ShapeBuilder as _};

    #[test]
    fn both_orders_give_the_same_volume() {
        let c = Array::from_shape_fn(IxDyn(&[2, 3, 4]), |ix| (100 * ix[0] + 10 * ix[1] + ix[2]) as i32);
        let mut f = Array::zeros(IxDyn(&[2, 3, 4]).f());
        f.assign(&c);
        let from_c = Volume::from_ndarray(c.clone(), Affine::IDENTITY).unwrap();
        assert_eq!(from_c, Volume::from_ndarray(f, Affine::IDENTITY).unwrap());
        assert_eq!(from_c.view::<i32>().unwrap(), c);
        assert_eq!(from_c.as_slice::<i32>().unwrap()[from_c.offset([1, 2, 3])], 123);
        assert!(from_c.view::<f32>().is_err());
    }

    #[test]
    fn sliced_arrays_are_copied_right() {
        let mut array = Array::from_shape_fn(IxDyn(&[4, 5]), |ix| (10 * ix[0] + ix[1]) as u8);
        array.slice_axis_inplace(Axis(0), (1..3).into());
        array.slice_axis_inplace(Axis(1), (2..4).into());
        let volume = Volume::from_ndarray(array, Affine::IDENTITY).unwrap();
        assert_eq!(volume.as_slice::<u8>(), Some(&[12, 22, 13, 23][..]));
    }
}
