//! Runs that stop and go on.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use volkit_core::{
    Affine, BoxError, DType, Predictor, Progress, Region, SilentProgress, Stopped, VolumeMeta, VolumeSink, VoxelsRef,
};
use volkit_tile::{AxisSpec, Blend, NamedWindow, Target, TileError, TilePlan, TiledInference};

use crate::bench::{bits, noise_volume, reversed, run_one};
use crate::models::ConvNet;

/// A sink that can be looked at, and that may fail.
struct OpenSink {
    meta: VolumeMeta,
    values: Mutex<Vec<f32>>,
    writes_left: AtomicU64,
}

impl OpenSink {
    fn new(shape: &[usize]) -> Self {
        let meta = VolumeMeta::new(reversed(shape), DType::F32, Affine::IDENTITY).unwrap();
        let values = Mutex::new(vec![f32::NAN; meta.n_voxels()]);
        Self { meta, values, writes_left: AtomicU64::new(u64::MAX) }
    }
}

impl VolumeSink for OpenSink {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn write_region(&self, region: &Region, values: VoxelsRef<'_>) -> Result<(), BoxError> {
        if self.writes_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err("no space left".into());
        }
        let values = values.to_real::<f32>()?;
        let rows = region.rows(self.meta.shape())?;
        let len = rows.run_len();
        let mut own = self.values.lock().unwrap();
        for (run, offset) in rows.enumerate() {
            own[offset..offset + len].copy_from_slice(&values[run * len..(run + 1) * len]);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Stops after so many checks.
struct StopAfter(AtomicU64);

impl Progress for StopAfter {
    fn begin(&self, _stage: &str, _total: u64) {}

    fn advance(&self, _steps: u64) {}

    fn check(&self) -> Result<(), Stopped> {
        let left = self.0.load(Ordering::Relaxed);
        if left == 0 {
            return Err(Stopped);
        }
        self.0.store(left - 1, Ordering::Relaxed);
        Ok(())
    }
}

fn image_and_plan(overlap: usize) -> (volkit_core::Volume, TilePlan) {
    let plan = TilePlan::new(&[41, 23], &[AxisSpec::new(10, overlap), AxisSpec::new(12, 5)]).unwrap();
    (noise_volume(&[2, 1, 41, 23], 6), plan)
}

#[test]
fn a_run_can_go_on_after_any_row() {
    for (overlap, blend) in [(4, Blend::default()), (8, Blend::from(NamedWindow::gaussian())), (4, Blend::Crop)] {
        let (image, plan) = image_and_plan(overlap);
        let shape = [2, 1, 41, 23];
        let mut model = ConvNet::new(&[1, 2, 1]);
        let whole = run_one(TiledInference::new(&plan).with_blend(blend.clone()), &image, &mut model, &shape);
        for stop in 0..30usize {
            let sink = OpenSink::new(&shape);
            let rows = Mutex::new(0);
            let record = |done: usize| {
                *rows.lock().unwrap() = done;
                Ok(())
            };
            // Every other on threads.
            let first =
                TiledInference::new(&plan).with_blend(blend.clone()).with_queue_depth(stop % 2).on_commit(record);
            let stopped =
                first.run(&image, &mut [&mut model], vec![Target::new(&sink)], &StopAfter(AtomicU64::new(stop as u64)));
            assert!(stop > 20 || matches!(stopped, Err(TileError::Stopped(_))));
            let rows_done = *rows.lock().unwrap();
            let second = TiledInference::new(&plan).with_blend(blend.clone()).with_rows_done(rows_done);
            second.run(&image, &mut [&mut model], vec![Target::new(&sink)], &SilentProgress).unwrap();
            assert_eq!(bits(&sink.values.lock().unwrap()), bits(&whole), "{blend:?}, stopped after {stop}");
        }
    }
}

#[test]
fn only_rows_that_overlap_unfinished_planes_run_again() {
    let (image, plan) = image_and_plan(4);
    let sink = OpenSink::new(&[2, 1, 41, 23]);
    let mut model = ConvNet::new(&[1, 2, 1]);
    let n_rows = plan.n_rows();
    let mut run_from = |rows_done: usize| {
        let inference = TiledInference::new(&plan).with_rows_done(rows_done);
        inference.run(&image, &mut [&mut model], vec![Target::new(&sink)], &SilentProgress)
    };
    let per_row = plan.tiles_per_row();
    assert_eq!(run_from(3).unwrap().n_run, (2 * n_rows - 2) * per_row);
    // The second image has nothing to do with the first.
    assert_eq!(run_from(n_rows).unwrap().n_run, n_rows * per_row);
    assert_eq!(run_from(2 * n_rows).unwrap().n_run, 0);
    assert!(matches!(run_from(2 * n_rows + 1), Err(TileError::Config { field: "rows_done", .. })));
}

#[test]
fn a_full_disk_keeps_the_rows_before_it() {
    let (image, plan) = image_and_plan(4);
    let shape = [2, 1, 41, 23];
    let mut model = ConvNet::new(&[1, 2, 1]);
    let whole = run_one(TiledInference::new(&plan), &image, &mut model, &shape);
    let sink = OpenSink::new(&shape);
    sink.writes_left.store(4, Ordering::Relaxed);
    let rows = Mutex::new(0);
    let record = |done: usize| {
        *rows.lock().unwrap() = done;
        Ok(())
    };
    let inference = TiledInference::new(&plan).on_commit(record);
    let models: &mut [&mut dyn Predictor] = &mut [&mut model];
    let error = inference.run(&image, models, vec![Target::new(&sink)], &SilentProgress).unwrap_err();
    assert!(matches!(&error, TileError::Sink { output, .. } if output == "net"), "{error}");
    assert_eq!(*rows.lock().unwrap(), 4);
    sink.writes_left.store(u64::MAX, Ordering::Relaxed);
    let inference = TiledInference::new(&plan).with_rows_done(4);
    inference.run(&image, models, vec![Target::new(&sink)], &SilentProgress).unwrap();
    assert_eq!(bits(&sink.values.lock().unwrap()), bits(&whole));
    // A recorder that fails ends the run too.
    let inference = TiledInference::new(&plan).on_commit(|_| Err("no journal".into()));
    let error = inference.run(&image, models, vec![Target::new(&sink)], &SilentProgress).unwrap_err();
    assert!(matches!(error, TileError::Commit { row: 1, .. }), "{error}");
}
