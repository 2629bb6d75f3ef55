//! Training, and the model that is kept.

use std::path::PathBuf;

use volkit_bench::Display;
use volkit_core::{ArrayStore as _, BoxError, DType, Progress as _};
use volkit_io::{SafetensorsStore, write_atomically, write_safetensors};
use volkit_pose::{EpochReport, ModelConfig, PoseError, PoseModel, Split, Trainer};
use volkit_train::Checkpoint;

use crate::project::Project;

/// Text in the model's file that holds its configuration.
const CONFIG: &str = "volkit_pose_model";

/// Trains, from the last epoch on where there is a checkpoint of the same training.
pub(crate) fn train(project: &Project, key: &str, display: &Display) -> Result<String, BoxError> {
    let recording = project.recording()?;
    let config = project.config.training();
    let path = project.file("checkpoint.safetensors");
    let mut trainer = Trainer::new(project.config.model(recording.grid.dims()), config)?;
    let checkpoint = path.exists().then(|| Checkpoint::read(&path, Trainer::kind())).transpose()?;
    if let Some(checkpoint) = checkpoint.filter(|found| found.field("key").and_then(|k| k.as_str()) == Some(key)) {
        trainer.restore(&checkpoint)?;
    }
    let resumed = trainer.history().len();
    let n_steps = Split::of(recording.store.n_frames()).train.len() as u64;
    display.begin("train", (config.epochs - (resumed as u64).min(config.epochs)) * n_steps);
    while (trainer.history().len() as u64) < config.epochs {
        let report = trainer.epoch(&recording, display)?;
        display.say(&line(&report));
        if is_best(trainer.history()) || !model_path(project).exists() {
            trainer.with_average(|model| {
                save(model, &model_path(project)).map_err(|e| PoseError::Seam("saving the model", e))
            })?;
        }
        let mut checkpoint = trainer.checkpoint()?;
        checkpoint.set_field("key", key);
        checkpoint.write(&path)?;
        write_losses(project, trainer.history())?;
    }
    let best = best(trainer.history()).map_or(String::new(), |best| format!("; best after epoch {}", best.epoch));
    Ok(format!("{} epochs, {resumed} of them before{best}", trainer.history().len()))
}

fn line(report: &EpochReport) -> String {
    let valid =
        report.valid.map_or(String::new(), |v| format!("; validation PSNR {:.2} dB, IoU {:.4}", v.psnr, v.soft_iou));
    let t = report.train;
    format!("epoch {}: loss {:.4} (iou {:.4}, l1 {:.4}){valid}", report.epoch, t.total, t.iou, t.l1)
}

/// The epoch whose validation had the smallest loss: `1 - IoU + L1 / 2`, as in training.
fn best(history: &[EpochReport]) -> Option<&EpochReport> {
    let loss = |report: &&EpochReport| report.valid.map_or(f64::INFINITY, |v| 1.0 - v.soft_iou + 0.5 * v.l1);
    history.iter().filter(|report| report.valid.is_some()).min_by(|a, b| loss(a).total_cmp(&loss(b)))
}

fn is_best(history: &[EpochReport]) -> bool {
    best(history).is_some_and(|best| Some(best.epoch) == history.last().map(|last| last.epoch))
}

fn write_losses(project: &Project, history: &[EpochReport]) -> Result<(), BoxError> {
    Ok(write_atomically(project.file("losses.csv"), |out| {
        writeln!(out, "epoch,loss,iou,l1,ssim,valid_psnr,valid_soft_iou,valid_l1")?;
        for r in history {
            let valid = r.valid.map_or(",,".to_owned(), |v| format!("{:.4},{:.5},{:.5}", v.psnr, v.soft_iou, v.l1));
            let t = r.train;
            writeln!(out, "{},{:.6},{:.6},{:.6},{:.6},{valid}", r.epoch, t.total, t.iou, t.l1, t.ssim)?;
        }
        Ok(())
    })?)
}

fn model_path(project: &Project) -> PathBuf {
    project.file(&project.config.model_fn)
}

/// Writes a model in half precision: parameters, running statistics, and its configuration.
fn save(model: &PoseModel, path: &std::path::Path) -> Result<(), BoxError> {
    let mut store = model.to_store(DType::F16)?;
    store.set_metadata(CONFIG, serde_json::to_string(model.config())?);
    Ok(write_safetensors(path, &store)?)
}

/// The model that training has kept.
pub(crate) fn load(project: &Project) -> Result<PoseModel, BoxError> {
    let path = model_path(project);
    let store = SafetensorsStore::open(&path)?;
    let text = store.metadata(CONFIG).ok_or_else(|| format!("{}: no {CONFIG} in its header", path.display()))?;
    let config: ModelConfig = serde_json::from_str(&text)?;
    Ok(PoseModel::from_store(config, &store)?)
}
