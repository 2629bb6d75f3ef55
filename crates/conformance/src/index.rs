//! Reading the indexes of golden folders.

use std::path::{Path, PathBuf};

use serde_json::Value;
use volkit_core::{Affine, BoxError};

use crate::ConformanceError;

/// Reads a JSON file; none when there is no such file.
pub(crate) fn read_json(path: &Path) -> Result<Option<Value>, ConformanceError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ConformanceError::Read { path: path.to_owned(), source }),
    };
    match serde_json::from_slice(&text) {
        Ok(value) => Ok(Some(value)),
        Err(source) => Err(ConformanceError::Json { path: path.to_owned(), source }),
    }
}

/// The list under `field` (the whole file where the field is empty).
pub(crate) fn list<'a>(path: &Path, value: &'a Value, field: &'static str) -> Result<&'a [Value], ConformanceError> {
    let found = if field.is_empty() { Some(value) } else { value.get(field) };
    let name = if field.is_empty() { "the file" } else { field };
    let wrong = |why| ConformanceError::Index { path: path.to_owned(), field: name, why };
    found.ok_or_else(|| wrong("missing"))?.as_array().map(Vec::as_slice).ok_or_else(|| wrong("must be a list"))
}

/// One entry of an index; every accessor names the field that is missing or wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    value: &'a Value,
    folder: &'a Path,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(value: &'a Value, folder: &'a Path) -> Self {
        Self { value, folder }
    }

    /// Whether the field is there (and not null).
    pub(crate) fn has(&self, field: &str) -> bool {
        self.optional(field).is_some()
    }

    pub(crate) fn optional(&self, field: &str) -> Option<&'a Value> {
        self.value.get(field).filter(|value| !value.is_null())
    }

    pub(crate) fn required(&self, field: &str) -> Result<&'a Value, BoxError> {
        self.optional(field).ok_or_else(|| format!("the index has no '{field}'").into())
    }

    /// The entry under a field.
    pub(crate) fn entry(&self, field: &str) -> Result<Self, BoxError> {
        Ok(Self { value: self.required(field)?, ..*self })
    }

    pub(crate) fn text(&self, field: &str) -> Result<&'a str, BoxError> {
        self.required(field)?.as_str().ok_or_else(|| self.wrong(field, "a text"))
    }

    pub(crate) fn number(&self, field: &str) -> Result<f64, BoxError> {
        number(self.required(field)?).ok_or_else(|| self.wrong(field, "a number"))
    }

    pub(crate) fn count(&self, field: &str) -> Result<usize, BoxError> {
        count(self.required(field)?).ok_or_else(|| self.wrong(field, "a count"))
    }

    pub(crate) fn flag(&self, field: &str) -> Result<bool, BoxError> {
        self.required(field)?.as_bool().ok_or_else(|| self.wrong(field, "true or false"))
    }

    /// Numbers, from lists of any depth.
    pub(crate) fn numbers(&self, field: &str) -> Result<Vec<f64>, BoxError> {
        numbers(self.required(field)?).ok_or_else(|| self.wrong(field, "numbers"))
    }

    pub(crate) fn counts(&self, field: &str) -> Result<Vec<usize>, BoxError> {
        counts(self.required(field)?).ok_or_else(|| self.wrong(field, "a list of counts"))
    }

    pub(crate) fn size(&self, field: &str) -> Result<[usize; 3], BoxError> {
        self.counts(field)?.try_into().map_err(|_| self.wrong(field, "three counts"))
    }

    /// Three numbers, or one that stands for all.
    pub(crate) fn per_axis(&self, field: &str) -> Result<[f64; 3], BoxError> {
        match self.numbers(field)?[..] {
            [one] => Ok([one; 3]),
            [x, y, z] => Ok([x, y, z]),
            _ => Err(self.wrong(field, "one number or three")),
        }
    }

    pub(crate) fn affine(&self, field: &str) -> Result<Affine, BoxError> {
        affine(self.required(field)?).ok_or_else(|| self.wrong(field, "a 4 x 4 matrix"))
    }

    pub(crate) fn list(&self, field: &str) -> Result<&'a [Value], BoxError> {
        self.required(field)?.as_array().map(Vec::as_slice).ok_or_else(|| self.wrong(field, "a list"))
    }

    /// A path beside the index.
    pub(crate) fn path(&self, field: &str) -> Result<PathBuf, BoxError> {
        Ok(self.folder.join(self.text(field)?))
    }

    /// Paths beside the index; at least one.
    pub(crate) fn paths(&self, field: &str) -> Result<Vec<PathBuf>, BoxError> {
        let names = self.list(field)?.iter().map(|name| name.as_str().map(|name| self.folder.join(name)));
        let names: Option<Vec<_>> = names.collect();
        names.filter(|names| !names.is_empty()).ok_or_else(|| self.wrong(field, "a list of file names"))
    }

    fn wrong(&self, field: &str, wanted: &str) -> BoxError {
        let mut found = self.value.get(field).map(ToString::to_string).unwrap_or_default();
        if found.chars().count() > 60 {
            found = found.chars().take(60).collect::<String>() + "..";
        }
        format!("the index has '{field}' = {found}, which is not {wanted}").into()
    }
}

/// A number, or one of the texts that stand for numbers JSON lacks.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        other => other.as_f64(),
    }
}

/// All numbers of nested lists, in order; one number counts as a list.
pub(crate) fn numbers(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Array(items) => items.iter().map(numbers).collect::<Option<Vec<_>>>().map(|parts| parts.concat()),
        other => Some(vec![number(other)?]),
    }
}

pub(crate) fn counts(value: &Value) -> Option<Vec<usize>> {
    value.as_array()?.iter().map(count).collect()
}

pub(crate) fn affine(value: &Value) -> Option<Affine> {
    let values = numbers(value)?;
    if values.len() != 16 || values[12..] != [0.0, 0.0, 0.0, 1.0] {
        return None;
    }
    Some(Affine::from_rows(std::array::from_fn(|r| std::array::from_fn(|c| values[4 * r + c]))))
}

fn count(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok())
}
