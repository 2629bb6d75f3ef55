//! Parts of an image have the bits of the whole.

use volkit_core::{
    Affine, BoxError, DType, MemorySink, Predictor, Region, SilentProgress, VolumeMeta, VolumeSink as _, VoxelsRef,
};
use volkit_tile::{AxisSpec, Blend, NamedWindow, Pointwise, Target, TileError, TilePlan, TiledInference};

use crate::bench::{bits, noise_volume, reversed, run_one};
use crate::models::ConvNet;

/// Runs the parts into one sink.
fn in_parts(
    plan: &TilePlan,
    blend: &Blend,
    model: &mut dyn Predictor,
    image: &volkit_core::Volume,
    cuts: &[usize],
    shape: &[usize],
) -> (Vec<f32>, usize) {
    let (sink, slot) =
        MemorySink::new(VolumeMeta::new(reversed(shape), DType::F32, Affine::IDENTITY).unwrap()).unwrap();
    let mut n_run = 0;
    for pair in cuts.windows(2) {
        let inference = TiledInference::new(plan).with_blend(blend.clone()).with_planes(pair[0]..pair[1]);
        let report = inference.run(image, &mut [&mut *model], vec![Target::new(&sink)], &SilentProgress).unwrap();
        assert_eq!(report.n_run, report.n_tiles);
        n_run += report.n_run;
    }
    Box::new(sink).finish().unwrap();
    let values = slot.lock().unwrap().take().unwrap().as_slice::<f32>().unwrap().to_vec();
    (values, n_run)
}

#[test]
fn any_cut_gives_the_same_bits() {
    let (image, shape) = (noise_volume(&[2, 1, 61, 40], 3), [2, 1, 61, 40]);
    let plan = TilePlan::new(&[61, 40], &[AxisSpec::new(16, 9); 2]).unwrap();
    for blend in [Blend::Crop, NamedWindow::Hann.into(), NamedWindow::gaussian().into()] {
        let mut model = ConvNet::new(&[1, 3, 1]);
        let whole = run_one(TiledInference::new(&plan).with_blend(blend.clone()), &image, &mut model, &shape);
        for cuts in [&[0, 61][..], &[0, 7, 8, 30, 61], &[0, 0, 60, 61], &[0, 16, 32, 48, 61]] {
            let (parts, _) = in_parts(&plan, &blend, &mut model, &image, cuts, &shape);
            assert!(bits(&parts) == bits(&whole), "{blend:?} {cuts:?}");
        }
    }
}

#[test]
fn only_the_rows_that_are_needed_run() {
    let image = noise_volume(&[1, 40, 8], 3);
    let plan = TilePlan::new(&[40, 8], &[AxisSpec::new(10, 0), AxisSpec::new(8, 0)]).unwrap();
    let mut model = Pointwise::identity(1, 2);
    let (values, n_run) = in_parts(&plan, &Blend::Crop, &mut model, &image, &[0, 10, 20, 30, 40], &[1, 40, 8]);
    assert_eq!((values.as_slice(), n_run), (image.as_slice::<f32>().unwrap(), 4));
    let (_, n_run) = in_parts(&plan, &Blend::Crop, &mut model, &image, &[0, 5, 40], &[1, 40, 8]);
    assert_eq!(n_run, 1 + 4);
}

#[test]
fn planes_that_are_not_there_are_refused() {
    let image = noise_volume(&[1, 20, 8], 3);
    let plan = TilePlan::new(&[20, 8], &[AxisSpec::new(8, 0); 2]).unwrap();
    let (sink, _) = MemorySink::new(VolumeMeta::new([8, 20], DType::F32, Affine::IDENTITY).unwrap()).unwrap();
    let mut model = Pointwise::identity(1, 2);
    let inference = TiledInference::new(&plan).with_planes(10..21);
    let error = inference.run(&image, &mut [&mut model], vec![Target::new(&sink)], &SilentProgress).unwrap_err();
    assert!(matches!(error, TileError::Config { field: "planes", .. }), "{error}");
}

/// A sink that notes which planes came together.
struct Noted {
    meta: VolumeMeta,
    spans: std::sync::Mutex<Vec<(usize, usize)>>,
}

impl volkit_core::VolumeSink for Noted {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn write_region(&self, region: &Region, _values: VoxelsRef<'_>) -> Result<(), BoxError> {
        self.spans.lock().unwrap().push((region.start()[1], region.start()[1] + region.size()[1]));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn planes_leave_in_steps() {
    let image = noise_volume(&[1, 61, 8], 3);
    let plan = TilePlan::new(&[61, 8], &[AxisSpec::new(10, 3), AxisSpec::new(8, 0)]).unwrap();
    let mut model = Pointwise::identity(1, 2);
    for step in [1, 4, 7, 16, 100] {
        let meta = VolumeMeta::new([8, 61], DType::F32, Affine::IDENTITY).unwrap();
        let sink = Noted { meta, spans: Vec::new().into() };
        let inference = || TiledInference::new(&plan).with_plane_step(step);
        inference().run(&image, &mut [&mut model], vec![Target::new(&sink)], &SilentProgress).unwrap();
        let spans = sink.spans.into_inner().unwrap();
        assert!(spans.windows(2).all(|pair| pair[0].1 == pair[1].0) && spans[0].0 == 0);
        assert!(spans.iter().all(|&(first, end)| first % step == 0 && (end % step == 0 || end == 61)), "{spans:?}");
        let values = run_one(inference(), &image, &mut model, &[1, 61, 8]);
        let whole = run_one(TiledInference::new(&plan), &image, &mut model, &[1, 61, 8]);
        assert_eq!(bits(&values), bits(&whole));
        // What is kept for a step is in the estimate.
        let bytes = |step| {
            let inference = TiledInference::new(&plan).with_plane_step(step);
            inference.estimate(Pointwise::identity(1, 2).spec(), 1).unwrap().accumulators
        };
        assert!(bytes(step) >= bytes(1) && bytes(step) <= bytes(1) + 4 * 8 * step as u64);
    }
}
