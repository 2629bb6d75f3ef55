//! Training, and the model that is kept.

use std::path::PathBuf;
use std::time::Instant;

use volkit_bench::Display;
use volkit_core::{ArrayStore as _, BoxError, DType, Progress as _, duration_text, error_line};
use volkit_io::{SafetensorsStore, open_weights, write_atomically, write_safetensors};
use volkit_pose::{
    Compat, EpochReport, ModelConfig, PoseError, PoseModel, Recording, ReferenceModel, SceneModel, Split, Trainer,
};
use volkit_train::Checkpoint;

use crate::project::Project;
use crate::stamp;

/// Text in the model's file that holds its configuration.
const CONFIG: &str = "volkit_pose_model";
/// Steps from which training says beforehand how long it takes.
const LONG: u64 = 50;

/// Seconds between checkpoints inside of an epoch.
const SAVE_SECS: f64 = 60.0;

/// Trains, from the last checkpoint on where there is one of the same training; one that was finished goes on when the
/// configuration asks for more epochs.
pub(crate) fn train(project: &Project, display: &Display) -> Result<String, BoxError> {
    if project.config.compat == Compat::Reference {
        load(project)?;
        return Ok(format!("{} is a checkpoint of the published program", project.config.model_fn));
    }
    let (recording, key) = (project.recording()?, stamp::training_key(project)?);
    let config = project.config.training();
    let path = project.file("checkpoint.safetensors");
    let mut trainer = Trainer::new(project.config.model(recording.grid.dims()), config)?;
    let checkpoint = path.exists().then(|| Checkpoint::read(&path, Trainer::kind())).transpose()?;
    if let Some(checkpoint) = checkpoint.filter(|found| found.field("key").and_then(|k| k.as_str()) == Some(&key)) {
        trainer.restore(&checkpoint)?;
    }
    let (resumed, open) = (trainer.history().len(), trainer.open_steps());
    let per_epoch = Split::of(recording.store.n_frames()).train.len() as u64;
    let left = config.epochs.saturating_sub(resumed as u64) * per_epoch;
    let left = left.saturating_sub(open as u64);
    forecast(project, &recording, left, display)?;
    display.begin("train", left);
    let save = |trainer: &Trainer| -> Result<(), BoxError> {
        let mut checkpoint = trainer.checkpoint()?;
        checkpoint.set_field("key", key.as_str());
        Ok(checkpoint.write(&path)?)
    };
    while (trainer.history().len() as u64) < config.epochs {
        let mut saved = Instant::now();
        let mut after_step = |trainer: &Trainer| {
            if saved.elapsed().as_secs_f64() < SAVE_SECS && !display.is_stopped() {
                return Ok(());
            }
            saved = Instant::now();
            save(trainer).map_err(|error| PoseError::Seam("saving a checkpoint", error))
        };
        let report = trainer.epoch_with(&recording, display, &mut after_step)?;
        display.say(&line(&report));
        if is_best(trainer.history()) || !model_path(project).exists() {
            trainer.with_average(|model| {
                save_model(model, &model_path(project)).map_err(|e| PoseError::Seam("saving the model", e))
            })?;
        }
        save(&trainer)?;
        write_losses(project, trainer.history())?;
    }
    let best = best(trainer.history()).map_or(String::new(), |best| format!("; best after epoch {}", best.epoch));
    let steps = if open > 0 { format!(" and {open} steps") } else { String::new() };
    Ok(format!("{} epochs, {resumed}{steps} of them before{best}", trainer.history().len()))
}

/// Says how long training will take, from a step of a model that is thrown away.
fn forecast(project: &Project, recording: &Recording, left: u64, display: &Display) -> Result<(), BoxError> {
    if left < LONG {
        return Ok(());
    }
    let mut trainer = Trainer::new(project.config.model(recording.grid.dims()), project.config.training())?;
    let began = Instant::now();
    trainer.step(recording, 0)?;
    let secs = began.elapsed().as_secs_f64();
    let whole = duration_text(secs * left as f64);
    display.say(&format!("training: {left} steps of {} each, about {whole}", duration_text(secs)));
    Ok(())
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
fn save_model(model: &PoseModel, path: &std::path::Path) -> Result<(), BoxError> {
    let mut store = model.to_store(DType::F16)?;
    store.set_metadata(CONFIG, serde_json::to_string(model.config())?);
    Ok(write_safetensors(path, &store)?)
}

/// The model that training has kept, or the published one.
pub(crate) fn load(project: &Project) -> Result<Box<dyn SceneModel>, BoxError> {
    let path = model_path(project);
    if project.config.compat == Compat::Reference {
        let store = open_weights(&path)?;
        let model = ReferenceModel::from_store(project.grid()?.dims(), store.as_ref());
        return Ok(Box::new(model.map_err(|source| format!("{}: {}", path.display(), error_line(&source)))?));
    }
    let store = SafetensorsStore::open(&path)?;
    let text = store.metadata(CONFIG).ok_or_else(|| format!("{}: no {CONFIG} in its header", path.display()))?;
    let config: ModelConfig = serde_json::from_str(&text)?;
    Ok(Box::new(PoseModel::from_store(config, &store)?))
}
