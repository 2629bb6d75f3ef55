//! Files made by other programs, and what they hold.

use std::path::Path;

use serde_json::Value;
use volkit_core::{Affine, DType, VolumeSource as _, conformance::check_source};
use volkit_io::{
    ComplexPart, Endian, Header, Image, NiftiHeader, ReadOptions, Scaling, Values, open, probe, read, read_with,
};

use crate::shared::{bytes_of, json, sha256, shared};

/// Relative and absolute: other readers compute some affines in f32.
const AFFINE_TOLERANCE: f64 = 1e-6;
/// MGH affines of the reference are f32 throughout.
const MGH_AFFINE_TOLERANCE: f64 = 1e-5;

fn dtype_of(name: &str) -> DType {
    match name.trim_start_matches(['|', '<', '>']) {
        "u1" => DType::U8,
        "i1" => DType::I8,
        "u2" => DType::U16,
        "i2" => DType::I16,
        "u4" => DType::U32,
        "i4" => DType::I32,
        "u8" => DType::U64,
        "i8" => DType::I64,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "c8" => DType::Complex64,
        "c16" => DType::Complex128,
        "float128" => DType::F128,
        "complex256" => DType::Complex256,
        "rgb24" => DType::Rgb24,
        "rgba32" => DType::Rgba32,
        other => panic!("element type {other}"),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

fn affine(value: &Value) -> Affine {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
    Affine::from_rows(std::array::from_fn(|r| std::array::from_fn(|c| rows[r][c])))
}

fn stored(path: &Path) -> Image {
    read_with(path, &ReadOptions::new().with_values(Values::Stored)).unwrap()
}

#[test]
fn nifti_mgh_and_analyze_files_hold_what_they_should() {
    let Some(folder) = shared("golden/volume/nifti") else { return };
    let mut failures = Vec::new();
    let index = json(&folder.join("index.json"));
    let entries = index["entries"].as_array().unwrap();
    let mut n_checked = 0;
    for entry in entries {
        for file in entry["files"].as_array().unwrap() {
            let file = file.as_str().unwrap();
            n_checked += 1;
            if let Err(why) = check_entry(&folder.join(file), entry) {
                failures.push(format!("{file}: {why}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {n_checked} failed:\n{}", failures.len(), failures.join("\n"));
    println!("{n_checked} files of {} entries", entries.len());
}

fn check_entry(path: &Path, entry: &Value) -> Result<(), String> {
    let expect = entry["expect"].as_str().unwrap();
    let result = read(path);
    if expect == "error" {
        return result.map_or(Ok(()), |_| Err("was read".to_owned()));
    }
    let image = result.map_err(|error| error.to_string())?;
    let info = probe(path).map_err(|error| error.to_string())?;
    let want = |holds: bool, what: &dyn Fn() -> String| if holds { Ok(()) } else { Err(what()) };
    let volume = image.volume();
    if let Some(shape) = entry["shape"].as_array() {
        let shape: Vec<usize> = shape.iter().map(|n| n.as_u64().unwrap() as usize).collect();
        want(volume.shape() == shape, &|| format!("shape {:?}, expected {shape:?}", volume.shape()))?;
        want(info.meta == *volume.meta(), &|| "probe differs from read".to_owned())?;
    }
    if entry["affine"].is_array() {
        let expected = affine(&entry["affine"]);
        let is_mgh = path.to_str().unwrap().contains("/mgh/");
        let tolerance = if is_mgh { MGH_AFFINE_TOLERANCE } else { AFFINE_TOLERANCE };
        let close = volume.affine().is_close(&expected, tolerance, tolerance);
        want(close, &|| format!("affine {:?}, expected {expected:?}", volume.affine()))?;
    }
    if entry["zooms"].is_array() {
        let expected = numbers(&entry["zooms"]);
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= AFFINE_TOLERANCE * (1.0 + b.abs());
        let spacing = volume.meta().spacing();
        let all = spacing.len() == expected.len() && spacing.iter().zip(&expected).all(close);
        want(all, &|| format!("spacing {spacing:?}, expected {expected:?}"))?;
    }
    if let Some(dtype) = entry["dtype"].as_str() {
        want(info.stored == dtype_of(dtype), &|| format!("stored {}, expected {dtype}", info.stored))?;
    }
    if let Some(endian) = entry["endian"].as_str() {
        let expected = if endian == "big" { Endian::Big } else { Endian::Little };
        want(info.endian == expected, &|| format!("{:?}, expected {endian}", info.endian))?;
    }
    if let (Some(slope), Some(inter)) = (entry["effective_slope"].as_f64(), entry["effective_inter"].as_f64()) {
        let expected = Scaling { slope, inter };
        want(info.scaling == expected, &|| format!("{:?}, expected {expected:?}", info.scaling))?;
    }
    if let Some(expected) = entry["raw_le_sha256"].as_str() {
        want(sha256(stored(path).volume().voxels().view()) == expected, &|| "stored voxels differ".to_owned())?;
    }
    check_values(path, entry)?;
    check_header(image.header(), entry)
}

fn check_values(path: &Path, entry: &Value) -> Result<(), String> {
    let is_complex = entry["value_dtype"].as_str() == Some("c128");
    if let Some(expected) = entry["value_le_sha256"].as_str() {
        let got = if is_complex {
            let part = |part| {
                let options = ReadOptions::new().with_values(Values::F64).with_complex(part);
                read_with(path, &options).unwrap().volume().to_real::<f64>().unwrap()
            };
            let (re, im) = (part(ComplexPart::Real), part(ComplexPart::Imaginary));
            let mut pairs: Vec<f64> = re.iter().zip(&im).flat_map(|(re, im)| [*re, *im]).collect();
            // The expected values were joined as re + 1j * im, which makes both parts NaN where one is.
            pairs
                .chunks_mut(2)
                .filter(|pair| pair[0].is_nan() || pair[1].is_nan())
                .for_each(|pair| pair.fill(f64::NAN));
            sha256(pairs.as_slice().into())
        } else {
            let options = ReadOptions::new().with_values(Values::F64);
            let image = read_with(path, &options).map_err(|error| error.to_string())?;
            let mut values = image.volume().to_real::<f64>().unwrap();
            values.iter_mut().filter(|v| v.is_nan()).for_each(|v| *v = f64::NAN);
            check_statistics(&values, entry)?;
            sha256(values.as_slice().into())
        };
        if got != expected {
            return Err("values differ".to_owned());
        }
    }
    for sample in entry["samples_rgb"].as_array().into_iter().flatten() {
        let index = numbers(&sample[0]);
        let expected: Vec<u8> = numbers(&sample[1]).iter().map(|&v| v as u8).collect();
        let image = read(path).map_err(|error| error.to_string())?;
        let at = image.volume().offset(std::array::from_fn(|axis| index[axis] as usize));
        let size = image.volume().dtype().size();
        if image.volume().voxels().view().bytes()[at * size..(at + 1) * size] != expected {
            return Err(format!("colour at {index:?} is not {expected:?}"));
        }
    }
    Ok(())
}

fn check_statistics(values: &[f64], entry: &Value) -> Result<(), String> {
    let finite = || values.iter().enumerate().filter(|(_, v)| v.is_finite());
    let wsum: f64 = finite().map(|(k, v)| v * ((k % 997) as f64 + 1.0)).sum();
    let n_nan = values.iter().filter(|v| v.is_nan()).count() as f64;
    let n_inf = values.iter().filter(|v| v.is_infinite()).count() as f64;
    for (name, got) in [("wsum", wsum), ("n_nan", n_nan), ("n_inf", n_inf), ("n", values.len() as f64)] {
        if let Some(expected) = entry[name].as_f64() {
            // Sums in another order: some rounding is left.
            if (got - expected).abs() > 1e-9 * expected.abs().max(1.0) {
                return Err(format!("{name} is {got}, expected {expected}"));
            }
        }
    }
    Ok(())
}

fn check_header(header: &Header, entry: &Value) -> Result<(), String> {
    let Header::Nifti(header) = header else { return Ok(()) };
    let NiftiHeader { extensions, .. } = header.as_ref();
    if let Some(expected) = entry["extensions"].as_array() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let got: Vec<_> = extensions.iter().map(|e| (i64::from(e.code), hex(e.content()))).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|e| (e["ecode"].as_i64().unwrap(), e["content_hex"].as_str().unwrap().to_owned()))
            .collect();
        if got != expected {
            return Err(format!("extensions {got:?}, expected {expected:?}"));
        }
    }
    let expected = &entry["header"];
    for (name, got) in [
        ("intent_code", header.intent_code),
        ("slice_code", header.slice_code),
        ("xyzt_units", header.xyzt_units),
        ("datatype", header.datatype),
        ("bitpix", header.bitpix),
        ("dim_info", header.dim_info),
    ] {
        if let Some(expected) = expected[name].as_i64()
            && got != expected
        {
            return Err(format!("{name} is {got}, expected {expected}"));
        }
    }
    for (name, got) in [("descrip", header.description()), ("intent_name", header.intent_text())] {
        if let Some(expected) = expected[name].as_str()
            && got != expected
        {
            return Err(format!("{name} is {got:?}, expected {expected:?}"));
        }
    }
    for (name, got) in [("cal_min", header.cal_min), ("cal_max", header.cal_max), ("toffset", header.toffset)] {
        if let Some(expected) = expected[name].as_f64()
            && got != expected
        {
            return Err(format!("{name} is {got}, expected {expected}"));
        }
    }
    Ok(())
}

#[test]
fn sources_over_golden_files_keep_their_contract() {
    let Some(folder) = shared("golden/volume/nifti") else { return };
    for file in [
        "nifti_types/float128_be_n1.nii",
        "nifti_types/rgb24_le_n1gz.nii.gz",
        "nifti_types/int16_be_n1pairgz.img.gz",
        "nifti_scale/scl11_uint8.nii",
        "nifti_ext/multi_member.nii.gz",
        "nifti_dims/7d.nii",
        "mgh/4d.mgz",
        "mgh/tags.mgz",
        "analyze/spm99_be.hdr",
    ] {
        let path = folder.join(file);
        let image = read(&path).unwrap();
        let source = open(&path, &ReadOptions::default()).unwrap();
        assert_eq!(source.meta(), image.volume().meta());
        check_source(&source, image.volume()).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

#[test]
fn an_array_of_numpy_is_a_volume_with_identity_affine() {
    let Some(path) = shared("golden/synthseg/inputs/array.npz") else { return };
    let image = read(&path).unwrap();
    assert_eq!(*image.volume().affine(), Affine::IDENTITY);
    assert_eq!(image.volume().shape().len(), 3);
    check_source(&open(&path, &ReadOptions::default()).unwrap(), image.volume()).unwrap();
}

#[test]
fn every_real_file_is_read_or_refused_by_name() {
    let Some(folder) = shared("real/volume") else { return };
    let mut n_read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match read(&path) {
            Ok(image) => {
                n_read += 1;
                let source = open(&path, &ReadOptions::default()).unwrap();
                let by_boxes = volkit_core::read_all(&source).unwrap();
                assert!(bytes_of(&by_boxes) == bytes_of(image.volume()), "{} differs by boxes", path.display());
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.starts_with(path.to_str().unwrap()), "{message}");
                println!("{message}");
            }
        }
    }
    assert!(n_read >= 40, "{n_read} files were read");
}
