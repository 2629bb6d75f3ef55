//! Results of independent programs: `golden/volume/geometry` of the shared folder.

use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};
use volkit_core::{Affine, AxisMap, Volume};
use volkit_geom::{
    Gaussian, Grid, NanRule, Order, Orientation, Outside, Resampling, ResizeRule, SpacingMethod, SpacingResize,
    apply_axis_map, fwhm_to_sigma, percentiles, reorient, resample_map, resample_slice, resize_slice, sigma_voxels,
    spline_coefficients, zoomed_size,
};

use crate::npy::{self, Npy};

/// Largest error of f64 results, relative to the range of the expected values; the README of the folder sets it.
const RTOL_F64: f64 = 1e-9;
/// The same for f32 results.
const RTOL_F32: f64 = 2e-6;

fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("VOLKIT_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("golden/volume/geometry");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is absent", folder.display());
    None
}

fn index(name: &str) -> Option<(PathBuf, Vec<Value>)> {
    let folder = folder()?;
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let Value::Array(cases) = serde_json::from_str(&text).unwrap() else { panic!("{name} is not a list") };
    Some((folder, cases))
}

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) if text == "Infinity" => f64::INFINITY,
        Value::String(text) if text == "NaN" => f64::NAN,
        other => other.as_f64().unwrap(),
    }
}

fn numbers<const N: usize>(value: &Value) -> [f64; N] {
    match value {
        Value::Array(list) => std::array::from_fn(|axis| number(&list[axis])),
        one => [number(one); N],
    }
}

fn size(value: &Value) -> [usize; 3] {
    numbers::<3>(value).map(|n| n as usize)
}

fn affine(value: &Value) -> Affine {
    Affine::from_rows(std::array::from_fn(|r| numbers(&value[r])))
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or("")
}

/// Largest difference relative to the range of `wanted`.
fn error_of(got: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    let (low, high) = wanted.iter().fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)));
    got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / (high - low)
}

fn order(case: &Value) -> Order {
    Order::from_degree(case["order"].as_u64().unwrap() as usize).unwrap()
}

fn outside(case: &Value) -> Outside {
    let cval = case["cval"].as_f64().unwrap_or(0.0);
    match text(case, "mode") {
        "" | "constant" => Outside::Constant(cval),
        "nearest" => Outside::Nearest,
        "mirror" => Outside::Mirror,
        "reflect" => Outside::Reflect,
        "grid-constant" => Outside::GridConstant(cval),
        "grid-wrap" => Outside::GridWrap,
        "wrap" => Outside::Wrap,
        other => panic!("mode {other}"),
    }
}

#[test]
fn resampling_cases() {
    let Some((folder, cases)) = index("resample.json") else { return };
    let mut worst = 0.0f64;
    let mut failures = Vec::new();
    for case in &cases {
        let name = text(case, "name");
        let input = npy::read(&folder.join(text(case, "input")));
        let wanted = npy::read(&folder.join(text(case, "file")));
        assert_eq!(wanted.size, size(&case["shape"]), "{name}");
        let (got, rtol) = run(case, &input);
        let error = error_of(&got, &wanted.values);
        if error.is_nan() || error > rtol {
            failures.push(format!("{name}: error {error:e} above {rtol:e}"));
        }
        worst = worst.max(error / rtol);
    }
    println!("{} resampling cases, largest error {worst:.2e} of its tolerance", cases.len());
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(cases.len(), 46);
}

fn run(case: &Value, input: &Npy) -> (Vec<f64>, f64) {
    let (values, from) = (input.values.as_slice(), input.size);
    let source = || Grid::new(from, affine(&case["affine"]));
    let how = || Resampling::new(order(case)).with_outside(outside(case));
    let got = match text(case, "op") {
        "affine_transform" => {
            let linear = std::array::from_fn(|r| numbers(&case["matrix"][r]));
            let map = Affine::from_parts(linear, numbers(&case["offset"]));
            resample_map(values, from, &map, size(&case["out_shape"]), &how()).unwrap()
        }
        "zoom" => {
            let to = zoomed_size(from, numbers(&case["zoom"])).unwrap();
            assert_eq!(to, size(&case["shape"]));
            let rule = if case["grid_mode"] == true { ResizeRule::Centre } else { ResizeRule::Corner };
            resize_slice(values, from, to, rule, order(case)).unwrap()
        }
        "conform" => {
            let orientation = text(case, "orientation").parse().unwrap();
            let to = source().conformed(numbers(&case["voxel"]), size(&case["out_shape"]), orientation).unwrap();
            assert!(to.affine.is_close(&affine(&case["out_affine"]), 1e-12, 1e-12));
            resample_slice(values, &source(), &to, &how()).unwrap()
        }
        "resample_to_output" => {
            let to = source().bounding(numbers(&case["voxel"])).unwrap();
            assert!(to.affine.is_close(&affine(&case["out_affine"]), 1e-12, 1e-12));
            assert_eq!(to.size, size(&case["shape"]));
            resample_slice(values, &source(), &to, &how()).unwrap()
        }
        "gaussian" => {
            let filter = Gaussian::new(numbers(&case["sigma"])).with_outside(outside(case));
            let filter = filter.with_truncate(number(&case["truncate"]));
            if text(case, "dtype") == "float32" {
                let narrow: Vec<f32> = values.iter().map(|&x| x as f32).collect();
                let smoothed = filter.apply_slice(&narrow, from).unwrap();
                return (smoothed.into_iter().map(f64::from).collect(), RTOL_F32);
            }
            filter.apply_slice(values, from).unwrap()
        }
        "smooth_image" => {
            let sigma = sigma_voxels(fwhm_to_sigma(number(&case["fwhm_mm"])), &affine(&case["affine"]));
            Gaussian::new(sigma).with_outside(outside(case)).apply_slice(values, from).unwrap()
        }
        "cubic b-spline coefficients, mirror boundary" => spline_coefficients(values, from, Order::Cubic).unwrap(),
        "pixel_centre_resize" => {
            let grid = Grid::new(from, Affine::from_scale(numbers(&case["voxel"])));
            let nearest = text(case, "method") == "nearest";
            let method = if nearest { SpacingMethod::Nearest } else { SpacingMethod::Linear };
            let resize = SpacingResize::new(&grid, numbers(&case["new_voxel"])).unwrap().with_method(method);
            for axis in 0..3 {
                let wanted: Vec<f64> = case["positions"][axis].as_array().unwrap().iter().map(number).collect();
                let got = resize.positions(axis);
                assert_eq!(got.len(), wanted.len());
                assert!(got.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-12));
            }
            resize.apply_slice(values).unwrap()
        }
        other => panic!("operation {other}"),
    };
    (got, RTOL_F64)
}

#[test]
fn f32_resampling_stays_within_its_tolerance() {
    let Some((folder, cases)) = index("resample.json") else { return };
    for case in cases.iter().filter(|case| text(case, "op") == "affine_transform") {
        let input = npy::read(&folder.join(text(case, "input")));
        let wanted = npy::read(&folder.join(text(case, "file")));
        let narrow: Vec<f32> = input.values.iter().map(|&x| x as f32).collect();
        let linear = std::array::from_fn(|r| numbers(&case["matrix"][r]));
        let map = Affine::from_parts(linear, numbers(&case["offset"]));
        let how = Resampling::new(order(case)).with_outside(outside(case));
        let got = resample_map(&narrow, input.size, &map, wanted.size, &how).unwrap();
        let error = error_of(&got.into_iter().map(f64::from).collect::<Vec<_>>(), &wanted.values);
        assert!(error <= RTOL_F32, "{}: {error:e}", text(case, "name"));
    }
}

fn sha256(volume: &Volume) -> String {
    let values = volume.as_slice::<i32>().unwrap();
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_orientation(orientation: Orientation, codes: &Value, rows: &Value) {
    for (axis, direction) in orientation.axes().into_iter().enumerate() {
        let Some(direction) = direction else {
            assert!(codes[axis].is_null());
            continue;
        };
        assert_eq!(number(&rows[axis][0]), direction.world_axis as f64);
        assert_eq!(number(&rows[axis][1]), if direction.positive { 1.0 } else { -1.0 });
        let letters = orientation.to_string();
        assert_eq!(codes[axis].as_str().unwrap(), &letters[axis..=axis]);
    }
}

#[test]
fn orientation_cases() {
    let Some((_, cases)) = index("orientation.json") else { return };
    for (n, case) in cases.iter().enumerate() {
        let (grid, label) = (Grid::new(size(&case["shape"]), affine(&case["affine"])), format!("case {n}"));
        let orientation = Orientation::of(&grid.affine).unwrap();
        check_orientation(orientation, &case["axcodes"], &case["ornt"]);
        let spacing: [f64; 3] = numbers(&case["voxel_sizes"]);
        assert!(grid.spacing_mm().iter().zip(spacing).all(|(a, b)| (a - b).abs() < 1e-12), "{label}");
        let count: usize = grid.size.iter().product();
        let volume = Volume::new(grid.size, (0..count as i32).collect::<Vec<_>>(), grid.affine).unwrap();
        if case["canonical_shape"].is_null() {
            assert!(reorient(&volume, Orientation::RAS).is_err(), "{label}");
            continue;
        }
        let (canonical, map) = reorient(&volume, Orientation::RAS).unwrap();
        assert!(map.old_from_new(grid.size).is_close(&affine(&case["inv_ornt_aff"]), 0.0, 0.0), "{label}");
        assert_eq!(canonical.shape(), size(&case["canonical_shape"]), "{label}");
        assert!(canonical.affine().is_close(&affine(&case["canonical_affine"]), 1e-12, 1e-12), "{label}");
        assert_eq!(sha256(&canonical), text(case, "canonical_sha256_i32_first_axis_fastest"), "{label}");
        check_back(&volume, &canonical, &map);
        let target: Orientation = text(&case["to"], "axcodes").parse().unwrap();
        let (moved, map) = reorient(&volume, target).unwrap();
        assert_eq!(moved.shape(), size(&case["to"]["shape"]), "{label}");
        assert!(moved.affine().is_close(&affine(&case["to"]["affine"]), 1e-12, 1e-12), "{label}");
        assert_eq!(sha256(&moved), text(&case["to"], "sha256"), "{label}");
        check_back(&volume, &moved, &map);
        check_grids(&grid, case, &label);
    }
    assert_eq!(cases.len(), 202);
}

fn check_back(volume: &Volume, moved: &Volume, map: &AxisMap) {
    let back = apply_axis_map(moved, &map.inverse()).unwrap();
    assert_eq!(back.voxels(), volume.voxels());
    let scale = volume.affine().rows().iter().flatten().fold(0.0f64, |a, x| a.max(x.abs()));
    assert!(back.affine().is_close(volume.affine(), 0.0, 1e-12 * scale));
}

fn check_grids(grid: &Grid, case: &Value, label: &str) {
    for (key, spacing) in [("out_grid_default", 1.0), ("out_grid_1p5", 1.5)] {
        let wanted = Grid::new(size(&case[key][0]), affine(&case[key][1]));
        let got = grid.bounding([spacing; 3]).unwrap();
        assert_eq!(got.size, wanted.size, "{label} {key}");
        assert!(got.affine.is_close(&wanted.affine, 1e-12, 1e-10), "{label} {key}");
    }
    let wanted = &case["rescale_affine"];
    let got = grid.rescaled(numbers(&wanted["voxel"]), size(&wanted["new_shape"])).unwrap();
    assert!(got.affine.is_close(&affine(&wanted["affine"]), 1e-12, 1e-10), "{label} rescale_affine");
}

#[test]
fn percentile_cases() {
    let Some((_, cases)) = index("percentile.json") else { return };
    for case in &cases {
        let data: Vec<f64> = case["data"].as_array().unwrap().iter().map(number).collect();
        let q: Vec<f64> = case["p"].as_array().unwrap().iter().map(number).collect();
        let wanted: Vec<f64> = case["out"].as_array().unwrap().iter().map(number).collect();
        let rule = NanRule::Propagate;
        let (got, rtol) = match text(case, "dtype") {
            "float32" => (percentiles(&data.iter().map(|&x| x as f32).collect::<Vec<_>>(), &q, rule), 1e-6),
            "int16" => (percentiles(&data.iter().map(|&x| x as i16).collect::<Vec<_>>(), &q, rule), 1e-12),
            "uint8" => (percentiles(&data.iter().map(|&x| x as u8).collect::<Vec<_>>(), &q, rule), 1e-12),
            _ => (percentiles(&data, &q, rule), 1e-12),
        };
        for (n, (got, wanted)) in got.unwrap().into_iter().zip(wanted).enumerate() {
            let close = got == wanted || (got - wanted).abs() <= rtol * wanted.abs().max(1e-3);
            assert!(close || (got.is_nan() && wanted.is_nan()), "{} q {}: {got} {wanted}", text(case, "name"), q[n]);
        }
    }
    assert_eq!(cases.len(), 10);
}
