//! Tensors and texts of one file.

use std::path::Path;
use std::str::FromStr;

use volkit_core::{ArrayStore as _, BoxError};
use volkit_io::SafetensorsStore;

use super::in_tensor;

pub(super) struct Tensors {
    store: SafetensorsStore,
}

impl Tensors {
    pub(super) fn open(path: &Path) -> Result<Self, BoxError> {
        Ok(Self { store: SafetensorsStore::open(path)? })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.store.shape(name).is_some()
    }

    pub(super) fn shape(&self, name: &str) -> Result<Vec<usize>, BoxError> {
        let (shape, _) = self.store.shape(name).ok_or_else(|| in_tensor(name, "missing"))?;
        Ok(shape.to_vec())
    }

    /// The value of a tensor that has one.
    pub(super) fn one(&self, name: &str) -> Result<f64, BoxError> {
        match self.store.get(name)?.to_real::<f32>()?[..] {
            [value] => Ok(f64::from(value)),
            ref values => Err(in_tensor(name, format!("{} values, expected one", values.len()))),
        }
    }

    /// A number among the texts of the file; `1/255` is one.
    pub(super) fn number(&self, key: &str) -> Result<f64, BoxError> {
        let text = self.text(key)?;
        let (top, bottom) = text.split_once('/').unwrap_or((&text, "1"));
        match (top.parse::<f64>(), bottom.parse::<f64>()) {
            (Ok(top), Ok(bottom)) => Ok(top / bottom),
            _ => Err(format!("the text '{key}' = {text} is not a number").into()),
        }
    }

    /// A whole number among the texts of the file.
    pub(super) fn integer<T: FromStr>(&self, key: &str) -> Result<T, BoxError> {
        let text = self.text(key)?;
        text.parse().map_err(|_| format!("the text '{key}' = {text} is not a whole number in its range").into())
    }

    fn text(&self, key: &str) -> Result<String, BoxError> {
        self.store.metadata(key).ok_or_else(|| format!("the file has no text '{key}'").into())
    }

    /// All values of a tensor of that shape.
    pub(super) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, BoxError> {
        let array = self.store.get(name)?;
        if array.shape() != shape {
            return Err(in_tensor(name, format!("shape {:?}, expected {shape:?}", array.shape())));
        }
        Ok(array.to_real()?)
    }

    /// A tensor `[.., N]` as rows of `N`.
    pub(super) fn rows<const N: usize>(&self, name: &str, leading: &[usize]) -> Result<Vec<[f32; N]>, BoxError> {
        let shape: Vec<usize> = leading.iter().copied().chain([N]).collect();
        Ok(self.values(name, &shape)?.as_chunks::<N>().0.to_vec())
    }
}
