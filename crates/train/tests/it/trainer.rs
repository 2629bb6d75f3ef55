//! Whole runs: the same bits after an interruption, big batches in parts, averages, skipped steps.

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Linear, Module as _};
use volkit_core::BoxError;
use volkit_train::{
    AdamOptions, BatchRequest, Checkpoint, CheckpointArray, CheckpointOptions, Cosine, DataSet, Ending, Event,
    GradScalerOptions, Loss, Moment, NonFinite, Observer, OptimizerOptions, Parameters, Precision, ScheduleUnit,
    SgdOptions, Task, TrainError, TrainReport, Trainer, TrainerOptions,
};

/// Points of a curve, drawn anew in each epoch.
pub(crate) struct Curve(pub(crate) usize);

impl DataSet for Curve {
    fn len(&self) -> usize {
        self.0
    }

    fn batch(&self, request: &BatchRequest) -> Result<Vec<Tensor>, BoxError> {
        let x: Vec<f32> = request.samples.iter().map(|&i| request.random(i).range(-1.0, 1.0) as f32).collect();
        let x = Tensor::from_vec(x, (request.samples.len(), 1), &Device::Cpu)?;
        Ok(vec![x.clone(), x.affine(3.0, 0.0)?.sin()?])
    }
}

/// Two layers, the squares of the differences as loss, and a weight that the task changes itself.
pub(crate) struct Fit {
    layers: [Linear; 2],
    weight: f64,
    /// The call of `loss`, counted from 0, that fails or gives NaN.
    pub(crate) fails_at: Option<usize>,
    pub(crate) nan_at: Vec<usize>,
    calls: usize,
    dtype: DType,
}

impl Fit {
    pub(crate) fn new(parameters: &Parameters, precision: Precision) -> Self {
        let vb = parameters.builder(precision);
        let layers = [
            candle_nn::linear(1, 8, vb.pp("first")).unwrap(),
            candle_nn::linear(8, 1, vb.pp("second").to_dtype(DType::F32)).unwrap(),
        ];
        Self { layers, weight: 1.0, fails_at: None, nan_at: Vec::new(), calls: 0, dtype: precision.dtype() }
    }
}

impl Task for Fit {
    fn loss(&mut self, batch: &[Tensor], moment: &Moment) -> Result<Loss, BoxError> {
        self.calls += 1;
        if self.fails_at == Some(self.calls - 1) {
            return Err("the power failed".into());
        }
        let hidden = self.layers[0].forward(&batch[0].to_dtype(self.dtype)?)?.tanh()?.to_dtype(DType::F32)?;
        let mut loss = (self.layers[1].forward(&hidden)? - &batch[1])?.sqr()?.mean_all()?;
        if self.nan_at.contains(&(self.calls - 1)) {
            loss = loss.affine(f64::NAN, 0.0)?;
        }
        assert_eq!(moment.samples, batch[0].dim(0)?);
        self.weight *= 0.99;
        Ok(Loss::new(loss.affine(self.weight, 0.0)?).with_part("weight", self.weight))
    }

    fn save(&self, checkpoint: &mut Checkpoint) {
        checkpoint.set_array("task.weight", CheckpointArray::F64 { shape: vec![1], values: vec![self.weight] });
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), BoxError> {
        let Some(CheckpointArray::F64 { values, .. }) = checkpoint.array("task.weight") else {
            return Err("no weight".into());
        };
        self.weight = values[0];
        Ok(())
    }
}

/// Ends a run after so many steps, and keeps what it hears.
#[derive(Default)]
pub(crate) struct Listener {
    stop_after: Option<u64>,
    pub(crate) losses: Vec<f64>,
    pub(crate) notes: Vec<String>,
    pub(crate) rates: Vec<f64>,
}

impl Observer for Listener {
    fn observe(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, BoxError> {
        match event {
            Event::Step(record) => {
                self.losses.push(record.loss);
                self.rates.push(record.learning_rate);
                if self.stop_after.is_some_and(|stop| record.step + 1 >= stop) {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Event::Note(text) => self.notes.push((*text).to_owned()),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn options() -> TrainerOptions {
    TrainerOptions::new("curve")
        .with_optimizer(OptimizerOptions::Adam(AdamOptions::default().with_learning_rate(0.02)))
        .with_schedule(Cosine::new(40, 0.1).unwrap(), ScheduleUnit::Step)
        .with_batch_size(4)
        .with_accumulation(3)
        .with_epochs(4)
        .with_ema_decay(Some(0.9))
        .with_clip_grad_norm(Some(0.7))
        .with_early_stopping(Some((50, 1e-6)))
        .with_seed(11)
}

/// Every number that a run ends with.
fn all(parameters: &Parameters, trainer: &Trainer) -> Vec<u32> {
    let values = |names: &[String]| -> Vec<u32> {
        names.iter().flat_map(|name| parameters.values(name).unwrap()).map(f32::to_bits).collect()
    };
    let mut bits = values(&parameters.names());
    trainer.use_averages().unwrap();
    bits.extend(values(&parameters.names()));
    bits
}

fn run(options: TrainerOptions, n: usize) -> (Result<TrainReport, TrainError>, Vec<u32>, Vec<f64>) {
    let parameters = Parameters::new(3, &Device::Cpu);
    let mut task = Fit::new(&parameters, Precision::F32);
    let mut trainer = Trainer::new(&parameters, options).unwrap();
    let mut listener = Listener::default();
    let report = trainer.fit(&Curve(n), &mut task, &mut [&mut listener]);
    (report, all(&parameters, &trainer), listener.losses)
}

#[test]
fn a_run_that_is_interrupted_anywhere_ends_in_the_same_bits() {
    // 30 samples, 8 batches, steps of 3, 3 and 2 batches; the last batch has 2 samples.
    let (report, whole, losses) = run(options(), 30);
    let report = report.unwrap();
    assert_eq!((report.ending, report.epochs, report.steps, losses.len()), (Ending::Finished, 4, 12, 12));
    for fails_at in [0, 1, 2, 3, 5, 7, 8, 13, 23, 31] {
        let folder = tempfile::tempdir().unwrap();
        let to = CheckpointOptions::new(folder.path()).with_every_steps(1);
        let with = options().with_checkpoints(Some(to));
        let parameters = Parameters::new(3, &Device::Cpu);
        let mut task = Fit::new(&parameters, Precision::F32);
        task.fails_at = Some(fails_at);
        let error = Trainer::new(&parameters, with.clone()).unwrap().fit(&Curve(30), &mut task, &mut []).unwrap_err();
        assert_eq!(error.to_string(), "the loss failed");
        // Another process: everything is made anew, from another seed.
        let parameters = Parameters::new(4, &Device::Cpu);
        let mut task = Fit::new(&parameters, Precision::F32);
        let mut trainer = Trainer::new(&parameters, with).unwrap();
        let resumed = trainer.resume_last().unwrap();
        assert_eq!(resumed, fails_at > 2, "no step was complete before batch 3");
        if !resumed {
            continue;
        }
        let report = trainer.fit(&Curve(30), &mut task, &mut []).unwrap();
        assert_eq!((report.epochs, report.steps), (4, 12), "cut at {fails_at}");
        assert!(all(&parameters, &trainer) == whole, "cut at {fails_at}");
    }
}

#[test]
fn an_observer_ends_a_run_that_goes_on_later() {
    let (_, whole, losses) = run(options(), 30);
    let folder = tempfile::tempdir().unwrap();
    let with = || options().with_checkpoints(Some(CheckpointOptions::new(folder.path())));
    let mut heard = Vec::new();
    for stop_after in [2, 3, 7, 100] {
        let parameters = Parameters::new(3, &Device::Cpu);
        let mut task = Fit::new(&parameters, Precision::F32);
        let mut trainer = Trainer::new(&parameters, with()).unwrap();
        trainer.resume_last().unwrap();
        let mut listener = Listener { stop_after: Some(stop_after), ..Listener::default() };
        let report = trainer.fit(&Curve(30), &mut task, &mut [&mut listener]).unwrap();
        heard.extend(listener.losses);
        if stop_after < 100 {
            assert_eq!((report.ending, report.steps), (Ending::Stopped, stop_after));
        } else {
            assert_eq!((report.ending, report.steps), (Ending::Finished, 12));
            assert!(all(&parameters, &trainer) == whole);
        }
    }
    assert_eq!(heard, losses);
    // There is nothing left to do.
    let parameters = Parameters::new(3, &Device::Cpu);
    let mut task = Fit::new(&parameters, Precision::F32);
    let mut trainer = Trainer::new(&parameters, with()).unwrap();
    assert!(trainer.resume_last().unwrap());
    assert_eq!(trainer.fit(&Curve(30), &mut task, &mut []).unwrap().steps, 12);
}

#[test]
fn parts_of_a_batch_make_the_step_of_the_whole() {
    let plain = |batch, parts| {
        let options = TrainerOptions::new("curve")
            .with_optimizer(OptimizerOptions::Sgd(SgdOptions::new(0.1)))
            .with_batch_size(batch)
            .with_accumulation(parts)
            .with_epochs(2);
        let parameters = Parameters::new(3, &Device::Cpu);
        let mut task = Fit::new(&parameters, Precision::F32);
        task.weight = 1.0;
        let mut trainer = Trainer::new(&parameters, options).unwrap();
        let mut listener = Listener::default();
        trainer.fit(&Curve(10), &mut Steady(task), &mut [&mut listener]).unwrap();
        let values: Vec<f32> = parameters.names().iter().flat_map(|name| parameters.values(name).unwrap()).collect();
        (values, listener.losses)
    };
    // The last part of an epoch has 2 samples where the others have 4: it counts half as much.
    let ((whole, losses), (parts, losses_of_parts)) = (plain(10, 1), plain(4, 3));
    assert_eq!(losses.len(), 2);
    for (a, b) in losses.iter().zip(&losses_of_parts) {
        assert!((a - b).abs() <= 1e-5 * a.abs(), "{a} {b}");
    }
    let largest = whole.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() <= 1e-5 * largest));
}

/// A task whose weight does not change.
struct Steady(Fit);

impl Task for Steady {
    fn loss(&mut self, batch: &[Tensor], moment: &Moment) -> Result<Loss, BoxError> {
        self.0.weight = 1.0 / 0.99;
        self.0.loss(batch, moment)
    }
}

#[test]
fn numbers_that_are_not_finite_end_or_skip() {
    let with = |policy, nan_at: Vec<usize>| {
        let parameters = Parameters::new(3, &Device::Cpu);
        let mut task = Fit::new(&parameters, Precision::F32);
        task.nan_at = nan_at;
        let mut trainer = Trainer::new(&parameters, options().with_epochs(1).with_non_finite(policy)).unwrap();
        let mut listener = Listener::default();
        let report = trainer.fit(&Curve(30), &mut task, &mut [&mut listener]);
        (report, listener)
    };
    let (report, _) = with(NonFinite::Stop, vec![4]);
    assert!(matches!(report, Err(TrainError::Loss { step: 1, .. })), "{report:?}");
    let (report, listener) = with(NonFinite::Skip, vec![0, 1]);
    let report = report.unwrap();
    assert_eq!((report.steps, report.skipped, listener.notes.len()), (3, 2, 1));
    assert!(report.loss.unwrap().is_finite());
    // Skipped steps do not advance the schedule.
    assert_eq!(listener.rates, [0.02; 3]);
    let (report, _) = with(NonFinite::Skip, vec![0, 1, 2]);
    assert!(matches!(report, Err(TrainError::Loss { .. })), "an epoch of nothing else: {report:?}");
}

#[test]
fn sixteen_bits_follow_masters_of_thirty_two() {
    for (precision, scaler) in
        [(Precision::BF16, None), (Precision::F16, Some(GradScalerOptions::default().with_initial_scale(1024.0)))]
    {
        let parameters = Parameters::new(3, &Device::Cpu);
        let mut task = Fit::new(&parameters, precision);
        assert_eq!(parameters.var("first.weight").unwrap().dtype(), precision.dtype());
        assert_eq!(parameters.var("second.weight").unwrap().dtype(), DType::F32);
        let f32_start = Parameters::new(3, &Device::Cpu);
        let _ = Fit::new(&f32_start, Precision::F32);
        assert_eq!(parameters.values("first.weight").unwrap(), f32_start.values("first.weight").unwrap());
        // Steps far below the spacing of 16 bits must add up in the master.
        let sgd = OptimizerOptions::Sgd(SgdOptions::new(1e-5));
        let options = TrainerOptions::new("curve").with_optimizer(sgd).with_epochs(20).with_scaler(scaler);
        let before = parameters.values("first.weight").unwrap();
        let mut trainer = Trainer::new(&parameters, options).unwrap();
        let report = trainer.fit(&Curve(32), &mut task, &mut []).unwrap();
        assert_eq!(report.skipped, 0);
        let after = parameters.values("first.weight").unwrap();
        let copy: Vec<f32> = parameters
            .var("first.weight")
            .unwrap()
            .to_dtype(DType::F32)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        for ((before, after), copy) in before.iter().zip(&after).zip(copy) {
            assert!(before != after, "a step of 16 bits is lost");
            assert!((after - copy).abs() <= after.abs() / 128.0);
        }
    }
}

#[test]
fn the_best_epoch_comes_back() {
    /// Gets better for two epochs, then worse.
    struct Judge(Fit);
    impl Task for Judge {
        fn loss(&mut self, batch: &[Tensor], moment: &Moment) -> Result<Loss, BoxError> {
            self.0.loss(batch, moment)
        }
        fn validate(&mut self, epoch: u64) -> Result<Option<f64>, BoxError> {
            Ok(Some([3.0, 2.0, 5.0, 4.0, 4.5, 6.0][epoch as usize]))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let to = CheckpointOptions::new(folder.path());
    let options =
        TrainerOptions::new("curve").with_epochs(6).with_early_stopping(Some((3, 0.0))).with_checkpoints(Some(to));
    let parameters = Parameters::new(3, &Device::Cpu);
    let mut task = Judge(Fit::new(&parameters, Precision::F32));
    let report = Trainer::new(&parameters, options).unwrap().fit(&Curve(8), &mut task, &mut []).unwrap();
    assert_eq!((report.ending, report.epochs, report.best), (Ending::NoImprovement, 5, Some((1, 2.0))));
    let ended = parameters.values("first.weight").unwrap();
    parameters.read_checkpoint(&folder.path().join("last.safetensors"), "curve").unwrap();
    assert_ne!(parameters.values("first.weight").unwrap(), ended);
    parameters.read_checkpoint(&folder.path().join("best.safetensors"), "curve").unwrap();
    assert_eq!(parameters.values("first.weight").unwrap(), ended);
}

#[test]
fn other_runs_and_short_data_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let to = || Some(CheckpointOptions::new(folder.path()));
    let (report, _, _) = run(options().with_epochs(1).with_checkpoints(to()), 3);
    assert_eq!(report.unwrap_err().to_string(), "the data has 3 samples, a batch needs 4");
    run(options().with_epochs(1).with_checkpoints(to()), 30).0.unwrap();
    let last = folder.path().join("last.safetensors");
    let resumed = |options: TrainerOptions, n| {
        let parameters = Parameters::new(3, &Device::Cpu);
        let mut task = Fit::new(&parameters, Precision::F32);
        let mut trainer = Trainer::new(&parameters, options).unwrap();
        trainer.resume(&last)?;
        trainer.fit(&Curve(n), &mut task, &mut [])
    };
    let refused = |options, n| resumed(options, n).unwrap_err().to_string();
    assert_eq!(refused(options(), 31), "state 'samples': is 30 in the checkpoint, 31 here");
    assert_eq!(refused(options().with_seed(1), 30), "state 'seed': is 11 in the checkpoint, 1 here");
    let sgd = OptimizerOptions::Sgd(SgdOptions::new(0.1));
    assert_eq!(refused(options().with_optimizer(sgd), 30), "state 'optimizer': is adam in the checkpoint, sgd here");
    assert!(refused(TrainerOptions::new("plane"), 30).ends_with("a checkpoint of \"curve\", expected \"plane\""));
    assert!(resumed(options(), 30).is_ok());
    let wider = Parameters::new(3, &Device::Cpu);
    candle_nn::linear(1, 9, wider.builder(Precision::F32).pp("first")).unwrap();
    let error = wider.read_checkpoint(&last, "curve").unwrap_err().to_string();
    assert_eq!(error, "state 'second.bias': is in the checkpoint but not in the network");
    check_folder_that_is_a_file(folder.path());
}

fn check_folder_that_is_a_file(folder: &Path) {
    let file = folder.join("file");
    std::fs::write(&file, "x").unwrap();
    let (report, _, _) = run(options().with_epochs(1).with_checkpoints(Some(CheckpointOptions::new(&file))), 30);
    assert!(matches!(report, Err(TrainError::Io { .. })), "{report:?}");
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
}

#[test]
fn options_out_of_range_are_named() {
    let parameters = Parameters::new(3, &Device::Cpu);
    let empty = Trainer::new(&parameters, options()).unwrap_err().to_string();
    assert_eq!(empty, "state 'parameters': the network has none that is trained");
    let _ = Fit::new(&parameters, Precision::F32);
    let refused = |options| Trainer::new(&parameters, options).unwrap_err().to_string();
    assert!(refused(options().with_epochs(0)).starts_with("Trainer: epochs = 0"));
    assert!(refused(options().with_batch_size(0)).starts_with("Trainer: batch_size = 0"));
    assert!(refused(options().with_clip_grad_norm(Some(-1.0))).starts_with("Trainer: clip_grad_norm = -1"));
    assert!(refused(options().with_ema_decay(Some(1.0))).starts_with("Trainer: ema_decay = 1"));
    assert_eq!(parameters.set_trained("first", false), 2);
    assert_eq!(parameters.trained_values(), 9);
}
