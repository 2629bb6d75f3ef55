//! Pre- and post-processing of `SynthSeg` against figures of the reference program.

use serde_json::Value;
use volkit_core::{Affine, ArrayStore as _, Volume};
use volkit_io::SafetensorsStore;
use volkit_seg::{
    Bounds, Placement, Posteriors, PostprocessOptions, Postprocessed, PreprocessOptions, Structures, SynthSegCsv,
    parcels, postprocess, preprocess, qc_header, qc_row, qc_scores,
};

use crate::synthseg_files::shared;

/// As the golden folder's README allows.
const ATOL: f64 = 1e-6;

fn json(path: &str) -> Option<Value> {
    Some(serde_json::from_str(&std::fs::read_to_string(shared(path)?).unwrap()).unwrap())
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Number(number) => vec![number.as_f64().unwrap()],
        _ => Vec::new(),
    }
}

fn indices(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|number| number as usize).collect()
}

fn affine(value: &Value) -> Affine {
    let rows = numbers(value);
    Affine::from_rows(std::array::from_fn(|r| std::array::from_fn(|c| rows[4 * r + c])))
}

fn bounds(value: &Value) -> Bounds {
    let all = indices(value);
    Bounds { start: [all[0], all[1], all[2]], end: [all[3], all[4], all[5]] }
}

fn scan(name: &str) -> Option<Volume> {
    Some(volkit_io::read(shared(&format!("inputs/{name}"))?).unwrap().into_volume())
}

fn options_of(case: &Value, smallest: usize) -> PreprocessOptions {
    let options = &case["options"];
    let crop = indices(&options["crop"]);
    let crop = match crop.len() {
        0 => None,
        1 => Some([crop[0]; 3]),
        _ => Some([crop[0], crop[1], crop[2]]),
    };
    let is_mgh = case["file"].as_str().or(case["input"].as_str()).unwrap().ends_with(".mgz");
    PreprocessOptions::new()
        .with_crop(crop)
        .with_ct(options["ct"] == Value::Bool(true))
        .with_smallest_size(smallest)
        .with_three_spacings(is_mgh)
}

/// What of each refusal the reference program's message has too.
const REFUSALS: [(&str, &str); 4] = [
    ("four_d_12", "4 voxel sizes meet 3 axes"),
    ("eight_slices", "2 voxel sizes are left for 3 axes"),
    ("three_slices", "at most 3 slices"),
    ("single_slice", "3 dimensions"),
];

#[test]
fn preparation_equals_the_reference() {
    let (Some(cases), Some(tensors)) = (json("preprocess.json"), shared("preprocess.safetensors")) else { return };
    let tensors = SafetensorsStore::open(tensors).unwrap();
    for (name, case) in cases.as_object().unwrap() {
        let scan = scan(case["file"].as_str().unwrap()).unwrap();
        let options = options_of(case, 32).with_compat(true);
        if case["error"].is_string() {
            let (_, wanted) = REFUSALS.iter().find(|(refused, _)| refused == name).unwrap();
            let message = preprocess(&scan, &options).unwrap_err().to_string();
            println!("{name}: refused: {message}");
            assert!(message.contains(wanted), "{name}: {message}");
            continue;
        }
        let prepared = preprocess(&scan, &options).unwrap();
        assert_eq!(preprocess(&scan, &options.with_compat(false)).unwrap(), prepared, "{name}");
        let placement = prepared.placement;
        let wanted = affine(&case["affine_after_resample"]);
        // MGH affines are computed in f32 by the reference program.
        assert!(placement.affine.is_close(&wanted, 0.0, 1e-6), "{name}: {:?}", placement.affine);
        // The header's f32, whose decimal form in the index may end one step of f64 away.
        for (spacing, wanted) in placement.spacing_mm.iter().zip(numbers(&case["voxel_size_used"])) {
            assert!((spacing - wanted).abs() <= 1e-15 * wanted, "{name}: {spacing} {wanted}");
        }
        assert_eq!(placement.aligned_size.to_vec(), indices(&case["aligned_shape"]), "{name}");
        assert_eq!(placement.padded_size.to_vec(), indices(&case["padded_shape"]), "{name}");
        assert_eq!(placement.kept, bounds(&case["pad_idx"]), "{name}");
        assert_eq!(placement.crop, (!case["crop_idx"].is_null()).then(|| bounds(&case["crop_idx"])), "{name}");
        check_input(name, &prepared.net_input, &placement, &tensors);
        let mean = prepared.net_input.iter().map(|&v| f64::from(v)).sum::<f64>() / prepared.net_input.len() as f64;
        assert!((mean - case["mean"].as_f64().unwrap()).abs() < ATOL, "{name}: mean {mean}");
    }
}

fn check_input(name: &str, input: &[f32], placement: &Placement, tensors: &SafetensorsStore) {
    let (step, array) = match tensors.get(&format!("{name}.net_input_unpadded")) {
        Ok(array) => (1, array),
        Err(_) => (2, tensors.get(&format!("{name}.net_input_unpadded_every2nd_xy")).unwrap()),
    };
    let wanted: Vec<f32> = array.to_real().unwrap();
    let ([px, py, _], kept) = (placement.padded_size, placement.kept);
    let [nx, ny, nz] = kept.size();
    let xyz = |at: usize| (at / (nz * ny.div_ceil(step)) * step, at / nz % ny.div_ceil(step) * step, at % nz);
    assert_eq!(wanted.len(), nx.div_ceil(step) * ny.div_ceil(step) * nz);
    let mut worst = 0.0f64;
    for (at, wanted) in wanted.iter().enumerate() {
        let (x, y, z) = xyz(at);
        let got = input[x + kept.start[0] + px * (y + kept.start[1] + py * (z + kept.start[2]))];
        worst = worst.max(f64::from((got - wanted).abs()));
    }
    println!("{name}: largest difference {worst:e}");
    assert!(worst <= ATOL, "{name}: {worst}");
    let outside = |at: &usize| {
        let p = [at % px, at / px % py, at / (px * py)];
        (0..3).any(|axis| p[axis] < kept.start[axis] || p[axis] >= kept.end[axis])
    };
    assert!((0..input.len()).filter(outside).all(|at| input[at] == 0.0), "{name}: padding");
}

#[test]
fn scans_that_the_reference_fails_on_are_taken_by_default() {
    let (Some(slices), Some(volumes)) = (scan("eight_slices.nii.gz"), scan("four_d_12.nii.gz")) else { return };
    let prepared = preprocess(&slices, &PreprocessOptions::new()).unwrap();
    assert!(prepared.warnings[0].contains("8 slices"), "{:?}", prepared.warnings);
    let prepared = preprocess(&volumes, &PreprocessOptions::new()).unwrap();
    assert!(prepared.warnings[0].contains("12 volumes"), "{:?}", prepared.warnings);
    for name in ["three_slices.nii.gz", "single_slice.nii.gz"] {
        assert!(preprocess(&scan(name).unwrap(), &PreprocessOptions::new()).is_err());
    }
}

#[test]
fn resampled_scans_equal_those_of_the_reference() {
    let Some(runs) = json("runs.json") else { return };
    for run in ["iso_default", "shear_crop64", "ct_crop64"] {
        let case = &runs[run];
        let scan = scan(case["input"].as_str().unwrap()).unwrap();
        let options = options_of(case, 128).with_keep_resampled(true);
        let got = preprocess(&scan, &options).unwrap().resampled.unwrap();
        let wanted = volkit_io::read(shared(&format!("runs/{run}_resampled.nii.gz")).unwrap()).unwrap().into_volume();
        assert_eq!(got.shape(), wanted.shape(), "{run}");
        assert!(got.affine().is_close(wanted.affine(), 1e-6, 1e-5), "{run}");
        let wanted = wanted.to_real::<f64>().unwrap();
        let values = got.as_slice::<f64>().unwrap();
        let largest = wanted.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let worst = values.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{run}: resampled, largest difference {worst:e} of {largest}");
        // Files keep the scan's element type: half a step of 255 or finer, or f32.
        assert!(worst <= largest * (0.5 / 255.0 + 1e-4), "{run}: {worst} of {largest}");
    }
}

/// The posteriors of the golden folder.
fn golden_posteriors() -> Option<Posteriors> {
    let volume = volkit_io::read(shared("postprocess_input_u8.nii.gz")?).unwrap().into_volume();
    let (shape, values) = (volume.shape().to_vec(), volume.to_real::<f32>().unwrap());
    let (voxels, channels) = (shape[0] * shape[1] * shape[2], shape[3]);
    let value = |at: usize| values[at / channels + voxels * (at % channels)] / 255.0;
    let values = (0..voxels * channels).map(value).collect();
    Some(Posteriors::new([shape[0], shape[1], shape[2]], channels, values).unwrap())
}

/// The parcellation posteriors of the golden folder's formula.
fn golden_parcellation(size: [usize; 3]) -> Posteriors {
    let n = parcels().len();
    let mut values = Vec::with_capacity(size.iter().product::<usize>() * n);
    for at in 0..size.iter().product::<usize>() {
        let (i, j, k) = (at % size[0], at / size[0] % size[1], at / (size[0] * size[1]));
        let logit = |c: usize| {
            let (i, j, k, c) = (i as f32, j as f32, k as f32, c as f32);
            let x = (0.15 * (c + 1.0) * i + 0.3 * c).sin();
            f64::from(x + (0.11 * c * j).cos() + (0.07 * k * c + c).sin())
        };
        let powers: Vec<f64> = (0..n).map(|c| (2.0 * logit(c)).exp()).collect();
        let sum: f64 = powers.iter().sum();
        values.extend(powers.iter().map(|power| (power / sum) as f32));
    }
    Posteriors::new(size, n, values).unwrap()
}

fn run_case(name: &str, case: &Value, kept: Bounds, options: &PostprocessOptions) -> Postprocessed {
    let posteriors = golden_posteriors().unwrap();
    let parcellation = (name == "parc").then(|| golden_parcellation(posteriors.size));
    let size = posteriors.size;
    let placement = Placement::whole(size, affine(&case["affine"])).padded(size, kept).unwrap();
    let options = options.with_fast(case["fast"] == Value::Bool(true));
    postprocess(&posteriors, parcellation.as_ref(), Structures::v2(), &placement, &options).unwrap()
}

#[test]
fn labels_and_volumes_equal_the_reference() {
    let Some(golden) = json("postprocess.json") else { return };
    let kept = bounds(&golden["pad_idx"]);
    for name in ["default", "fast", "default_rot", "parc"] {
        let case = &golden[name];
        let plain = run_case(name, case, kept, &PostprocessOptions::new());
        let compat = run_case(name, case, kept, &PostprocessOptions::new().with_compat(true));
        let path = shared(&format!("postprocess_{name}_seg.nii.gz")).unwrap();
        let wanted = volkit_io::read(path).unwrap().into_volume();
        assert_eq!(plain.labels.shape(), wanted.shape(), "{name}");
        assert_eq!(plain.labels.shape(), indices(&case["shape"]), "{name}");
        let wanted = wanted.to_real::<i32>().unwrap();
        for (which, got) in [("default", &plain), ("compat", &compat)] {
            let labels = got.labels.as_slice::<i32>().unwrap();
            let different = labels.iter().zip(&wanted).filter(|(a, b)| a != b).count();
            println!("{name}, {which}: {different} of {} labels differ", wanted.len());
            assert_eq!(different, 0, "{name}, {which}");
        }
        let printed: Vec<f32> = compat.volumes.figures().map(|figure| compat.volumes.rounded(figure) as f32).collect();
        let reference: Vec<f32> = numbers(&case["volumes_reference"]).into_iter().map(|v| v as f32).collect();
        assert_eq!(printed.len(), reference.len(), "{name}");
        let off = |(a, b): (&f32, &f32)| f64::from((a - b).abs() / b.abs().max(1e-3));
        let worst = printed.iter().zip(&reference).map(off).fold(0.0, f64::max);
        let unequal = printed.iter().zip(&reference).filter(|(a, b)| a != b).count();
        println!("{name}: compat volumes: {unequal} of {} differ, largest relative {worst:e}", printed.len());
        let exact = numbers(&case["volumes_float64_exact"]);
        let relative = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs().max(1e-3);
        let worst_exact = plain.volumes.structures.iter().zip(&exact).map(relative).fold(0.0, f64::max);
        println!("{name}: volumes: largest relative difference {worst_exact:e}");
        assert!(worst_exact < 1e-6, "{name}");
        // The parcels' posteriors come from this platform's sine: their last bits may differ.
        let structures = &printed[..33];
        assert_eq!(structures, &reference[..33], "{name}");
        assert!(worst < 1e-4, "{name}: {worst}");
        if name == "parc" {
            let (cortex, sum) = (exact[1] + exact[19], plain.volumes.parcels.iter().sum::<f64>());
            assert!((sum / cortex - 1.0).abs() < 1e-6, "{sum} of {cortex}");
        }
    }
}

#[test]
fn posteriors_equal_the_reference() {
    let (Some(golden), Some(tensors)) = (json("postprocess.json"), shared("postprocess_posteriors.safetensors")) else {
        return;
    };
    let tensors = SafetensorsStore::open(tensors).unwrap();
    for name in ["default", "fast"] {
        let options = PostprocessOptions::new().with_keep_posteriors(true);
        let got = run_case(name, &golden[name], bounds(&golden["pad_idx"]), &options)
            .posteriors
            .unwrap()
            .to_volume()
            .unwrap();
        let values = got.as_slice::<f32>().unwrap();
        let array = tensors.get(&format!("{name}.posteriors_stride3")).unwrap();
        let wanted: Vec<f32> = array.to_real().unwrap();
        let [nx, ny, nz, n]: [usize; 4] = array.shape().try_into().unwrap();
        assert_eq!(wanted.len(), nx * ny * nz * n);
        let mut worst = 0.0f32;
        for (at, wanted) in wanted.iter().enumerate() {
            let (c, z, y, x) = (at % n, at / n % nz, at / (n * nz) % ny, at / (n * nz * ny));
            let shape = got.shape();
            let frame = shape[0] * shape[1] * shape[2];
            worst = worst.max((values[got.offset([3 * x, 3 * y, 3 * z]) + frame * c] - wanted).abs());
        }
        println!("{name}: posteriors: largest difference {worst:e}");
        assert!(worst <= 1e-6, "{name}: {worst}");
    }
}

/// Tables are made of the figures that the golden folder keeps: cells equal those of the reference program up to the
/// figures' own differences; everything around them to the byte.
#[test]
fn tables_have_the_reference_form() {
    let Some(runs) = json("runs.json") else { return };
    for (run, case) in runs.as_object().unwrap() {
        let text = std::fs::read_to_string(shared(&format!("runs/{run}_vol.csv")).unwrap()).unwrap();
        let is_v1 = case["options"]["v1"] == Value::Bool(true);
        let structures = if is_v1 { Structures::v1() } else { Structures::v2() };
        let with_parcels = case["options"]["parc"] == Value::Bool(true);
        let csv = SynthSegCsv::new(structures);
        let csv = if with_parcels { csv.with_parcels() } else { csv };
        assert!(text.starts_with(&csv.header("subject")), "{run}");
        let cells: Vec<f64> =
            text.trim_end().rsplit("\r\n").next().unwrap().split(',').skip(1).map(|c| c.parse().unwrap()).collect();
        assert_eq!(cells.len(), csv.names().len(), "{run}");
        let Some(qc) = shared(&format!("runs/{run}_qc.csv")) else { continue };
        let qc = std::fs::read_to_string(qc).unwrap();
        let row = qc.strip_prefix(&qc_header("subject")).unwrap();
        let scores: Vec<f32> = row.trim_end().split(',').skip(1).map(|cell| cell.parse().unwrap()).collect();
        let outputs: Vec<f32> = std::iter::once(0.5).chain(scores.iter().map(|score| score + 2e-5)).collect();
        assert_eq!(qc_row("head_iso", &qc_scores(&outputs)), row, "{run}");
    }
}

/// Whole rows of the figures that the golden folder keeps in full.
#[test]
fn a_row_is_printed_to_the_byte() {
    let Some(runs) = json("runs.json") else { return };
    for run in ["rot_crop64", "flipped_crop32", "ct_crop64", "shear_crop64", "iso_robust_crop64", "mgz_crop64"] {
        let text = std::fs::read_to_string(shared(&format!("runs/{run}_vol.csv")).unwrap()).unwrap();
        let figures = numbers(&runs[run]["volumes_float64"]);
        let subject = text.split("\r\n").nth(1).unwrap().split(',').next().unwrap().to_owned();
        // With `--crop` the reference adds in f64, so its figures, in mm3, are those of the golden folder.
        let mut volumes = blank_volumes();
        volumes.structures = figures;
        volumes.total = Some(volumes.structures.iter().sum());
        let row = SynthSegCsv::new(Structures::v2()).row(&subject, &volumes);
        let wanted = text.strip_prefix(&SynthSegCsv::new(Structures::v2()).header("subject")).unwrap();
        assert_eq!(row, wanted, "{run}");
    }
}

fn blank_volumes() -> volkit_seg::SoftVolumes {
    let posteriors = Posteriors::zeros([1, 1, 1], 33).unwrap();
    let placement = Placement::whole([1, 1, 1], Affine::IDENTITY);
    postprocess(&posteriors, None, Structures::v2(), &placement, &PostprocessOptions::new()).unwrap().volumes
}
