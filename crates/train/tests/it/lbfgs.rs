//! L-BFGS on functions whose minimum is known.

use volkit_train::{Lbfgs, LbfgsOptions, LineSearch, Real, TrainError};

/// Rosenbrock's valley, chained.
fn rosenbrock<T: Real>(p: &[T]) -> Result<(f64, Vec<T>), TrainError> {
    let p: Vec<f64> = p.iter().map(|x| x.to_f64()).collect();
    let (mut f, mut g) = (0.0, vec![0.0; p.len()]);
    for i in 0..p.len() - 1 {
        let (a, b) = (p[i + 1] - p[i] * p[i], 1.0 - p[i]);
        f += 100.0 * a * a + b * b;
        g[i] += -400.0 * a * p[i] - 2.0 * b;
        g[i + 1] += 200.0 * a;
    }
    Ok((f, g.into_iter().map(T::from_f64).collect()))
}

#[test]
fn the_valley_is_followed_to_its_end() {
    let mut p = [-1.2_f64, 1.0, -0.5, 2.0, 0.3];
    let mut lbfgs = Lbfgs::new(LbfgsOptions::default().with_limits(200, None).with_tolerances(1e-9, 1e-14)).unwrap();
    let report = lbfgs.step(&mut p, &mut |p| rosenbrock(p)).unwrap();
    assert!(p.iter().all(|x| (x - 1.0).abs() < 1e-6), "{p:?} {report:?}");
    assert!(report.first_loss > 100.0 && report.loss < 1e-12 && report.evaluations < 250, "{report:?}");
    // It is over: the next call looks once.
    let report = lbfgs.step(&mut p, &mut |p| rosenbrock(p)).unwrap();
    assert!(report.evaluations <= 3, "{report:?}");
}

#[test]
fn single_precision_and_short_memories_do() {
    let mut p = [-1.2_f32, 1.0];
    let options = LbfgsOptions::default().with_limits(100, None).with_history(2).with_tolerances(1e-5, 1e-9);
    Lbfgs::new(options).unwrap().step(&mut p, &mut |p| rosenbrock(p)).unwrap();
    assert!(p.iter().all(|x| (x - 1.0).abs() < 1e-2), "{p:?}");
}

#[test]
fn without_a_search_the_rate_is_the_step() {
    let mut p = [3.0_f64];
    let options =
        LbfgsOptions::default().with_learning_rate(0.5).with_line_search(LineSearch::None).with_limits(1, None);
    let mut lbfgs = Lbfgs::new(options).unwrap();
    // The first step is as long as the rate at most: 0.5 / |g| * g.
    lbfgs.step(&mut p, &mut |p| Ok((p[0] * p[0], vec![2.0 * p[0]]))).unwrap();
    assert_eq!(p, [2.5]);
}

#[test]
fn limits_hold() {
    for (max_iter, max_eval) in [(1, None), (5, Some(3)), (20, Some(7)), (3, Some(100))] {
        let mut p = [-1.2_f64, 1.0];
        let mut lbfgs = Lbfgs::new(LbfgsOptions::default().with_limits(max_iter, max_eval)).unwrap();
        let mut count = 0;
        let mut closure = |p: &[f64]| {
            count += 1;
            rosenbrock(p)
        };
        let report = lbfgs.step(&mut p, &mut closure).unwrap();
        assert_eq!(report.evaluations, count);
        // The first trial of a search is made in any case.
        assert!(count <= max_eval.unwrap_or(max_iter * 5 / 4) + 1, "{max_iter} {max_eval:?}: {count}");
    }
}

#[test]
fn states_go_on_to_the_bit() {
    let options = LbfgsOptions::default().with_limits(4, None).with_history(3);
    let (mut whole, mut p) = (Lbfgs::new(options).unwrap(), [-1.2_f32, 1.0, 0.7]);
    let mut again = p;
    for _ in 0..4 {
        whole.step(&mut p, &mut |p| rosenbrock(p)).unwrap();
    }
    let mut first = Lbfgs::new(options).unwrap();
    for _ in 0..2 {
        first.step(&mut again, &mut |p| rosenbrock(p)).unwrap();
    }
    let mut second = Lbfgs::new(options).unwrap();
    second.restore(first.state()).unwrap();
    for _ in 0..2 {
        second.step(&mut again, &mut |p| rosenbrock(p)).unwrap();
    }
    assert_eq!(p, again);
    assert_eq!(whole.state(), second.state());
    let mut state = whole.state();
    state.arrays.retain(|(name, ..)| name != "gradient");
    assert_eq!(second.restore(state).unwrap_err().to_string(), "state 'gradient.0': is missing");
}

#[test]
fn what_is_no_function_is_refused() {
    let mut lbfgs = Lbfgs::new(LbfgsOptions::default()).unwrap();
    let nan = lbfgs.step(&mut [1.0_f32], &mut |_| Ok((f64::NAN, vec![0.0]))).unwrap_err();
    assert_eq!(nan.to_string(), "the loss is NaN in step 0");
    let short = lbfgs.step(&mut [1.0_f32, 2.0], &mut |_| Ok((1.0, vec![0.0]))).unwrap_err();
    assert!(matches!(short, TrainError::Length { got: 1, wanted: 2, .. }));
    let failed = lbfgs.step(&mut [1.0_f32], &mut |_| Err(TrainError::Objective("no data".into()))).unwrap_err();
    assert_eq!(failed.to_string(), "no data");
    assert!(Lbfgs::<f64>::new(LbfgsOptions::default().with_history(0)).is_err());
    lbfgs.step(&mut [1.0_f32], &mut |p| Ok((f64::from(p[0] * p[0]), vec![2.0 * p[0]]))).unwrap();
    assert!(lbfgs.step(&mut [1.0_f32; 2], &mut |p| Ok((0.0, vec![0.0; p.len()]))).is_err());
}
