//! Named arrays: weights of networks, small data sets.

use crate::element::RealElement;
use crate::{BoxError, CoreError, Voxels};

/// A row-major array of any rank (last axis fastest), as weight files hold them.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    values: Voxels,
}

impl Array {
    /// An array of that shape; no axis means one value.
    ///
    /// # Errors
    /// [`CoreError::Length`] when the number of values is not that of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, values: impl Into<Voxels>) -> Result<Self, CoreError> {
        let (shape, values) = (shape.into(), values.into());
        let wanted = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        match wanted {
            Some(wanted) if wanted == values.len() => Ok(Self { shape, values }),
            Some(wanted) => Err(CoreError::Length { shape, wanted, got: values.len() }),
            None => Err(CoreError::Shape(shape)),
        }
    }

    /// Size along each axis, last axis fastest.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &Voxels {
        &self.values
    }

    /// The values as real numbers of type `T`.
    ///
    /// # Errors
    /// [`CoreError::DType`] for complex numbers and colours.
    pub fn to_real<T: RealElement>(&self) -> Result<Vec<T>, CoreError> {
        self.values.view().to_real()
    }
}

/// Something that holds named arrays: a safetensors or HDF5 file, a folder, a map in memory.
///
/// # Protocol
/// `names` and `get` may be called in any order, from any thread, any number of times. Names keep the spelling of the
/// file, with `/` between groups where the format has groups.
pub trait ArrayStore: Send + Sync {
    /// Names of all arrays, sorted.
    fn names(&self) -> Vec<String>;

    /// The array of that name.
    ///
    /// # Errors
    /// [`CoreError::NoArray`] for a name that is not there, or whatever reading gives.
    fn get(&self, name: &str) -> Result<Array, BoxError>;

    /// Text that the store keeps beside its arrays under that key, if there is any.
    fn metadata(&self, key: &str) -> Option<String> {
        let _ = key;
        None
    }
}
