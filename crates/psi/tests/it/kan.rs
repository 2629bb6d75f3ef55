//! Chebyshev networks and their derivatives.

use candle_core::{DType, Device, Module as _, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use volkit_psi::{ChebyKan, Domain, Jet, LayerNorm, ScaledCpikan, ScaledCpikanConfig, tanh_jet};

use crate::net::noise;

fn tensor(shape: (usize, usize), scale: f64) -> Tensor {
    let values: Vec<f64> = noise(shape.0 * shape.1).iter().map(|&x| scale * f64::from(x)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Compares a jet with central differences of its function at points `[B, d]`.
fn check(points: &Tensor, jet: &Jet, function: impl Fn(&Tensor) -> Tensor) {
    let (n, d) = points.dims2().unwrap();
    let step = 2e-5;
    let at = |axis: usize, by: f64| {
        let row: Vec<f64> = (0..d).map(|i| if i == axis { by } else { 0.0 }).collect();
        let moved = points.broadcast_add(&Tensor::from_vec(row, (1, d), &Device::Cpu).unwrap()).unwrap();
        values(&function(&moved))
    };
    let middle = at(0, 0.0);
    assert_eq!(values(&jet.value).len(), middle.len());
    assert!(values(&jet.value).iter().zip(&middle).all(|(a, b)| (a - b).abs() < 1e-12));
    for axis in 0..d {
        let (up, down) = (at(axis, step), at(axis, -step));
        let (first, second) = (values(&jet.first[axis]), values(&jet.second[axis]));
        for i in 0..middle.len() {
            let slope = (up[i] - down[i]) / (2.0 * step);
            let curve = (up[i] - 2.0 * middle[i] + down[i]) / (step * step);
            // Truncation of 1e-10 times a third derivative of thousands, and rounding of 1e-15 over the square of the step.
            assert!((slope - first[i]).abs() < 1e-5 * (1.0 + slope.abs()), "{axis} {i} of {n}: {slope} {}", first[i]);
            assert!((curve - second[i]).abs() < 1e-4 * (1.0 + curve.abs()), "{axis} {i}: {curve} {}", second[i]);
        }
    }
}

#[test]
fn polynomials_by_hand() {
    // 1 + 2 T1 + 3 T2 + 4 T3 at 0.5: T2 = -0.5, T3 = -1.
    let coefficients = Tensor::new(&[[[1.0f64, 2.0, 3.0, 4.0]]], &Device::Cpu).unwrap();
    let layer = ChebyKan::from_coefficients(coefficients).unwrap();
    let x = Tensor::new(&[[0.5f64]], &Device::Cpu).unwrap();
    assert_eq!(values(&layer.forward(&x).unwrap()), [-3.5 + 0.0 + 2.0 - 2.0]);
    let jet = layer.forward_jet(&Jet::of_points(&x, &[1.0]).unwrap()).unwrap();
    // T1' = 1, T2' = 4x = 2, T3' = 12 x^2 - 3 = 0; T2'' = 4, T3'' = 24 x = 12.
    assert_eq!(
        (values(&jet.value), values(&jet.first[0]), values(&jet.second[0])),
        (vec![-3.5], vec![2.0 + 6.0], vec![12.0 + 48.0])
    );
    assert_eq!((layer.degree(), jet.n_axes()), (3, 1));
}

#[test]
fn jets_are_differences() {
    let points = tensor((5, 2), 0.8);
    for degree in [0, 1, 4] {
        let coefficients = tensor((3 * 2, degree + 1), 1.0).reshape((3, 2, degree + 1)).unwrap();
        let layer = ChebyKan::from_coefficients(coefficients).unwrap();
        let jet = layer.forward_jet(&Jet::of_points(&points, &[1.0, 1.0]).unwrap()).unwrap();
        check(&points, &jet, |x| layer.forward(x).unwrap());
        // Through a curve, so that second derivatives of the input are not 0.
        let jet = layer.forward_jet(&tanh_jet(&Jet::of_points(&points, &[1.0, 1.0]).unwrap()).unwrap()).unwrap();
        check(&points, &jet, |x| layer.forward(&x.tanh().unwrap()).unwrap());
    }
    let norm = LayerNorm::from_parameters(
        Tensor::new(&[0.5f64, -2.0, 1.5], &Device::Cpu).unwrap(),
        Tensor::new(&[0.1f64, 0.2, 0.3], &Device::Cpu).unwrap(),
    );
    let points = tensor((4, 3), 2.0);
    let jet = norm.forward_jet(&tanh_jet(&Jet::of_points(&points, &[1.0; 3]).unwrap()).unwrap()).unwrap();
    check(&points, &jet, |x| norm.forward(&x.tanh().unwrap()).unwrap());
}

#[test]
fn a_network_and_the_gradient_of_its_laplacian() {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
    let config = ScaledCpikanConfig::default().with_widths([2, 5, 4, 1]).with_degree(3);
    let net = ScaledCpikan::new(Domain::new([-1.0, 0.0], [3.0, 2.0]).unwrap(), &config, &vb).unwrap();
    let points = tensor((6, 2), 0.9).affine(1.0, 1.0).unwrap();
    let jet = net.forward_jet(&points).unwrap();
    check(&points, &jet, |x| net.forward(x).unwrap());
    let loss = |net: &ScaledCpikan| {
        let jet = net.forward_jet(&points).unwrap();
        (jet.laplacian().unwrap().sqr().unwrap().mean_all().unwrap() + jet.value.sqr().unwrap().mean_all().unwrap())
            .unwrap()
    };
    let total = loss(&net);
    let gradients = total.backward().unwrap();
    let mut vars: Vec<(String, Var)> = map.data().lock().unwrap().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    vars.sort_by(|a, b| a.0.cmp(&b.0));
    let names: Vec<&str> = vars.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = [
        "layers.0.coeffs",
        "layers.1.coeffs",
        "layers.2.coeffs",
        "norms.0.bias",
        "norms.0.weight",
        "norms.1.bias",
        "norms.1.weight",
    ];
    assert_eq!(names, wanted);
    for (name, var) in &vars {
        let gradient = values(gradients.get(var).unwrap());
        let start = values(var.as_tensor());
        for i in [0, start.len() / 2, start.len() - 1] {
            let at = |by: f64| {
                let mut moved = start.clone();
                moved[i] += by;
                var.set(&Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap()).unwrap();
                loss(&net).to_scalar::<f64>().unwrap()
            };
            let step = 1e-5;
            let difference = (at(step) - at(-step)) / (2.0 * step);
            at(0.0);
            let scale = gradient.iter().fold(1.0f64, |most, g| most.max(g.abs()));
            assert!((difference - gradient[i]).abs() < 1e-6 * scale, "{name} {i}: {difference} {}", gradient[i]);
        }
    }
}

#[test]
fn initial_values_have_their_bound() {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
    let layer = ChebyKan::new(4, 50, 8, &vb).unwrap();
    let bound = (2.0f64 / 1.01).sqrt() * (3.0f64 / 36.0).sqrt();
    let all = values(layer.coefficients());
    assert_eq!(all.len(), 1800);
    let most = all.iter().fold(0.0f64, |most, c| most.max(c.abs()));
    assert!(most <= bound && most > 0.98 * bound, "{most} {bound}");
}

#[test]
fn wrong_shapes_are_refused() {
    let layer = ChebyKan::from_coefficients(tensor((6, 2), 1.0).reshape((2, 3, 2)).unwrap()).unwrap();
    let error = layer.forward(&tensor((4, 2), 1.0)).unwrap_err().to_string();
    assert!(error.contains("expect I = 3, input [4, 2]"), "{error}");
    assert!(ChebyKan::from_coefficients(tensor((2, 2), 1.0)).is_err());
    assert!(
        Domain::new([0.0], [0.0]).is_err() && Domain::new([0.0, 1.0], [1.0]).is_err() && Domain::new([], []).is_err()
    );
    let domain = Domain::new([-1.0, 0.0], [3.0, 2.0]).unwrap();
    assert_eq!((domain.n_axes(), domain.unscaled(0, -1.0), domain.unscaled(1, 1.0)), (2, -1.0, 2.0));
    let vb = VarBuilder::zeros(DType::F64, &Device::Cpu);
    for widths in [vec![3, 4, 1], vec![2], vec![2, 0, 1]] {
        let config = ScaledCpikanConfig::default().with_widths(widths);
        assert!(ScaledCpikan::new(domain.clone(), &config, &vb).unwrap_err().to_string().contains("widths"));
    }
    assert!(
        ScaledCpikan::from_layers(
            domain,
            vec![layer],
            vec![LayerNorm::from_parameters(tensor((1, 1), 1.0), tensor((1, 1), 1.0))]
        )
        .is_err()
    );
    assert!(Jet::of_points(&tensor((4, 2), 1.0), &[1.0]).is_err());
}
