//! Attributes of HDF5 objects as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};
use volkit_core::{Array, VoxelsRef, with_real_voxels};

use crate::Hdf5Value;

/// What can be kept, and the names of what can not.
pub(super) fn to_json(attributes: &BTreeMap<String, Hdf5Value>) -> (Map<String, Value>, Vec<String>) {
    let (mut kept, mut lost) = (Map::new(), Vec::new());
    for (name, value) in attributes {
        match value_json(value) {
            Some(value) => drop(kept.insert(name.clone(), value)),
            None => lost.push(name.clone()),
        }
    }
    (kept, lost)
}

fn value_json(value: &Hdf5Value) -> Option<Value> {
    match value {
        Hdf5Value::Text(text) => Some(Value::from(text.as_str())),
        Hdf5Value::Texts(texts) => Some(texts.iter().map(String::as_str).collect()),
        Hdf5Value::Numbers(array) => numbers_json(array),
        Hdf5Value::Other(_) => None,
    }
}

fn numbers_json(array: &Array) -> Option<Value> {
    let voxels = array.values().view();
    let flat: Vec<Value> = match voxels {
        VoxelsRef::U64(values) => values.iter().map(|x| Value::from(*x)).collect(),
        VoxelsRef::I64(values) => values.iter().map(|x| Value::from(*x)).collect(),
        _ if voxels.dtype().is_integer() => voxels.to_real::<i64>().ok()?.into_iter().map(Value::from).collect(),
        _ => with_real_voxels!(VoxelsRef, voxels, values => {
            values.iter().map(|x| float_json(volkit_core::RealElement::to_f64(*x))).collect()
        }, return None),
    };
    Some(nested(array.shape(), &mut flat.into_iter()))
}

/// JSON has no NaN and no infinities; Zarr writes them as texts.
fn float_json(value: f64) -> Value {
    Number::from_f64(value).map_or_else(
        || {
            Value::from(if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            })
        },
        Value::Number,
    )
}

fn nested(shape: &[usize], values: &mut impl Iterator<Item = Value>) -> Value {
    match shape.split_first() {
        None => values.next().unwrap_or(Value::Null),
        Some((&n, inner)) => (0..n).map(|_| nested(inner, values)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::to_json;
    use crate::Hdf5Value;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;
    use volkit_core::{Array, Voxels};

    #[test]
    fn numbers_texts_and_what_is_neither() {
        let array = |shape: &[usize], values: Voxels| Hdf5Value::Numbers(Array::new(shape, values).unwrap());
        let attributes = BTreeMap::from([
            ("text".to_owned(), Hdf5Value::Text("mm".to_owned())),
            ("texts".to_owned(), Hdf5Value::Texts(vec!["a".to_owned(), "b".to_owned()])),
            ("one".to_owned(), array(&[], Voxels::U64(vec![u64::MAX]))),
            ("row".to_owned(), array(&[3], Voxels::F32(vec![0.5, f32::NAN, f32::NEG_INFINITY]))),
            ("square".to_owned(), array(&[2, 2], Voxels::U8(vec![1, 2, 3, 4]))),
            ("odd".to_owned(), Hdf5Value::Other("reference".to_owned())),
        ]);
        let (kept, lost) = to_json(&attributes);
        let wanted = json!({
            "text": "mm", "texts": ["a", "b"], "one": u64::MAX, "row": [0.5, "NaN", "-Infinity"],
            "square": [[1, 2], [3, 4]],
        });
        assert_eq!((Value::Object(kept), lost), (wanted, vec!["odd".to_owned()]));
    }
}
