//! Checks for implementations of this crate's traits. They panic where one does not keep what the trait promises.

use crate::{Optimizer, Parameter, Schedule, TrainError};

/// Checks an [`Optimizer`]: `make` makes one that has taken no step.
///
/// Runs that are interrupted and restored take the same steps to the bit; arrays that do not fit change nothing.
///
/// # Panics
/// Where the optimiser does not keep this.
pub fn check_optimizer(make: &dyn Fn() -> Box<dyn Optimizer<f32>>) {
    let start = || vec![vec![0.3_f32, -0.2, 0.5], vec![0.1, 0.2, 0.3, 0.4, 0.5], vec![]];
    let gradients = |step: usize| -> Vec<Vec<f32>> {
        let g = |i: usize| ((step * 7 + i * 3) % 11) as f32 * 0.1 - 0.4;
        vec![(0..3).map(g).collect(), (3..8).map(g).collect(), vec![]]
    };
    let take = |optimizer: &mut dyn Optimizer<f32>, arrays: &mut [Vec<f32>], step: usize| {
        let gradients = gradients(step);
        let both = arrays.iter_mut().zip(&gradients);
        let mut parameters: Vec<_> = both.map(|(values, gradient)| Parameter { values, gradient }).collect();
        optimizer.step(&mut parameters)
    };
    let (mut whole, mut arrays) = (make(), start());
    for step in 0..7 {
        assert!(take(whole.as_mut(), &mut arrays, step).is_ok(), "step {step} fails");
    }
    assert_ne!(arrays, start(), "no parameter changes");
    for cut in 0..7 {
        let (mut first, mut again) = (make(), start());
        (0..cut).for_each(|step| assert!(take(first.as_mut(), &mut again, step).is_ok()));
        let mut second = make();
        second.set_learning_rate(first.learning_rate());
        assert!(second.restore(first.state()).is_ok(), "a state of {cut} steps is refused");
        (cut..7).for_each(|step| assert!(take(second.as_mut(), &mut again, step).is_ok()));
        assert_eq!(arrays, again, "a run that is restored after {cut} steps takes others");
        assert_eq!(whole.state(), second.state(), "and ends in another state");
    }
    let before = (arrays.clone(), whole.state());
    let error = whole.step(&mut []);
    assert!(matches!(error, Err(TrainError::Arrays { .. })), "no arrays: {error:?}");
    let error = take(whole.as_mut(), &mut [vec![0.0; 3], vec![0.0; 4], vec![]], 0);
    assert!(matches!(error, Err(TrainError::Length { .. })), "a shorter array: {error:?}");
    assert_eq!(before, (arrays, whole.state()), "an error changes the optimiser");
    let rate = whole.learning_rate();
    whole.set_learning_rate(rate / 2.0);
    assert!(whole.learning_rate() == rate / 2.0, "the learning rate can not be set");
}

/// Checks a [`Schedule`] up to time `until`: factors are finite, not negative, and the same when asked again.
///
/// # Panics
/// Where the schedule does not keep this.
pub fn check_schedule(schedule: &dyn Schedule, until: u64) {
    for t in (0..until).chain([u64::MAX]) {
        let factor = schedule.factor(t);
        assert!(factor.is_finite() && factor >= 0.0, "{factor} at {t}");
        assert!(factor.to_bits() == schedule.factor(t).to_bits(), "{t} has two factors");
    }
}
