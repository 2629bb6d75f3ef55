//! Several outputs, other scales, reductions.

use volkit_core::{Affine, DType, MemorySink, Predictor, SilentProgress, VolumeMeta, VolumeSink as _};
use volkit_tile::{Argmax, AxisSpec, Blend, ImportanceMap, NamedWindow, Target, TilePlan, TiledInference};

use crate::bench::{largest_difference, noise_volume, reversed, run, volume};
use crate::models::{Function, output, spec};

/// The input, its 2 x 2 means and its doubled samples.
fn pyramid() -> impl Predictor {
    let outputs = vec![output("half", 1, 1, 2), output("same", 1, 1, 1), output("double", 2, 2, 1)];
    let run = |shape: &[usize], x: &[f32]| {
        let (h, w) = (shape[1], shape[2]);
        let half = |k: usize| {
            let (y, x0) = (2 * (k / (w / 2)), 2 * (k % (w / 2)));
            (x[y * w + x0] + x[y * w + x0 + 1] + x[(y + 1) * w + x0] + x[(y + 1) * w + x0 + 1]) / 4.0
        };
        let double = |k: usize| {
            let k = k % (4 * h * w);
            x[k / (2 * w) / 2 * w + k % (2 * w) / 2]
        };
        vec![
            (vec![1, h / 2, w / 2], (0..h * w / 4).map(half).collect()),
            (vec![1, h, w], x.to_vec()),
            (vec![2, 2 * h, 2 * w], (0..8 * h * w).map(double).collect::<Vec<f32>>()),
        ]
    };
    Function { spec: spec(1, 2, outputs), run }
}

#[test]
fn outputs_of_other_scales_fall_into_place() {
    let shape = [24, 20];
    let image = noise_volume(&[1, 24, 20], 3);
    let x = image.as_slice::<f32>().unwrap();
    let half: Vec<f32> = (0..120)
        .map(|k| {
            let at = 2 * (k / 10) * 20 + 2 * (k % 10);
            (x[at] + x[at + 1] + x[at + 20] + x[at + 21]) / 4.0
        })
        .collect();
    let double: Vec<f32> = (0..2 * 48 * 40).map(|k| x[k % (48 * 40) / 40 / 2 * 20 + k % 40 / 2]).collect();
    let plan = TilePlan::new(&shape, &[AxisSpec::new(8, 4), AxisSpec::new(10, 2).with_align(2)]).unwrap();
    for blend in [Blend::Crop, NamedWindow::Hann.into(), ImportanceMap::MonaiGaussian { sigma: vec![0.125] }.into()] {
        let inference = TiledInference::new(&plan).with_blend(blend.clone());
        let shapes: [&[usize]; 3] = [&[12, 10], &[24, 20], &[2, 48, 40]];
        let (got, _) = run(inference, &image, &mut [&mut pyramid()], &shapes).unwrap();
        for (got, wanted) in got.iter().zip([half.as_slice(), x, double.as_slice()]) {
            assert!(largest_difference(got, wanted) < 1e-6, "{blend:?}");
        }
    }
}

#[test]
fn context_is_read_and_not_written() {
    // The model sees 3 samples more on each side and gives back all it sees.
    let image = noise_volume(&[1, 24, 20], 3);
    let axes = [AxisSpec::new(8, 2).with_context(4), AxisSpec::new(10, 2).with_context(2)];
    let plan = TilePlan::new(&[24, 20], &axes).unwrap();
    assert_eq!(plan.input_shape(), [16, 14]);
    let plain = TilePlan::new(&[24, 20], &axes.map(|axis| axis.with_context(0))).unwrap();
    let shapes: [&[usize]; 3] = [&[12, 10], &[24, 20], &[2, 48, 40]];
    let run_with = |plan: &TilePlan| run(TiledInference::new(plan), &image, &mut [&mut pyramid()], &shapes).unwrap().0;
    assert_eq!(run_with(&plan), run_with(&plain));
}

#[test]
fn finished_planes_are_reduced_before_they_are_written() {
    // Two channels that change places along the image.
    let (h, w) = (40, 6);
    let first = (0..h * w).map(|k| (k / w) as f32);
    let second = (0..h * w).map(|_| 17.5f32);
    let image = volume(&[2, h, w], first.chain(second).collect());
    let plan = TilePlan::new(&[h, w], &[AxisSpec::new(8, 3), AxisSpec::new(4, 1)]).unwrap();
    let meta = VolumeMeta::new(reversed(&[h, w]), DType::U8, Affine::IDENTITY).unwrap();
    let (sink, slot) = MemorySink::new(meta).unwrap();
    let mut model = volkit_tile::Pointwise::identity(2, 2);
    let target = Target::new(&sink).with_reduce(Argmax);
    TiledInference::new(&plan).run(&image, &mut [&mut model], vec![target], &SilentProgress).unwrap();
    Box::new(sink).finish().unwrap();
    let labels = slot.lock().unwrap().take().unwrap();
    let wanted: Vec<u8> = (0..h * w).map(|k| u8::from(k / w < 18)).collect();
    assert_eq!(labels.as_slice::<u8>().unwrap(), wanted);
}
