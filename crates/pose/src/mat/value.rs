//! What a variable of a MATLAB file holds.

/// A variable, or a part of one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MatValue {
    /// Real numbers of any type, the first axis fastest.
    Numbers {
        /// Lengths of the axes, two at least.
        dims: Vec<usize>,
        /// Their product of values.
        values: Vec<f64>,
    },
    /// The entries of a cell array, the first axis fastest.
    Cell(Vec<MatValue>),
    /// The elements of a struct array: names and values of fields.
    Struct(Vec<Vec<(String, MatValue)>>),
    /// Text, complex or sparse numbers, objects, functions: what a calibration does not need.
    Other,
}

impl MatValue {
    /// The numbers, where it holds some.
    #[must_use]
    pub fn numbers(&self) -> Option<&[f64]> {
        if let Self::Numbers { values, .. } = self { Some(values) } else { None }
    }

    /// The field of a struct of one element.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Struct(elements) = self else { return None };
        let [fields] = &elements[..] else { return None };
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }
}
