//! The data sets of the files of `hdf5/index.json`, each read with every library of the build; and HDF5 files of `bad/`.

use std::path::Path;

use serde_json::Value;
use volkit_core::{BoxError, Voxels, error_line};
use volkit_io::{
    Endian, Hdf5Backend, Hdf5DataSet, Hdf5File, Hdf5Info, Hdf5Kind, Hdf5Value, IoError, Limits, open_hdf5, walk_hdf5,
};

use super::case_name;
use crate::check::Check;
use crate::digest::{dtype, sha256_le, values_f64};
use crate::index::{Entry, counts, numbers};
use crate::suite::{Cases, Outcome};

/// The libraries of this build.
const BACKENDS: &[(Hdf5Backend, &str)] = if cfg!(feature = "hdf5-c") {
    &[(Hdf5Backend::Pure, ""), (Hdf5Backend::C, " (C library)")]
} else {
    &[(Hdf5Backend::Pure, "")]
};
/// Elements that a bad file may make a reader read.
const MAX_BAD_BYTES: u64 = 64 << 20;

pub(super) fn cases(folder: &Path, entries: &[Value], cases: &mut Cases<'_>) {
    for (number, value) in entries.iter().enumerate() {
        let entry = Entry::new(value, folder);
        let name = case_name("hdf5", number, &entry);
        for &(backend, suffix) in BACKENDS {
            let opened = entry.text("file").map_err(|error| error.to_string()).and_then(|file| {
                open_hdf5(folder.join(file), backend, &Limits::default()).map_err(|error| error_line(&error))
            });
            let file = match &opened {
                Ok(file) => file.as_ref(),
                Err(why) => {
                    cases.case(format!("{name}{suffix}"), || Err(why.clone().into()));
                    continue;
                }
            };
            let data_sets = entry.optional("datasets").and_then(Value::as_object);
            for (data_set, value) in data_sets.into_iter().flatten() {
                let expected = Entry::new(value, folder);
                cases.case(format!("{name}:/{data_set}{suffix}"), || case(file, data_set, &expected));
            }
            if entry.has("groups") {
                cases.case(format!("{name} groups{suffix}"), || groups(file, &entry));
            }
        }
    }
}

fn case(file: &dyn Hdf5File, name: &str, expected: &Entry<'_>) -> Result<Outcome, BoxError> {
    let mut check = Check::new();
    let data_set = match file.data_set(name) {
        Ok(data_set) => data_set,
        Err(error) => return refused(&error, expected),
    };
    compare_info(data_set.info(), expected, &mut check)?;
    if let Some(attributes) = expected.optional("attrs").and_then(Value::as_object) {
        let found = file.attributes(name)?;
        for (key, wanted) in attributes {
            compare_attribute(key, found.get(key), wanted, &mut check);
        }
    }
    let values = match read_all(data_set.as_ref()) {
        Ok(values) => values,
        Err(error) => return refused(&error, expected),
    };
    if expected.has("c_order_le_sha256") {
        let wanted = expected.text("c_order_le_sha256")?;
        check.equal("the checksum of the values", sha256_le(values.view()).as_str(), wanted);
    }
    let shape = &data_set.info().shape;
    let samples = if expected.has("samples") { expected.list("samples")? } else { &[] };
    for sample in samples {
        let index = sample.get(0).and_then(counts).filter(|index| index.len() == shape.len());
        let (Some(index), Some(wanted)) = (index, sample.get(1)) else {
            return Err(format!("the index has a sample {sample} that is not [index, value]").into());
        };
        let mut one = Voxels::zeros(values.dtype(), 1)?;
        data_set.read_box(&index, &vec![1; index.len()], one.view_mut())?;
        let wanted = match wanted.as_bool() {
            Some(flag) => vec![f64::from(u8::from(flag))],
            None => numbers(wanted).ok_or_else(|| format!("the index has a sample {sample} without a number"))?,
        };
        check.close(&format!("the value at {index:?}"), &values_f64(&one)?, &wanted, 0.0, 0.0);
    }
    Ok(check.into())
}

fn read_all(data_set: &dyn Hdf5DataSet) -> Result<Voxels, IoError> {
    let info = data_set.info();
    // Text has no values; the shape and the type were compared.
    let Some(dtype) = info.dtype else { return Ok(Voxels::U8(Vec::new())) };
    let n = info.shape.iter().product();
    let mut values = Voxels::zeros(dtype, n).expect("invariant: golden arrays are small");
    data_set.read_box(&vec![0; info.shape.len()], &info.shape, values.view_mut())?;
    Ok(values)
}

/// What only another library reads is a documented outcome, when the error says what it is: the number of each filter
/// that is not known, or the version of the layout.
fn refused(error: &IoError, expected: &Entry<'_>) -> Result<Outcome, BoxError> {
    let message = error_line(error);
    let filters = if expected.has("filters") { expected.list("filters")? } else { &[] };
    let names_filter = filters
        .iter()
        .filter_map(|filter| filter.get(0).and_then(Value::as_str))
        .any(|id| id.parse::<u32>().is_ok_and(|_| message.contains(&format!("filter {id}"))));
    let names_version = ["layout version 5", "version 2 B-tree", "layout is of a version that HDF5 library"]
        .iter()
        .any(|words| message.contains(words));
    if matches!(error, IoError::Unsupported { .. }) && (names_filter || names_version) {
        let at = message.rfind("': ").map_or(0, |at| at + 3);
        return Ok(Outcome::Skipped(message[at..].to_owned()));
    }
    Err(message.into())
}

fn compare_info(info: &Hdf5Info, expected: &Entry<'_>, check: &mut Check) -> Result<(), BoxError> {
    if expected.has("shape") {
        check.equal("the shape", &info.shape, &expected.counts("shape")?);
    }
    if expected.has("stored_dtype") {
        let stored = expected.text("stored_dtype")?;
        check.equal("the element type", info.dtype, dtype(stored));
        check.equal("whether it is boolean", info.is_bool, stored.ends_with("b1"));
        if info.dtype.is_some_and(|dtype| dtype.swap_size() > 1) {
            check.equal("whether it is big-endian", info.endian == Endian::Big, stored.starts_with('>'));
        }
    }
    let chunk = if expected.has("chunks") { Some(expected.counts("chunks")?) } else { None };
    check.equal("the chunk", &info.chunk, &chunk);
    if expected.has("filters") {
        let wanted: Vec<&str> =
            expected.list("filters")?.iter().filter_map(|filter| filter.get(0).and_then(Value::as_str)).collect();
        let found: Vec<String> = info
            .filters
            .iter()
            .map(|filter| match filter.name().as_str() {
                "deflate" => "gzip".to_owned(),
                "scale-offset" => "scaleoffset".to_owned(),
                _ if filter.id > 32000 => filter.id.to_string(),
                name => name.to_owned(),
            })
            .collect();
        check.equal("the filters", found, wanted);
    }
    Ok(())
}

fn compare_attribute(key: &str, found: Option<&Hdf5Value>, wanted: &Value, check: &mut Check) {
    let what = format!("attribute '{key}'");
    match (found, wanted) {
        (Some(Hdf5Value::Text(text)), Value::String(wanted)) => check.equal(&what, text, wanted),
        (Some(Hdf5Value::Numbers(array)), wanted) => {
            let got = values_f64(array.values()).unwrap_or_default();
            check.close(&what, &got, &numbers(wanted).unwrap_or_default(), 0.0, 0.0);
        }
        (found, wanted) => check.fail(format!("{what} is {found:?}, expected {wanted}")),
    }
}

fn groups(file: &dyn Hdf5File, entry: &Entry<'_>) -> Result<Outcome, BoxError> {
    let mut check = Check::new();
    let (nodes, warnings) = walk_hdf5(file)?;
    let of = |kind| nodes.iter().filter(|node| node.kind == kind).map(|node| node.path.as_str()).collect::<Vec<_>>();
    let wanted: Vec<&str> = entry.list("groups")?.iter().filter_map(Value::as_str).collect();
    check.equal("the groups", of(Hdf5Kind::Group), wanted);
    check.note(format!("data sets {:?}, {} links left out", of(Hdf5Kind::DataSet), warnings.len()));
    Ok(check.into())
}

/// Reads all of a file: the walk, every attribute, every data set that is not too large.
pub(super) fn read_whole_file(path: &Path) -> Result<String, IoError> {
    let limits = Limits::default().with_volume_bytes(MAX_BAD_BYTES);
    let file = open_hdf5(path, Hdf5Backend::Auto, &limits)?;
    let (nodes, warnings) = walk_hdf5(file.as_ref())?;
    for node in &nodes {
        file.attributes(&node.path)?;
        if node.kind != Hdf5Kind::DataSet {
            continue;
        }
        let data_set = file.data_set(&node.path)?;
        let info = data_set.info();
        let Some(dtype) = info.dtype else { continue };
        let n = info.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let n = n.filter(|n| (*n as u128) * (dtype.size() as u128) <= u128::from(MAX_BAD_BYTES)).unwrap_or(0);
        let size = if n == 0 { vec![0; info.shape.len()] } else { info.shape.clone() };
        let Ok(mut values) = Voxels::zeros(dtype, size.iter().product()) else { continue };
        data_set.read_box(&vec![0; size.len()], &size, values.view_mut())?;
    }
    let names: Vec<&str> = nodes.iter().map(|node| node.path.as_str()).collect();
    Ok(format!("read as {}; {} links left out", names.join(", "), warnings.len()))
}
