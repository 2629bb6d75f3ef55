//! Training that is stopped in the middle of an epoch, and goes on.

use std::cell::Cell;

use volkit_core::{DType, SilentProgress};
use volkit_pose::{ModelConfig, PoseError, TrainConfig, Trainer};
use volkit_train::Checkpoint;

use crate::scene::tiny;

fn trainer(epochs: u64) -> Trainer {
    let model = ModelConfig::new([32, 16, 32]).with_widths(2, 8);
    Trainer::new(model, TrainConfig::new(epochs).with_learning_rate(2e-3).with_valid_every(9)).unwrap()
}

fn parameters(trainer: &Trainer) -> volkit_core::MemoryStore {
    trainer.with_average(|model| model.to_store(DType::F32)).unwrap()
}

#[test]
fn any_step_is_a_place_to_go_on_from() {
    let recording = tiny(12);
    let mut whole = trainer(2);
    for _ in 0..2 {
        whole.epoch(&recording, &SilentProgress).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    // Killed behind step 3 of 4; the last checkpoint is that of step 2.
    let mut killed = trainer(2);
    let steps = Cell::new(0);
    let outcome = killed.epoch_with(&recording, &SilentProgress, &mut |trainer| {
        steps.set(steps.get() + 1);
        if steps.get() == 2 {
            trainer.checkpoint()?.write(&path)?;
        }
        if steps.get() == 3 { Err(PoseError::Seam("the test", "killed".into())) } else { Ok(()) }
    });
    assert!(outcome.is_err() && killed.open_steps() == 3);
    let mut resumed = trainer(2);
    resumed.restore(&Checkpoint::read(&path, Trainer::kind()).unwrap()).unwrap();
    assert_eq!((resumed.open_steps(), resumed.step_count(), resumed.history().len()), (2, 2, 0));
    for _ in 0..2 {
        resumed.epoch(&recording, &SilentProgress).unwrap();
    }
    assert_eq!((resumed.open_steps(), resumed.step_count()), (0, 8));
    assert_eq!(resumed.history(), whole.history(), "bit-equal on one thread");
    assert_eq!(parameters(&resumed), parameters(&whole));
}

#[test]
fn a_finished_training_can_be_given_more_epochs() {
    let recording = tiny(6);
    let mut first = trainer(1);
    first.epoch(&recording, &SilentProgress).unwrap();
    let checkpoint = first.checkpoint().unwrap();
    let mut longer = trainer(3);
    longer.restore(&checkpoint).unwrap();
    let report = longer.epoch(&recording, &SilentProgress).unwrap();
    assert_eq!((report.epoch, longer.step_count(), longer.history().len()), (2, 4, 2));
    assert_eq!(longer.history()[0], first.history()[0]);
    assert_ne!(parameters(&longer), parameters(&first));
}

#[test]
fn checkpoints_that_lack_something_are_refused() {
    let mut trainer = trainer(1);
    let mut other = Checkpoint::new(Trainer::kind());
    assert!(trainer.restore(&other).is_err(), "no model");
    let whole = trainer.checkpoint().unwrap();
    other.set_field("model", whole.field("model").unwrap().clone());
    other.set_field("history", whole.field("history").unwrap().clone());
    let error = trainer.restore(&other).unwrap_err();
    assert!(matches!(error, PoseError::Train(_)), "{error}");
}
