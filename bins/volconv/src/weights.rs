//! `volconv weights`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use half::f16;
use volkit_core::{Array, ArrayStore, BoxError, MemoryStore};
use volkit_io::{IoError, KerasStore, SafetensorsStore, WriteOptions, sha256_file, write_keras, write_safetensors};

use crate::args::WeightsArgs;

/// Key of the name of the file that the weights came from.
const SOURCE_NAME_KEY: &str = "source";
/// Key of the SHA-256 of the file that the weights came from.
const SOURCE_KEY: &str = "source_sha256";

pub(crate) fn run(args: &WeightsArgs) -> Result<ExitCode, BoxError> {
    if let Some(output) = args.output.as_deref().filter(|output| !args.overwrite && output.exists()) {
        return Err(format!("{}: exists already; --overwrite replaces it", output.display()).into());
    }
    if args.list {
        print!("{}", list(&args.input)?);
    }
    if let Some(output) = &args.output {
        convert(&args.input, output, args.half)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for every array: name, shape, element type.
fn list(input: &Path) -> Result<String, BoxError> {
    let line = |name: &str, shape: Option<(&[usize], Option<volkit_core::DType>)>| {
        let (shape, dtype) = shape.unwrap_or_default();
        format!("{name} {shape:?} {}\n", dtype.map_or("(not supported)", |dtype| dtype.name()))
    };
    match KerasStore::open(input) {
        Ok(store) => {
            let in_order = store.layers().iter().flat_map(|layer| &layer.weights);
            Ok(in_order.map(|name| line(name, store.shape(name))).collect())
        }
        Err(error @ IoError::NotThisFormat { .. }) => {
            let Ok(store) = SafetensorsStore::open(input) else { return Err(error.into()) };
            Ok(store.names().iter().map(|name| line(name, store.shape(name))).collect())
        }
        Err(error) => Err(error.into()),
    }
}

/// Arrays and texts of a file.
type Weights = (Box<dyn ArrayStore>, BTreeMap<String, String>);

/// Opens a Keras or a safetensors file.
fn open(input: &Path) -> Result<Weights, BoxError> {
    match KerasStore::open(input) {
        Ok(store) => {
            let texts = store.all_metadata().clone();
            Ok((Box::new(store), texts))
        }
        Err(error @ IoError::NotThisFormat { .. }) => {
            let Ok(store) = SafetensorsStore::open(input) else { return Err(error.into()) };
            let texts = store.all_metadata();
            Ok((Box::new(store), texts))
        }
        Err(error) => Err(error.into()),
    }
}

fn convert(input: &Path, output: &Path, half: bool) -> Result<(), BoxError> {
    let (store, texts) = open(input)?;
    let mut copy = MemoryStore::new();
    let (mut n_values, mut n_kept) = (0, 0);
    for name in store.names() {
        let in_array = |why: &dyn std::fmt::Display| format!("{}: array '{name}': {why}", input.display());
        let array = store.get(&name)?;
        let values = array.to_real::<f32>()?;
        if !array.to_real::<f64>()?.iter().zip(&values).all(|(wide, value)| wide.is_finite() == value.is_finite()) {
            return Err(in_array(&"has values that are too large for f32").into());
        }
        n_values += values.len();
        let shape = array.shape().to_vec();
        let array = match half.then(|| to_half(&values)) {
            Some(Some(values)) => Array::new(shape, values)?,
            Some(None) => {
                eprintln!("volconv: {}", in_array(&"warning: has values that are too large for f16, so it stays f32"));
                n_kept += 1;
                Array::new(shape, values)?
            }
            None => Array::new(shape, values)?,
        };
        copy.insert(name, array);
    }
    for (key, text) in texts {
        copy.set_metadata(key, text);
    }
    let name = input.file_name().unwrap_or_default().to_string_lossy();
    copy.set_metadata(SOURCE_NAME_KEY, name);
    copy.set_metadata(SOURCE_KEY, sha256_file(input)?);
    let is_keras = output.extension().is_some_and(|ending| ending == "h5" || ending == "hdf5");
    if is_keras {
        write_keras(output, &copy, &WriteOptions::default())?;
    } else {
        write_safetensors(output, &copy)?;
    }
    let n_arrays = copy.arrays().len();
    let dtype = if half && n_kept < n_arrays { "f16" } else { "f32" };
    println!("{}: {n_arrays} arrays, {n_values} values, {dtype}", output.display());
    Ok(())
}

/// The nearest f16 values; none where a finite value would become infinite.
fn to_half(values: &[f32]) -> Option<Vec<f16>> {
    let nearest = |&value: &f32| {
        let half = f16::from_f32(value);
        (half.is_finite() == value.is_finite()).then_some(half)
    };
    values.iter().map(nearest).collect()
}

#[cfg(test)]
mod tests {
    use super::to_half;
    use half::f16;

    #[test]
    fn half_keeps_what_it_can_hold() {
        let got = to_half(&[1.0, 65504.0, 1e-9, f32::INFINITY]).unwrap();
        assert_eq!(got, [f16::from_f32(1.0), f16::MAX, f16::from_f32(0.0), f16::INFINITY]);
        assert_eq!(to_half(&[0.0, 65520.0]), None);
        assert_eq!(to_half(&[-1e9]), None);
        assert_eq!(to_half(&[]), Some(vec![]));
    }
}
