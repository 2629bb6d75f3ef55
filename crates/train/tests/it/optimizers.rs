//! Methods of the first order: single steps by hand, and states that go on.

use volkit_train::conformance::check_optimizer;
use volkit_train::{
    Adam, AdamMoments, AdamOptions, Ema, Optimizer, Parameter, Sgd, SgdOptions, TrainError, WeightDecay,
};

fn step<T: volkit_train::Real>(optimizer: &mut dyn Optimizer<T>, arrays: &mut [Vec<T>], gradients: &[Vec<T>]) {
    let mut parameters: Vec<_> = arrays
        .iter_mut()
        .zip(gradients)
        .map(|(values, gradient)| Parameter { values: values.as_mut_slice(), gradient })
        .collect();
    optimizer.step(&mut parameters).unwrap();
}

/// Makes an optimiser.
type Make = Box<dyn Fn() -> Box<dyn Optimizer<f32>>>;

fn all() -> Vec<Make> {
    let adam = AdamOptions::default().with_learning_rate(0.01);
    let variants = [
        adam,
        adam.with_amsgrad(true),
        adam.with_weight_decay(WeightDecay::L2(0.1)),
        adam.with_weight_decay(WeightDecay::Decoupled(0.1)).with_betas([0.5, 0.7]).with_epsilon(1e-3),
    ];
    let mut all: Vec<Make> = Vec::new();
    for options in variants {
        all.push(Box::new(move || Box::new(Adam::new(options).unwrap())));
    }
    let sgd = SgdOptions::new(0.1).with_momentum(0.9).with_weight_decay(0.01);
    all.push(Box::new(move || Box::new(Sgd::new(sgd).unwrap())));
    all
}

#[test]
fn the_first_step_of_adam_is_the_rate_along_the_sign() {
    let mut adam = Adam::new(AdamOptions::default().with_learning_rate(0.1)).unwrap();
    let mut arrays = vec![vec![1.0_f64, 1.0], vec![1.0]];
    step(&mut adam, &mut arrays, &[vec![0.5, -1e3], vec![0.0]]);
    assert!((arrays[0][0] - 0.9).abs() < 1e-8 && (arrays[0][1] - 1.1).abs() < 1e-8);
    assert_eq!(arrays[1], [1.0]);
}

#[test]
fn weights_decay_with_the_gradient_or_beside_it() {
    let adam = AdamOptions::default().with_learning_rate(0.1);
    let run = |decay| {
        let mut adam = Adam::new(adam.with_weight_decay(decay)).unwrap();
        let mut arrays = vec![vec![2.0_f64]];
        step(&mut adam, &mut arrays, &[vec![0.0]]);
        arrays[0][0]
    };
    // As part of the gradient it is all of it, whose size does not count.
    assert!((run(WeightDecay::L2(0.5)) - 1.9).abs() < 1e-7);
    assert!((run(WeightDecay::Decoupled(0.5)) - 2.0 * 0.95).abs() < 1e-12);
}

#[test]
fn momentum_keeps_going() {
    let mut sgd = Sgd::new(SgdOptions::new(0.5).with_momentum(0.5)).unwrap();
    let mut arrays = vec![vec![0.0_f64]];
    step(&mut sgd, &mut arrays, &[vec![1.0]]);
    assert_eq!(arrays[0], [-0.5]);
    step(&mut sgd, &mut arrays, &[vec![0.0]]);
    assert_eq!(arrays[0], [-0.75]);
}

#[test]
fn amsgrad_remembers_the_largest_moment() {
    let run = |amsgrad| {
        let options = AdamOptions::default().with_learning_rate(0.1).with_betas([0.0, 0.5]).with_amsgrad(amsgrad);
        let mut adam = Adam::new(options).unwrap();
        let mut arrays = vec![vec![0.0_f64]];
        step(&mut adam, &mut arrays, &[vec![10.0]]);
        let before = arrays[0][0];
        step(&mut adam, &mut arrays, &[vec![0.1]]);
        before - arrays[0][0]
    };
    assert!(run(true) < 0.8 * run(false));
}

#[test]
fn all_keep_what_the_trait_promises() {
    all().iter().for_each(|make| check_optimizer(make.as_ref()));
}

#[test]
fn arrays_must_stay_what_they_were() {
    for make in all() {
        let mut optimizer = make();
        let (mut a, mut b) = ([0.0; 2], [0.0; 3]);
        let error = optimizer.step(&mut [Parameter { values: &mut a, gradient: &b }]).unwrap_err();
        assert!(matches!(error, TrainError::Length { index: 0, got: 3, wanted: 2, .. }), "{error}");
        optimizer.step(&mut [Parameter { values: &mut a, gradient: &[0.0; 2] }]).unwrap();
        let error = optimizer.step(&mut [Parameter { values: &mut b, gradient: &[0.0; 3] }]).unwrap_err();
        assert!(matches!(error, TrainError::Length { got: 3, wanted: 2, .. }), "{error}");
        let error = optimizer.step(&mut []).unwrap_err();
        assert!(matches!(error, TrainError::Arrays { got: 0, wanted: 1, .. }), "{error}");
        let mut state = optimizer.state();
        state.steps = 1;
        if let Some((_, _, values)) = state.arrays.iter_mut().find(|(name, ..)| name == "second_moment") {
            values.pop();
            assert!(optimizer.restore(state).unwrap_err().to_string().contains("moments of one array differ"));
        }
    }
}

#[test]
fn options_have_ranges() {
    let adam = |options| Adam::<f32>::new(options).unwrap_err().to_string();
    let base = AdamOptions::default();
    assert_eq!(adam(base.with_learning_rate(-1.0)), "Adam: learning_rate = -1, not negative");
    assert_eq!(adam(base.with_betas([0.9, 1.0])), "Adam: betas = 1, at least 0 and below 1");
    assert_eq!(adam(base.with_epsilon(f64::NAN)), "Adam: epsilon = NaN, not negative");
    assert_eq!(adam(base.with_weight_decay(WeightDecay::Decoupled(-0.1))), "Adam: weight_decay = -0.1, not negative");
    assert!(Sgd::<f32>::new(SgdOptions::new(0.1).with_momentum(1.5)).is_err());
}

#[test]
fn rows_move_with_their_moments() {
    let options = AdamOptions::default().with_amsgrad(true);
    let mut moments = AdamMoments::new(4, &options);
    let mut values = [1.0_f32; 4];
    let rates = [0.1, 0.01];
    moments.step(Parameter { values: &mut values, gradient: &[0.5, -1e-3, 0.0, 100.0] }, 1, &rates, &options).unwrap();
    for (got, wanted) in values.iter().zip([0.9, 1.01, 1.0, 0.99]) {
        assert!((got - wanted).abs() < 1e-5, "{values:?}");
    }
    assert!(moments.rearrange(2, &[Some(2)]).is_err());
    moments.rearrange(2, &[Some(1), None]).unwrap();
    assert_eq!(moments.moments()[0][2..], [0.0, 0.0]);
    assert!(moments.moments()[0][1] > 9.0);
    let mut values = [0.0_f32; 4];
    moments.step(Parameter { values: &mut values, gradient: &[0.0; 4] }, 2, &[1.0], &options).unwrap();
    assert!(values[1] < -0.1 && values[2..] == [0.0, 0.0], "{values:?}");
    moments.clear();
    assert!(moments.moments().iter().all(|m| m.iter().all(|x| *x == 0.0)));
    assert!(moments.step(Parameter { values: &mut values, gradient: &[0.0; 4] }, 3, &[], &options).is_err());
}

#[test]
fn averages_forget_the_first_steps_soon() {
    let mut ema = Ema::new(0.99, &[&[0.0_f64]]).unwrap();
    ema.update(&[&[10.0]]).unwrap();
    // decay_0 = 0.1
    assert!((ema.averages()[0][0] - 9.0).abs() < 1e-12);
    for _ in 0..2000 {
        ema.update(&[&[1.0]]).unwrap();
    }
    assert!((ema.averages()[0][0] - 1.0).abs() < 1e-6 && ema.updates() == 2001);
    let resumed = Ema::resume(0.99, ema.updates(), ema.averages().to_vec()).unwrap();
    assert_eq!(resumed, ema);
    assert!(matches!(ema.update(&[]), Err(TrainError::Arrays { .. })));
    assert!(matches!(ema.update(&[&[1.0, 2.0]]), Err(TrainError::Length { .. })));
    assert!(Ema::<f32>::new(1.0, &[]).is_err());
}
