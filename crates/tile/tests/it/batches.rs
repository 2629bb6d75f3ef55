//! Batches that a model has no memory for.

use volkit_core::{Batch, BoxError, OutOfMemory, Predictor, PredictorSpec};
use volkit_tile::{AxisSpec, BatchSize, Pointwise, TileError, TilePlan, TiledInference};

use crate::bench::{bits, noise_volume, run};

/// An identity with memory for so many tiles.
struct Small {
    model: Pointwise,
    most: usize,
    /// Sizes of the batches that it was asked for.
    asked: Vec<usize>,
}

impl Small {
    fn new(most: usize) -> Self {
        Self { model: Pointwise::identity(1, 2), most, asked: Vec::new() }
    }
}

impl Predictor for Small {
    fn spec(&self) -> &PredictorSpec {
        self.model.spec()
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        self.asked.push(input.shape()[0]);
        if input.shape()[0] > self.most {
            return Err(OutOfMemory { needed_bytes: 4 * input.values().len() }.into());
        }
        self.model.predict(input)
    }
}

#[test]
fn a_batch_is_halved_until_it_fits() {
    let (image, shape) = (noise_volume(&[1, 40, 40], 2), [1, 40, 40]);
    let plan = TilePlan::new(&[40, 40], &[AxisSpec::new(10, 4); 2]).unwrap();
    let budget = BatchSize::Budget { bytes: 100_000 };
    let mut roomy = Small::new(100);
    let inference = || TiledInference::new(&plan).with_batch(budget);
    let (wanted, report) = run(inference(), &image, &mut [&mut roomy], &[&shape]).unwrap();
    let most = report.batch;
    assert!(most >= 8 && roomy.asked[0] == most, "{most}");
    for fits in [1, 2, 3] {
        let mut small = Small::new(fits);
        let (got, report) = run(inference(), &image, &mut [&mut small], &[&shape]).unwrap();
        assert_eq!(bits(&got[0]), bits(&wanted[0]));
        assert!(report.batch <= fits && report.batch >= 1, "{}", report.batch);
        // What was refused once is not tried again.
        let refused = small.asked.iter().filter(|&&n| n > fits).count();
        assert!(refused <= 8 && small.asked.iter().filter(|&&n| n <= fits).sum::<usize>() == report.n_run);
    }
}

#[test]
fn what_was_asked_for_is_not_changed_silently() {
    let image = noise_volume(&[1, 40, 40], 2);
    let plan = TilePlan::new(&[40, 40], &[AxisSpec::new(10, 4); 2]).unwrap();
    for (batch, most) in [(BatchSize::Fixed(4), 2), (BatchSize::Budget { bytes: 100_000 }, 0)] {
        let mut small = Small::new(most);
        let error =
            run(TiledInference::new(&plan).with_batch(batch), &image, &mut [&mut small], &[&[1, 40, 40]]).unwrap_err();
        assert!(matches!(error, TileError::Model { first: 0, .. }), "{error}");
    }
}
