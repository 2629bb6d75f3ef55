//! Rosenbrock's valley, by Adam with a warm-up and a cosine, and by L-BFGS: `cargo run -p volkit-train --example
//! two_minimisers`.

use volkit_train::{
    Adam, AdamOptions, Cosine, Lbfgs, LbfgsOptions, Optimizer as _, Parameter, Schedule as _, TrainError, Warmup,
};

/// `100 (y - x^2)^2 + (1 - x)^2` and its gradient.
fn valley(p: &[f64]) -> (f64, Vec<f64>) {
    let (a, b) = (p[1] - p[0] * p[0], 1.0 - p[0]);
    (100.0 * a * a + b * b, vec![-400.0 * a * p[0] - 2.0 * b, 200.0 * a])
}

fn main() -> Result<(), TrainError> {
    let options = AdamOptions::default().with_learning_rate(0.1);
    let (mut adam, mut p, steps) = (Adam::new(options)?, [-1.2, 1.0], 2000);
    let schedule = Warmup::new(20, Cosine::new(steps - 20, 0.01)?);
    for t in 0..steps {
        let (_, gradient) = valley(&p);
        adam.set_learning_rate(options.learning_rate * schedule.factor(t));
        adam.step(&mut [Parameter { values: &mut p, gradient: &gradient }])?;
    }
    println!("Adam    {steps:>5} gradients: {:.2e} at {p:.6?}", valley(&p).0);

    let mut p = [-1.2, 1.0];
    let mut lbfgs = Lbfgs::new(LbfgsOptions::default().with_limits(100, None))?;
    let report = lbfgs.step(&mut p, &mut |p| Ok(valley(p)))?;
    println!("L-BFGS  {:>5} gradients: {:.2e} at {p:.6?}", report.evaluations, report.loss);
    Ok(())
}
