//! What a run refuses, and what it does when a part of it fails.

use volkit_core::{
    Affine, Batch, BoxError, DType, Predictor, PredictorSpec, Region, SilentProgress, VolumeMeta, VolumeSink,
    VolumeSource, VoxelsMut, VoxelsRef,
};
use volkit_tile::{AxisSpec, BatchSize, NotFinite, Pointwise, Skip, TileError, TilePlan, TiledInference};

use crate::bench::{noise_volume, run, volume};
use crate::models::{Function, output, spec};

fn plan() -> TilePlan {
    TilePlan::new(&[8, 8], &[AxisSpec::new(4, 0); 2]).unwrap()
}

#[test]
fn shapes_that_do_not_fit() {
    let plan = plan();
    let image = noise_volume(&[2, 8, 8], 1);
    let message = |model: &mut dyn Predictor, outputs: &[&[usize]]| {
        run(TiledInference::new(&plan), &image, &mut [model], outputs).unwrap_err().to_string()
    };
    let text = message(&mut Pointwise::identity(3, 2), &[&[3, 8, 8]]);
    assert!(
        text.starts_with("shape of the source: expected [1, 3, 8, 8]") && text.ends_with("got [2, 8, 8]"),
        "{text}"
    );
    assert_eq!(message(&mut Pointwise::identity(2, 3), &[&[2, 8, 8]]), "the plan has 2 axes, expected 3");
    let text = message(&mut Pointwise::identity(2, 2), &[&[2, 8, 9]]);
    assert!(text.starts_with("shape of the sink of output 'identity'") && text.ends_with("got [2, 8, 9]"), "{text}");
    assert_eq!(message(&mut Pointwise::mean(2, 2), &[]), "number of targets: expected 1, got 0");
    let mut strict = Function { spec: spec(2, 2, vec![output("x", 1, 1, 1)]), run: |_: &[usize], _: &[f32]| vec![] };
    strict.spec.multiple_of = 3;
    assert!(message(&mut strict, &[&[8, 8]]).contains("multiples of 3"));
    let mask = volume(&[8], vec![0.0; 8]);
    let inference = TiledInference::new(&plan).with_skip(Skip::new().with_mask(&mask));
    let error = run(inference, &image, &mut [&mut Pointwise::mean(2, 2)], &[&[8, 8]]).unwrap_err();
    assert_eq!(error.to_string(), "the mask has 1 axes, expected 2");
    assert!(matches!(run(TiledInference::new(&plan), &image, &mut [], &[]), Err(TileError::Config { .. })));
    let zero = TiledInference::new(&plan).with_batch(BatchSize::Fixed(0));
    let error = run(zero, &image, &mut [&mut Pointwise::mean(2, 2)], &[&[8, 8]]).unwrap_err();
    assert_eq!(error.to_string(), "batch = 0: must be at least 1");
    let (mut a, mut b) = (Pointwise::mean(2, 2), Pointwise::identity(2, 2));
    assert!(run(TiledInference::new(&plan), &image, &mut [&mut a, &mut b], &[&[8, 8]]).is_err());
}

#[test]
fn models_that_give_another_size() {
    let plan = plan();
    let image = noise_volume(&[1, 8, 8], 1);
    let message = |outputs: Vec<(Vec<usize>, usize)>| {
        let give = move |_: &[usize], _: &[f32]| {
            outputs.iter().map(|(shape, n)| (shape.clone(), vec![0.0; *n])).collect::<Vec<_>>()
        };
        let mut model = Function { spec: spec(1, 2, vec![output("y", 1, 1, 1)]), run: give };
        run(TiledInference::new(&plan), &image, &mut [&mut model], &[&[8, 8]]).unwrap_err().to_string()
    };
    let text = message(vec![(vec![1, 4, 3], 12)]);
    assert_eq!(text, "shape of output 'y' of the model, tiles 0 to 0: expected [1, 1, 4, 4], got [1, 1, 4, 3]");
    assert!(message(vec![]).contains("number of outputs"));
    assert!(message(vec![(vec![1, 4, 4], 16), (vec![1, 4, 4], 16)]).contains("expected 1, got 2"));
}

#[test]
fn nan_is_refused_or_counted() {
    let plan = plan();
    let mut values = vec![1.0f32; 64];
    (values[4], values[5], values[63]) = (f32::NAN, f32::INFINITY, f32::NAN);
    let image = volume(&[1, 8, 8], values.clone());
    let mut model = Pointwise::identity(1, 2);
    let error = run(TiledInference::new(&plan), &image, &mut [&mut model], &[&[8, 8]]).unwrap_err();
    let text = error.to_string();
    assert_eq!(text, "tile 1 (first sample [0, 4]): output 'identity' has 2 values that are not finite");
    let inference = TiledInference::new(&plan).with_not_finite(NotFinite::Keep);
    let (got, report) = run(inference, &image, &mut [&mut model], &[&[8, 8]]).unwrap();
    assert_eq!((report.n_not_finite, report.not_finite_tiles), (3, vec![1, 3]));
    assert!(got[0].iter().zip(&values).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())));
}

/// Fails or panics at the n-th call.
struct Faulty {
    spec: PredictorSpec,
    calls_left: usize,
    panics: bool,
}

impl Predictor for Faulty {
    fn spec(&self) -> &PredictorSpec {
        &self.spec
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        if self.calls_left == 0 {
            assert!(!self.panics, "the model panics");
            return Err("out of memory".into());
        }
        self.calls_left -= 1;
        Ok(vec![input.clone()])
    }
}

#[test]
fn a_model_that_fails_or_panics_ends_the_run() {
    let plan = plan();
    let image = noise_volume(&[1, 8, 8], 1);
    for (n_workers, queue_depth) in [(1, 0), (1, 1), (3, 1)] {
        for panics in [false, true] {
            let new = |calls_left| Faulty { spec: spec(1, 2, vec![output("y", 1, 1, 1)]), calls_left, panics };
            let mut workers: Vec<Faulty> = (0..n_workers).map(|_| new(1)).collect();
            let mut models: Vec<&mut dyn Predictor> =
                workers.iter_mut().map(|worker| worker as &mut dyn Predictor).collect();
            let inference = TiledInference::new(&plan).with_queue_depth(queue_depth);
            let error = run(inference, &image, &mut models, &[&[8, 8]]).unwrap_err();
            match error {
                TileError::Model { source, .. } => assert!(!panics && source.to_string() == "out of memory"),
                TileError::Panicked(who) => assert!(panics && who == "model"),
                other => panic!("{other}"),
            }
        }
    }
}

/// A source that ends early.
struct Truncated(VolumeMeta);

impl VolumeSource for Truncated {
    fn meta(&self) -> &VolumeMeta {
        &self.0
    }

    fn read_region(&self, region: &Region, _out: VoxelsMut<'_>) -> Result<(), BoxError> {
        if region.end(1) > 4 { Err("the file ends".into()) } else { Ok(()) }
    }
}

#[test]
fn a_truncated_source_names_the_first_tile_and_keeps_the_rows_before_it() {
    let plan = plan();
    let source = Truncated(VolumeMeta::new([8, 8, 1], DType::F32, Affine::IDENTITY).unwrap());
    for queue_depth in [0, 1] {
        let meta = VolumeMeta::new([8, 8], DType::F32, Affine::IDENTITY).unwrap();
        let (sink, _slot) = volkit_core::MemorySink::new(meta).unwrap();
        let rows = std::sync::Mutex::new(Vec::new());
        let record = |done: usize| {
            rows.lock().unwrap().push(done);
            Ok(())
        };
        let inference = TiledInference::new(&plan).with_queue_depth(queue_depth);
        let inference = inference.with_batch(BatchSize::Fixed(3)).on_commit(record);
        let targets = vec![volkit_tile::Target::new(&sink)];
        let error = inference.run(&source, &mut [&mut Pointwise::identity(1, 2)], targets, &SilentProgress);
        let error = error.unwrap_err();
        assert!(matches!(error, TileError::Source { tile: 2, .. }), "{error}");
        assert_eq!(*rows.lock().unwrap(), [1]);
    }
}

/// A sink that is full.
struct Full(VolumeMeta);

impl VolumeSink for Full {
    fn meta(&self) -> &VolumeMeta {
        &self.0
    }

    fn write_region(&self, region: &Region, _values: VoxelsRef<'_>) -> Result<(), BoxError> {
        if region.end(1) > 4 { Err("no space left".into()) } else { Ok(()) }
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn a_full_sink_names_the_planes_and_keeps_the_rows_before_them() {
    let plan = plan();
    let image = noise_volume(&[1, 8, 8], 1);
    for queue_depth in [0, 1] {
        let sink = Full(VolumeMeta::new([8, 8], DType::F32, Affine::IDENTITY).unwrap());
        let mut rows = Vec::new();
        let inference = TiledInference::new(&plan).with_queue_depth(queue_depth).on_commit(|done| {
            rows.push(done);
            Ok(())
        });
        let targets = vec![volkit_tile::Target::new(&sink)];
        let error = inference.run(&image, &mut [&mut Pointwise::identity(1, 2)], targets, &SilentProgress);
        assert!(matches!(error, Err(TileError::Sink { first: 4, last: 7, .. })), "{error:?}");
        assert_eq!(rows, [1]);
    }
}
