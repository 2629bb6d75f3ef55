//! `pretrain` and `finetune`: a network on patches of scenes.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use candle_core::Device;
use serde_json::json;
use volkit_bench::{Curve, LinePlot};
use volkit_core::{Stopped, VolumeSource};
use volkit_io::ReadOptions;
use volkit_kernels::Threads;
use volkit_psi::{
    Curriculum, FringeLoss, FringeTask, HeightNet, HeightTask, PatchData, PatchOptions, PsiSample, Split,
};
use volkit_train::{
    AdamOptions, CheckpointOptions, Ending, JsonLines, LossHistory, LossPoint, OptimizerOptions, Parameters, Precision,
    ProgressObserver, ScheduleUnit, Step as StepSchedule, Task, Trainer, TrainerOptions,
};

use super::config::{LossName, PrecisionName};
use super::report::Report;
use super::{Run, files};

/// The file of a network in the folder of its training.
pub(crate) const NETWORK: &str = "network.safetensors";
/// The same with heights in um as its output, as `tile-infer` runs it.
const NETWORK_UM: &str = "network-um.safetensors";
const KIND: &str = "psi";

/// One of the two trainings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Pretrain,
    Finetune,
}

impl Stage {
    /// Name of its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pretrain => "pretrain",
            Self::Finetune => "finetune",
        }
    }
}

/// A network whose parameters are at hand.
pub(crate) struct Network {
    pub(crate) net: HeightNet,
    pub(crate) parameters: Parameters,
}

impl Run<'_> {
    /// A network that has learnt nothing.
    pub(crate) fn new_network(&self, precision: Precision) -> Result<Network> {
        let parameters = Parameters::new(self.config.seed, &Device::Cpu);
        let channels = self.config.input_channels()?;
        let net = HeightNet::new(&self.config.network(channels), &parameters.builder(precision))?;
        Ok(Network { net, parameters })
    }

    /// The folder of a training.
    pub(crate) fn stage_folder(&self, stage: Stage) -> PathBuf {
        self.config.output_dir.join(stage.name())
    }

    fn precision(&self, report: &mut Report) -> Precision {
        match self.config.training.precision {
            PrecisionName::F32 => Precision::F32,
            PrecisionName::Bf16 => Precision::BF16,
            PrecisionName::F16 => Precision::F16,
            PrecisionName::Auto => {
                let (precision, why) = Precision::auto(&Device::Cpu);
                if let Some(why) = why {
                    report.line(format!("training in f32: {why}"));
                }
                precision
            }
        }
    }
}

/// Trains, from the beginning or, with `--resume`, from the last checkpoint.
pub(crate) fn run(run: &Run<'_>, stage: Stage, report: &mut Report) -> Result<()> {
    let (config, folder) = (&run.config, run.stage_folder(stage));
    files::make_folder(&folder)?;
    let precision = run.precision(report);
    let network = run.new_network(precision)?;
    if stage == Stage::Finetune {
        let from = run.stage_folder(Stage::Pretrain).join(NETWORK);
        network.parameters.read(&from).context("finetune begins with the network of pretrain")?;
    }
    let own = config.stage(stage);
    let mut options = TrainerOptions::new(format!("{KIND} {}", stage.name()))
        .with_optimizer(OptimizerOptions::Adam(AdamOptions::default().with_learning_rate(own.learning_rate)))
        .with_schedule(StepSchedule::new((own.epochs / 3).max(1), 0.5)?, ScheduleUnit::Epoch)
        .with_epochs(own.epochs)
        .with_batch_size(own.batch_size)
        .with_accumulation(config.training.grad_accum_steps)
        .with_clip_grad_norm(config.training.clip_grad_norm)
        .with_seed(config.seed);
    if precision.needs_scaler() {
        options = options.with_scaler(Some(Default::default()));
    }
    let mut checkpoints = CheckpointOptions::new(&folder);
    if let Some(steps) = config.training.checkpoint_steps {
        checkpoints = checkpoints.with_every_steps(steps);
    }
    let mut trainer = Trainer::new(&network.parameters, options.with_checkpoints(Some(checkpoints)))?;
    let resumed = run.args.resume && trainer.resume_last()?;
    let is_self_supervised = stage == Stage::Finetune || config.training.loss == LossName::Fringes;
    let data = run.patches(stage)?;
    let mut task: Box<dyn Task> = if is_self_supervised {
        let loss = FringeLoss::new(config.instrument(), config.training.smoothness_weight)?;
        let task = FringeTask::new(network.net.clone(), loss, Threads::new(run.args.threads));
        Box::new(match config.interface(stage) {
            Some((weight, overlap)) => task.with_interface(weight, overlap),
            None => task,
        })
    } else {
        Box::new(HeightTask::new(network.net.clone(), config.curriculum()))
    };
    let log = folder.join("log.jsonl");
    let file = OpenOptions::new().create(true).write(true).append(resumed).truncate(!resumed).open(&log);
    let mut log = JsonLines::new(file.with_context(|| format!("{}: can not write", log.display()))?);
    let (mut history, mut progress) = (LossHistory::new(), ProgressObserver::new(&run.clock));
    let trained = trainer.fit(&data, task.as_mut(), &mut [&mut progress, &mut log, &mut history])?;
    if trained.ending == Ending::Stopped {
        return Err(Stopped).context("the checkpoint is written; --resume goes on from it");
    }
    network.parameters.write(&folder.join(NETWORK))?;
    volkit_io::write_safetensors(folder.join(NETWORK_UM), &network.net.to_store(&network.parameters)?)?;
    let unit = if is_self_supervised { "grey^2" } else { "um^2" };
    let points = |all: &[LossPoint]| all.iter().map(|point| [point.epoch, point.loss]).collect();
    let curves = vec![Curve::new("steps", points(history.steps())), Curve::new("epochs", points(history.epochs()))];
    let plot = LinePlot::new(format!("{}: loss in {unit}, logarithmic", stage.name()), "epoch", curves);
    files::write_bytes(&folder.join("loss.png"), &plot.to_png()?)?;
    report.line(format!(
        "{}: {} steps, {} parameters, mean loss of the last epoch {:.4e} {unit}, {:.1} s waited for data",
        stage.name(),
        trained.steps,
        network.parameters.trained_values(),
        trained.loss.unwrap_or(f64::NAN),
        trained.waited_secs
    ));
    report.result(
        stage.name(),
        json!({ "steps": trained.steps, "epochs": trained.epochs, "loss": trained.loss, "precision": format!("{precision:?}"),
            "trained_values": network.parameters.trained_values(), "ending": trained.ending }),
    );
    Ok(())
}

impl Run<'_> {
    /// Patches of the training scenes, or of measured stacks, which have no true height.
    fn patches(&self, stage: Stage) -> Result<PatchData> {
        let (config, instrument) = (&self.config, self.config.instrument());
        let open = |path: &Path| -> Result<Arc<dyn VolumeSource>> {
            let source = files::open_stack(path).with_context(|| path.display().to_string())?;
            Ok(Arc::from(source))
        };
        let mut samples = Vec::new();
        for stack in &config.training.stacks {
            samples.push(PsiSample { images: open(stack)?, height: None });
        }
        if samples.is_empty() {
            for scene in config.files(Split::Train) {
                let height = volkit_io::open_array(&scene.height, &ReadOptions::default());
                let height: Arc<dyn VolumeSource> = Arc::from(height.context("run `generate` first")?);
                samples.push(PsiSample { images: Arc::from(scene.open(instrument.channels())?), height: Some(height) });
            }
        } else {
            let is_supervised = stage == Stage::Pretrain && config.training.loss == LossName::Height;
            ensure!(
                !is_supervised,
                "training.stacks have no true height: pretrain on scenes, or with loss = \"fringes\""
            );
        }
        let options = PatchOptions::new(config.training.patch_size)
            .with_augmented(config.training.augment)
            .with_seed(config.seed);
        let n_samples = samples.len();
        let n_patches = config.training.patches_per_epoch.unwrap_or(n_samples);
        let mut data = PatchData::new(samples, &instrument, config.solver()?, options)?
            .with_input(config.net_input())
            .with_patches_per_epoch(n_patches);
        if stage == Stage::Pretrain {
            let curriculum = config.curriculum();
            if curriculum != Curriculum::default() {
                data = data.with_curriculum(curriculum)?;
            }
        }
        if let Some((_, overlap)) = config.interface(stage) {
            data = data.with_neighbours(overlap);
        }
        Ok(data)
    }
}
