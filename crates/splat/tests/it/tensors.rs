//! The operation on tensors beside the slices.

use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use volkit_splat::{Camera, Colours, GaussianTensors, Gaussians, RenderConfig, TensorRasterizer, Threads};

use crate::scenes::{camera, rasterizer, scene, there_and_back, weights};

fn var(values: &[f32], shape: &[usize]) -> Var {
    Var::from_tensor(&Tensor::from_slice(values, shape, &Device::Cpu).unwrap()).unwrap()
}

/// The scene's tensors: means, quats, log scales, logits, colours.
fn vars(scene: &Gaussians) -> [Var; 5] {
    let n = scene.len();
    let colours = match &scene.colours {
        Colours::Rgb(rgb) => var(rgb.as_flattened(), &[n, 3]),
        Colours::Sh { coefficients, .. } => var(coefficients.as_flattened(), &[n, coefficients.len() / n, 3]),
        _ => panic!(),
    };
    [
        var(scene.means.as_flattened(), &[n, 3]),
        var(scene.quats.as_flattened(), &[n, 4]),
        var(scene.log_scales.as_flattened(), &[n, 3]),
        var(&scene.logit_opacities, &[n]),
        colours,
    ]
}

fn tensors(vars: &[Var; 5]) -> GaussianTensors {
    let [means, quats, log_scales, logit_opacities, colours] = vars.clone().map(|v| v.as_tensor().clone());
    GaussianTensors { means, quats, log_scales, logit_opacities, colours }
}

fn op() -> TensorRasterizer {
    TensorRasterizer::new(Arc::new(Threads::single())).unwrap()
}

/// The sum of weighted pixels.
fn loss(op: &TensorRasterizer, vars: &[Var; 5], camera: &Camera, config: &RenderConfig) -> Tensor {
    let picture = op.render(&tensors(vars), camera, config).unwrap();
    let [colour, alpha, depth] = weights(camera);
    let sum = |tensor: &Tensor, weights: &[f32]| {
        let weights = Tensor::from_slice(weights, tensor.shape(), &Device::Cpu).unwrap();
        (tensor * weights).unwrap().sum_all().unwrap()
    };
    let total = (sum(&picture.colour, &colour) + sum(&picture.alpha, &alpha)).unwrap();
    (total + sum(&picture.depth, &depth)).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn pictures_and_gradients_are_those_of_the_slices() {
    let (camera, config) = (camera(40, 32), RenderConfig::new().with_background([0.2, 0.5, 0.1]));
    for degree in [None, Some(0), Some(3)] {
        let scene = scene(60, degree, 11);
        let (picture, g) = there_and_back(&mut rasterizer(1), &scene, &camera, &config);
        let (op, vars) = (op(), vars(&scene));
        let rendered = op.render(&tensors(&vars), &camera, &config).unwrap();
        assert_eq!(rendered.colour.dims(), [32, 40, 3]);
        for (got, wanted) in
            [(&rendered.colour, &picture.colour), (&rendered.alpha, &picture.alpha), (&rendered.depth, &picture.depth)]
        {
            assert_eq!(&flat(got), wanted);
        }
        let loss = loss(&op, &vars, &camera, &config);
        // Another rendering in between must not matter.
        op.render(&tensors(&self::vars(&self::scene(5, None, 1))), &camera, &config).unwrap();
        let grads = loss.backward().unwrap();
        let wanted: [&[f32]; 5] = [
            g.means.as_flattened(),
            g.quats.as_flattened(),
            g.log_scales.as_flattened(),
            &g.logit_opacities,
            g.colours.as_flattened(),
        ];
        for (var, wanted) in vars.iter().zip(wanted) {
            let got = grads.get(var).unwrap();
            assert_eq!(got.dims(), var.dims());
            assert_eq!(flat(got), wanted);
        }
    }
}

#[test]
fn gradients_are_central_differences() {
    let (camera, op) = (camera(24, 20), op());
    // Whatever a step lets fall below the least alpha must not show.
    let mut config = RenderConfig::new();
    config.alpha_min = 1e-6;
    let mut scene = scene(6, Some(1), 23);
    scene.logit_opacities.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0));
    let vars = vars(&scene);
    let grads = loss(&op, &vars, &camera, &config).backward().unwrap();
    let mut total = [0.0f64; 2];
    for (k, var) in vars.iter().enumerate() {
        let (values, shape) = (flat(var), var.dims().to_vec());
        let gradient = flat(grads.get(var).unwrap());
        let largest = gradient.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for i in 0..values.len() {
            let step = 2e-3f32;
            let at = |by: f32| {
                let mut moved = values.clone();
                moved[i] += by;
                let mut vars = vars.clone();
                vars[k] = self::var(&moved, &shape);
                loss(&op, &vars, &camera, &config).to_scalar::<f32>().unwrap()
            };
            let difference = (at(step) - at(-step)) / (2.0 * step);
            total[0] += f64::from((difference - gradient[i]).abs() / largest);
            total[1] += 1.0;
        }
    }
    // The differences are those of f32 losses.
    assert!(total[0] / total[1] < 0.01, "{total:?}");
}

#[test]
fn a_background_is_learnt_through_alpha() {
    let (camera, op) = (camera(12, 10), op());
    let vars = vars(&scene(20, None, 3));
    let background = var(&[0.1, 0.4, 0.7], &[3]);
    let picture = op.render(&tensors(&vars), &camera, &RenderConfig::new()).unwrap();
    let light = (1.0 - &picture.alpha).unwrap().unsqueeze(2).unwrap();
    let colour = (picture.colour + light.broadcast_mul(&background).unwrap()).unwrap();
    let config = RenderConfig::new().with_background([0.1, 0.4, 0.7]);
    let whole = op.render(&tensors(&vars), &camera, &config).unwrap().colour;
    for (a, b) in flat(&colour).iter().zip(flat(&whole)) {
        assert!((a - b).abs() < 1e-6);
    }
    let grads = colour.sum_all().unwrap().backward().unwrap();
    let wanted = flat(&light).iter().sum::<f32>();
    for g in flat(grads.get(&background).unwrap()) {
        assert!((g - wanted).abs() < 1e-4 * wanted);
    }
}

#[test]
fn other_shapes_and_types_are_refused() {
    let (camera, config, op) = (camera(12, 10), RenderConfig::new(), op());
    let good = tensors(&vars(&scene(4, Some(1), 3)));
    let refused = |spoil: &dyn Fn(&mut GaussianTensors), word: &str| {
        let mut scene = good.clone();
        spoil(&mut scene);
        let error = op.render(&scene, &camera, &config).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(&|s| s.quats = s.means.clone(), "quats [4, 3]");
    refused(&|s| s.colours = s.colours.narrow(1, 0, 3).unwrap(), "K of 1, 4, 9 or 16");
    refused(&|s| s.means = s.means.to_dtype(candle_core::DType::F64).unwrap(), "F64");
    let bad = RenderConfig::new().with_background([f32::NAN; 3]);
    assert!(op.render(&good, &camera, &bad).unwrap_err().to_string().contains("background"));
}
