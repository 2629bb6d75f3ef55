//! Tensors of a store, checked.

use volkit_core::ArrayStore;

use crate::PsiError;

/// The values of a tensor whose shape must be `shape`, as finite f32.
pub(crate) fn tensor(store: &dyn ArrayStore, name: &str, shape: &[usize]) -> Result<Vec<f32>, PsiError> {
    let array = store.get(name).map_err(|source| PsiError::ReadTensor { tensor: name.to_owned(), source })?;
    let wrong =
        |field, value: String, wanted: String| PsiError::Tensor { tensor: name.to_owned(), field, value, wanted };
    if array.shape() != shape {
        return Err(wrong("shape", format!("{:?}", array.shape()), format!("{shape:?}")));
    }
    let dtype = array.values().dtype();
    if !dtype.is_float() {
        return Err(wrong("element type", dtype.to_string(), "a float".to_owned()));
    }
    let values = array.to_real::<f32>()?;
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(wrong("value", format!("{} at element {at}", values[at]), "finite numbers".to_owned())),
        None => Ok(values),
    }
}
