//! Patches, networks and tasks.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use volkit_core::{Affine, Batch, Predictor as _, Volume, VolumeSource};
use volkit_kernels::{Isa, Threads};
use volkit_psi::{
    ClosedForm, ClosedFormOptions, Curriculum, FringeLoss, FringeTask, HeightNet, HeightNetConfig, HeightTask,
    Interferometer, NetInput, NetKind, PatchData, PatchOptions, PinnConfig, PinnProblem, PsiSample, PsiScene,
    ScaledCpikanConfig, Sensor, SimpleUNet, UNetPredictor, network_input,
};
use volkit_train::{
    AdamOptions, BatchRequest, DataSet as _, LbfgsOptions, LineSearch, LossHistory, OptimizerOptions, Parameters,
    Precision, Trainer, TrainerOptions,
};

use crate::net::noise;

const EDGE: usize = 20;

fn solver(instrument: &Interferometer) -> ClosedForm {
    ClosedForm::new(instrument, ClosedFormOptions::default()).unwrap()
}

fn samples(instrument: &Interferometer, with_height: bool) -> Vec<PsiSample> {
    let truth = PsiScene::reference().height_um([EDGE, EDGE]);
    let greys = Sensor::default().record(instrument, &truth, 0).unwrap();
    let images = Volume::new([EDGE, EDGE, instrument.channels()], greys, Affine::IDENTITY).unwrap();
    let height: Arc<dyn VolumeSource> = Arc::new(Volume::new([EDGE, EDGE], truth, Affine::IDENTITY).unwrap());
    vec![PsiSample { images: Arc::new(images), height: with_height.then_some(height) }]
}

fn data(with_height: bool) -> PatchData {
    let instrument = Interferometer::default();
    let options = PatchOptions::new(6).with_seed(2);
    PatchData::new(samples(&instrument, with_height), &instrument, solver(&instrument), options).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_batch_is_greys_and_their_heights() {
    let instrument = Interferometer::default();
    let data = data(true).with_patches_per_epoch(5).with_neighbours(2);
    assert_eq!((data.len(), data.input_channels()), (5, 16));
    let request = BatchRequest::new(3, vec![0, 4], 9);
    let batch = data.batch(&request).unwrap();
    let shapes: Vec<Vec<usize>> = batch.iter().map(|tensor| tensor.dims().to_vec()).collect();
    assert_eq!(shapes, [vec![2, 16, 6, 6], vec![2, 16, 6, 6], vec![2, 1, 6, 6], vec![2, 16, 6, 6], vec![2, 16, 6, 6]]);
    // The heights give the greys, but for what 8 bits cut off.
    let heights: Vec<f64> = values(&batch[2]).iter().map(|h| f64::from(*h)).collect();
    let greys = [instrument.images(&heights[..36]), instrument.images(&heights[36..])].concat();
    let cut = greys.iter().zip(values(&batch[1])).map(|(a, b)| a - f64::from(b));
    assert!(cut.into_iter().all(|cut| (-0.01..1.01).contains(&cut)));
    // The input is their fringes.
    assert!(values(&batch[0]).iter().zip(values(&batch[1])).all(|(x, grey)| (x * 100.0 + 128.0 - grey).abs() < 1e-3));
    // Neighbours share two columns.
    let [left, right] = [batch[3].narrow(3, 4, 2), batch[4].narrow(3, 0, 2)].map(|part| values(&part.unwrap()));
    assert_eq!(left, right);
    assert_eq!(values(&data.batch(&request).unwrap()[0]), values(&batch[0]));
    assert_ne!(values(&data.batch(&BatchRequest::new(4, vec![0, 4], 9)).unwrap()[0]), values(&batch[0]));
}

#[test]
fn beats_are_angles_of_the_height() {
    let instrument = Interferometer::default();
    let solver = solver(&instrument);
    let greys: Vec<f32> = instrument.images(&[3.0, 17.5]).iter().map(|grey| *grey as f32).collect();
    let beats = network_input(NetInput::Beats, &instrument, &solver, &greys).unwrap();
    assert_eq!(beats.len(), 2 * solver.n_beats() * 2);
    for pair in beats.chunks(4) {
        assert!((0..2).all(|i| (pair[i].hypot(pair[2 + i]) - 1.0).abs() < 1e-6), "{pair:?}");
    }
    // Coarsest first: from 3 to 17.5 um it turns by less than half a period of at least 50 um.
    let angle = |i: usize| beats[2 + i].atan2(beats[i]);
    let turned = (angle(1) - angle(0)).rem_euclid(std::f32::consts::TAU);
    let turned = turned.min(std::f32::consts::TAU - turned);
    assert!(turned > 0.1 && turned < std::f32::consts::TAU * 14.6 / 50.0, "{turned}");
}

#[test]
fn coarse_patches_are_averages_of_heights() {
    let curriculum = Curriculum { stages: vec![(2, 2, 0.5), (1, 1, 2.0)] };
    assert_eq!(
        (curriculum.at(0), curriculum.at(1), curriculum.at(2), curriculum.at(9)),
        ((2, 0.5), (2, 0.5), (1, 2.0), (1, 2.0))
    );
    assert_eq!(Curriculum::default().at(7), (1, 1.0));
    let data = data(true).with_curriculum(curriculum.clone()).unwrap();
    let batch = data.batch(&BatchRequest::new(0, vec![0], 1)).unwrap();
    let heights: Vec<f64> = values(&batch[2]).iter().map(|h| f64::from(*h)).collect();
    let greys = Interferometer::default().images(&heights);
    let cut = greys.iter().zip(values(&batch[1])).map(|(a, b)| a - f64::from(b));
    assert!(cut.into_iter().all(|cut| (-0.01..1.01).contains(&cut)));
    let refused = |curriculum| data_without_height().with_curriculum(curriculum).err().unwrap().to_string();
    assert!(refused(curriculum).contains("curriculum = 2"));
    assert!(refused(Curriculum { stages: vec![(0, 1, 1.0)] }).contains("at least 1"));
    let far = Curriculum { stages: vec![(4, 1, 1.0)] };
    assert!(self::data(true).with_curriculum(far).err().unwrap().to_string().contains("patch_size = 24"));
}

fn data_without_height() -> PatchData {
    data(false)
}

#[test]
fn what_is_trained_runs_on_the_kernels() {
    let parameters = Parameters::new(4, &Device::Cpu);
    let config =
        HeightNetConfig::new(3).with_kind(NetKind::Chain { hidden: vec![8] }).with_height_range_um([-2.0, 6.0]);
    let net = HeightNet::new(&config, &parameters.builder(Precision::F32)).unwrap();
    assert_eq!(parameters.names(), ["0.bias", "0.weight", "2.bias", "2.weight"]);
    let input = noise(3 * 7 * 9);
    let trained = net.predict(&input, [7, 9]).unwrap();
    let mut model = SimpleUNet::from_store(&net.to_store(&parameters).unwrap(), Isa::detect()).unwrap().predictor();
    let run = model.predict(&Batch::new([1, 3, 7, 9], input).unwrap()).unwrap().remove(0);
    let near = run.values().iter().zip(&trained).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(near && trained.len() == 63, "{:?} {:?}", &run.values()[..4], &trained[..4]);
    let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
    let refused = HeightNet::new(&config.clone().with_kind(NetKind::Chain { hidden: vec![0] }), &vb);
    assert!(refused.unwrap_err().to_string().contains("channels"));
    let refused = HeightNet::new(&config.clone().with_height_range_um([1.0, 1.0]), &vb);
    assert!(refused.unwrap_err().to_string().contains("height_range_um = [1, 1]"));
    let zeros = HeightNet::new(&config, &vb).unwrap().predict(&[0.5; 12], [2, 2]).unwrap();
    assert_eq!(zeros, [2.0; 4]);
}

#[test]
fn a_u_net_is_the_same_with_blocks_computed_again() {
    let data = data(true).with_patches_per_epoch(2);
    let batch = data.batch(&BatchRequest::new(0, vec![0, 1], 1)).unwrap();
    let loss = |checkpoint: bool| {
        let parameters = Parameters::new(1, &Device::Cpu);
        let kind = NetKind::UNet(volkit_nn3d::UNet2dConfig::new(1, 1).with_width(4).with_depth(1));
        let config = HeightNetConfig::new(16).with_kind(kind).with_checkpoint(checkpoint);
        let net = HeightNet::new(&config, &parameters.builder(Precision::F32)).unwrap();
        let heights = net.forward(&batch[0], true).unwrap();
        assert_eq!(heights.dims(), [2, 1, 6, 6]);
        values(&heights)
    };
    assert_eq!(loss(false), loss(true));
}

#[test]
fn a_u_net_from_a_store_gives_the_heights_of_the_trained_one() {
    for (depth, bilinear) in [(2, true), (1, false)] {
        let parameters = Parameters::new(3, &Device::Cpu);
        let net = volkit_nn3d::UNet2dConfig::new(1, 1).with_width(4).with_depth(depth).with_bilinear(bilinear);
        let config = HeightNetConfig::new(2).with_kind(NetKind::UNet(net)).with_height_range_um([-2.0, 6.0]);
        let net = HeightNet::new(&config, &parameters.builder(Precision::F32)).unwrap();
        let image: Vec<f32> = (0..2 * 9 * 7).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
        let mut store = net.to_store(&parameters).unwrap();
        assert!(UNetPredictor::recognises(&store));
        let mut model = UNetPredictor::from_store(&store).unwrap();
        let config = model.config();
        assert_eq!((config.channels, config.width, config.depth, config.bilinear), (2, 4, depth, bilinear));
        let two = [image.as_slice(), &image].concat();
        let got = model.predict(&Batch::new([2, 2, 9, 7], two).unwrap()).unwrap().remove(0);
        let wanted = net.predict(&image, [9, 7]).unwrap();
        assert_eq!(got.shape(), [2, 1, 9, 7]);
        let worst =
            got.values().iter().zip(wanted.iter().cycle()).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 1e-5, "{worst}");
        assert!(model.predict(&Batch::new([1, 3, 9, 7], vec![0.0; 189]).unwrap()).is_err());
        // A network with something more is another one.
        store.insert("up1.attention.weight", volkit_core::Array::new([1], vec![1.0f32]).unwrap());
        let error = UNetPredictor::from_store(&store).unwrap_err().to_string();
        assert!(error.contains("tensor 'up1.attention.weight'"), "{error}");
    }
    let chain = SimpleUNet::initial_weights(&[2, 4, 1], 1).unwrap();
    assert!(!UNetPredictor::recognises(&chain) && UNetPredictor::from_store(&chain).is_err());
}

fn fit(task: &mut dyn volkit_train::Task, data: &PatchData, parameters: &Parameters, rate: f64) -> Vec<f64> {
    let adam = OptimizerOptions::Adam(AdamOptions::default().with_learning_rate(rate));
    let options = TrainerOptions::new("test").with_optimizer(adam).with_epochs(30).with_batch_size(4);
    let mut history = LossHistory::new();
    Trainer::new(parameters, options).unwrap().fit(data, task, &mut [&mut history]).unwrap();
    history.epochs().iter().map(|point| point.loss).collect()
}

#[test]
fn both_losses_fall() {
    let instrument = Interferometer::default();
    let data = data(true).with_patches_per_epoch(8).with_input(NetInput::Beats);
    let parameters = Parameters::new(1, &Device::Cpu);
    let config = HeightNetConfig::new(data.input_channels()).with_kind(NetKind::Chain { hidden: vec![8] });
    let net = HeightNet::new(&config, &parameters.builder(Precision::F32)).unwrap();
    let losses = fit(&mut HeightTask::new(net.clone(), Curriculum::default()), &data, &parameters, 1e-2);
    assert!(losses[29] < 0.2 * losses[0], "{losses:?}");
    let loss = FringeLoss::new(instrument, 1e-4).unwrap();
    let mut task = FringeTask::new(net, loss, Threads::single()).with_interface(0.1, 2);
    let losses = fit(&mut task, &data.with_neighbours(2), &parameters, 1e-3);
    assert!(losses[29] < losses[0], "{losses:?}");
}

#[test]
fn a_scene_as_a_function_of_coordinates() {
    let instrument = Interferometer::default();
    // Within a quarter of a wavelength of the middle, where the data term leads home.
    let truth: Vec<f64> = (0..64).map(|i| 15.0 + 0.4 * f64::from(i % 8) / 7.0).collect();
    let greys: Vec<f32> = instrument.images(&truth).iter().map(|grey| *grey as f32).collect();
    let parameters = Parameters::new(5, &Device::Cpu);
    let network = ScaledCpikanConfig::default().with_widths([2, 6, 1]).with_degree(3);
    let config = PinnConfig::default().with_network(network).with_height_range_um([14.5, 15.5]);
    let problem = PinnProblem::new(&config, &instrument, (greys.clone(), [8, 8]), &parameters).unwrap();
    let adam = OptimizerOptions::Adam(AdamOptions::default().with_learning_rate(1e-2));
    let options = TrainerOptions::new("pinn").with_optimizer(adam).with_epochs(80).with_batch_size(1);
    Trainer::new(&parameters, options).unwrap().fit(&problem, &mut &problem, &mut []).unwrap();
    let error = |problem: &PinnProblem| {
        let got = problem.height_um().unwrap();
        got.iter().zip(&truth).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let after_adam = error(&problem);
    let options = LbfgsOptions::default().with_limits(20, None).with_line_search(LineSearch::StrongWolfe);
    let losses = problem.refine(&parameters, options, 3).unwrap();
    assert!(losses.len() == 3 && losses[2] <= losses[0], "{losses:?}");
    let refined = error(&problem);
    assert!(refined < 0.1 && refined <= after_adam, "{after_adam} {refined}");
    let wrong = PinnProblem::new(&config, &instrument, (greys, [8, 9]), &parameters);
    assert!(wrong.err().unwrap().to_string().contains("expected 1152"));
}
