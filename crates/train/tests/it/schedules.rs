//! Learning rates over time, and the end of training.

use volkit_train::conformance::check_schedule;
use volkit_train::{Constant, Cosine, EarlyStopping, Epoch, Exponential, Schedule, Step, Warmup};

#[test]
fn factors_by_hand() {
    let factors = |schedule: &dyn Schedule| (0..5).map(|t| schedule.factor(t)).collect::<Vec<_>>();
    assert_eq!(factors(&Constant), [1.0; 5]);
    assert_eq!(factors(&Exponential::new(0.5).unwrap()), [1.0, 0.5, 0.25, 0.125, 0.0625]);
    assert_eq!(factors(&Step::new(2, 0.1).unwrap())[..4], [1.0, 1.0, 0.1, 0.1]);
    let cosine = factors(&Cosine::new(4, 0.2).unwrap());
    for (got, wanted) in cosine.iter().zip([1.0, 0.882_842_712, 0.6, 0.317_157_288, 0.2]) {
        assert!((got - wanted).abs() < 1e-9, "{cosine:?}");
    }
    assert_eq!(Cosine::new(4, 0.2).unwrap().factor(1000), 0.2);
    let warm = factors(&Warmup::new(2, Exponential::new(0.5).unwrap()));
    assert_eq!(warm, [0.5, 1.0, 1.0, 0.5, 0.25]);
    assert_eq!(factors(&Warmup::new(0, Constant)), [1.0; 5]);
}

#[test]
fn all_keep_what_the_trait_promises() {
    check_schedule(&Constant, 10);
    check_schedule(&Exponential::new(0.9995).unwrap(), 100);
    check_schedule(&Step::new(7, 0.5).unwrap(), 100);
    check_schedule(&Cosine::new(50, 0.0).unwrap(), 100);
    check_schedule(&Warmup::new(5, Cosine::new(50, 0.1).unwrap()), 100);
}

#[test]
fn ranges() {
    assert!(Exponential::new(0.0).is_err());
    assert!(Step::new(0, 0.5).is_err() && Step::new(1, f64::INFINITY).is_err());
    assert!(Cosine::new(0, 0.0).is_err() && Cosine::new(1, 1.5).is_err());
}

#[test]
fn training_stops_when_nothing_gets_better() {
    let mut stopping = EarlyStopping::new(2, 0.1).unwrap();
    let seen: Vec<Epoch> = [5.0, 4.0, 3.95, f64::NAN].into_iter().map(|loss| stopping.observe(loss)).collect();
    assert_eq!(seen, [Epoch::Best, Epoch::Best, Epoch::Worse, Epoch::Last]);
    assert_eq!(stopping.best(), Some(4.0));
    assert_eq!(stopping.observe(1.0), Epoch::Best);
    assert!(EarlyStopping::new(0, 0.0).is_err() && EarlyStopping::new(1, -1.0).is_err());
    let (patience, min_delta) = EarlyStopping::DEFAULT;
    assert!(EarlyStopping::new(patience, min_delta).is_ok());
}
