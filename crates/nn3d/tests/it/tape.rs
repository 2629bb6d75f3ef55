//! Ops as one node of candle's graph, and segments that are run twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Tensor, Var};
use candle_nn::{Module as _, ModuleT as _, VarBuilder, VarMap};
use volkit_nn3d::{
    BatchNorm, BatchNormConfig, Conv3d, Conv3dConfig, Pool3dConfig, cat, checkpoint, conv3d, is_rerun, max_pool3d,
    recorded, relu, sum_all,
};

use crate::check::{assert_close, assert_gradients, f32_of, random, values};

/// A small network with a skip, candle's own ops between ours, and a norm.
struct Net {
    convs: [Conv3d; 3],
    norm: BatchNorm,
    map: VarMap,
}

impl Net {
    fn new() -> Self {
        let map = VarMap::new();
        let vb = VarBuilder::from_varmap(&map, candle_core::DType::F32, &Device::Cpu);
        let conv = |c_in, c_out, name| {
            // A bias before a norm has no gradient but rounding.
            let config = Conv3dConfig::same([3; 3]).with_bias(name != "a");
            Conv3d::new(c_in, c_out, [3; 3], config, &vb.pp(name)).unwrap()
        };
        let convs = [conv(2, 3, "a"), conv(3, 3, "b"), conv(6, 1, "c")];
        let norm = BatchNorm::new(3, BatchNormConfig::new().with_rectifier(Some(0.1)), &vb.pp("norm")).unwrap();
        // The same numbers each time.
        for (name, var) in map.data().lock().unwrap().iter() {
            let seed = name.bytes().map(u64::from).sum();
            if !name.starts_with("norm") {
                var.set(&f32_of(&random(var.dims(), seed))).unwrap();
            }
        }
        Self { convs, norm, map }
    }

    fn first(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let y = self.norm.forward_t(&self.convs[0].forward(x)?, true)?;
        // candle's own ops in the middle, one of them with two uses of its argument.
        y.affine(2.0, 0.5)? * &y
    }

    fn second(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let y = relu(&self.convs[1].forward(x)?)?;
        self.convs[2].forward(&cat(&[x, &y], 1)?)
    }

    /// The loss, its gradients of the input and of the parameters by name, and the running mean.
    fn gradients(&self, x: &Var, y: &Tensor) -> (f64, Vec<Tensor>) {
        let loss = (sum_all(&y.sqr().unwrap()).unwrap() * 0.25).unwrap();
        let store = loss.backward().unwrap();
        let data = self.map.data().lock().unwrap();
        let mut names: Vec<&String> = data.keys().filter(|name| !name.contains("running")).collect();
        names.sort();
        let mut all = vec![store.get(x).unwrap().clone()];
        all.extend(names.iter().map(|name| store.get(&data[*name]).unwrap_or_else(|| panic!("{name}")).clone()));
        all.push(data["norm.running_mean"].as_detached_tensor());
        all.push(data["norm.running_var"].as_detached_tensor());
        (values(&loss)[0], all)
    }
}

fn input() -> Var {
    Var::from_tensor(&f32_of(&random(&[2, 2, 4, 5, 3], 1))).unwrap()
}

fn same_bits(a: &[Tensor], b: &[Tensor]) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let bits = |x: &Tensor| {
            x.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(bits(a), bits(b), "tensor {i}");
    }
}

#[test]
fn a_tape_gives_the_gradients_of_the_graph() {
    let (x, plain) = (input(), Net::new());
    let (loss, wanted) = plain.gradients(&x, &plain.second(&plain.first(&x).unwrap()).unwrap());
    let net = Net::new();
    // An input with a history, an input that is a variable, both in one.
    let scaled = x.affine(1.0, 0.0).unwrap();
    for (from, rtol) in [(x.as_tensor(), 2e-6), (&scaled, 2e-6)] {
        let net = Net::new();
        let y = recorded(&[from], |x| net.second(&net.first(&x[0])?)).unwrap();
        let (got_loss, got) = net.gradients(&x, &y);
        assert_eq!(loss, got_loss);
        for (got, wanted) in got.iter().zip(&wanted) {
            assert_close(got, wanted, rtol);
        }
    }
    // Without anything to train there is no node.
    let y = recorded(&[&x.as_detached_tensor()], |x| Ok(relu(&x[0])?)).unwrap();
    assert!(!y.track_op());
    // A gradient can be taken once.
    let y = recorded(&[x.as_tensor()], |x| net.second(&net.first(&x[0])?)).unwrap();
    y.backward().unwrap();
    assert!(y.backward().unwrap_err().to_string().contains("the gradient was taken before"));
}

#[test]
fn segments_give_the_same_bits_and_run_twice() {
    let x = input();
    let runs = Arc::new(AtomicUsize::new(0));
    let (loss, wanted) = {
        let net = Net::new();
        let y = recorded(&[x.as_tensor()], |x| net.second(&net.first(&x[0])?)).unwrap();
        net.gradients(&x, &y)
    };
    for inside in [true, false] {
        let net = Arc::new(Net::new());
        let segments = |x: &Tensor| {
            let (a, b, count) = (net.clone(), net.clone(), runs.clone());
            let y = checkpoint(&[x], move |x| {
                count.fetch_add(1 + 100 * usize::from(is_rerun()), Ordering::Relaxed);
                a.first(&x[0])
            })?;
            checkpoint(&[&y], move |x| b.second(&x[0]))
        };
        let y = if inside { recorded(&[x.as_tensor()], |x| segments(&x[0])) } else { segments(x.as_tensor()) }.unwrap();
        let (got_loss, got) = net.gradients(&x, &y);
        assert_eq!(loss, got_loss);
        same_bits(&got, &wanted);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 204, "each segment once plainly and once for its gradients, in two runs");
}

#[test]
fn segments_within_segments_and_several_inputs() {
    let x = input();
    let other = Var::from_tensor(&f32_of(&random(&[2, 2, 4, 5, 3], 2))).unwrap();
    let weight = Var::from_tensor(&f32_of(&random(&[2, 4, 1, 1, 1], 3))).unwrap();
    let run = |nested: bool| {
        let own = weight.clone();
        let inner = move |x: &[Tensor]| -> candle_core::Result<Tensor> {
            Ok(conv3d(&cat(&[&x[0], &x[1]], 1)?, &own, None, &Conv3dConfig::new())?)
        };
        let y = recorded(&[x.as_tensor(), other.as_tensor()], |x| {
            if !nested {
                return Ok(relu(&inner(x)?)?);
            }
            checkpoint(&[&x[0], &x[1]], move |x| Ok(relu(&checkpoint(&[&x[0], &x[1]], inner.clone())?)?))
        });
        let store = sum_all(&y.unwrap().sqr().unwrap()).unwrap().backward().unwrap();
        [&x, &other, &weight].map(|var| store.get(var).unwrap().clone())
    };
    same_bits(&run(true), &run(false));
}

#[test]
fn errors_leave_nothing_behind() {
    let x = input();
    let failed = recorded(&[x.as_tensor()], |x| Ok(relu(&max_pool3d(&x[0], &Pool3dConfig::new([9; 3]))?)?));
    assert!(failed.is_err());
    let caught = std::panic::catch_unwind(|| {
        recorded(&[], |_| -> candle_core::Result<Tensor> { panic!("a bug") }).map(drop).is_ok()
    });
    assert!(caught.is_err());
    // Ops go into candle's graph again.
    let y = relu(x.as_tensor()).unwrap();
    assert!(y.backward().unwrap().get(&x).is_some());
}

#[test]
fn rectified_ops_agree_with_two_ops_and_with_differences() {
    for slope in [0.0, 0.2] {
        let config = Conv3dConfig::same([3; 3]).with_rectifier(Some(slope));
        let inputs = [random(&[2, 2, 3, 4, 3], 5), random(&[2, 2, 3, 3, 3], 6), random(&[2], 7)];
        assert_gradients(&inputs, |x| Ok(conv3d(&x[0], &x[1], Some(&x[2]), &config)?));
        let narrow: Vec<Tensor> = inputs.iter().map(f32_of).collect();
        let fused = conv3d(&narrow[0], &narrow[1], Some(&narrow[2]), &config).unwrap();
        let plain = conv3d(&narrow[0], &narrow[1], Some(&narrow[2]), &Conv3dConfig::same([3; 3])).unwrap();
        assert_close(&fused, &volkit_nn3d::leaky_relu(&plain, slope).unwrap(), 0.0);
        let wide = conv3d(&inputs[0], &inputs[1], Some(&inputs[2]), &config).unwrap();
        assert_close(&fused, &wide, 2e-6);
    }
    let error = Conv3dConfig::new().with_rectifier(Some(-0.5)).validate().unwrap_err().to_string();
    assert_eq!(error, "conv3d: rectifier = -0.5 must be finite and not negative");
}

#[test]
fn joined_tensors_have_gradients() {
    let inputs = [random(&[2, 1, 3], 1), random(&[2, 3, 3], 2), random(&[2, 2, 3], 3)];
    assert_gradients(&inputs, |x| Ok(cat(&x.iter().collect::<Vec<_>>(), 1)?));
    let narrow: Vec<Tensor> = inputs.iter().map(f32_of).collect();
    let joined = cat(&narrow.iter().collect::<Vec<_>>(), 1).unwrap();
    assert_close(&joined, &Tensor::cat(&narrow, 1).unwrap(), 0.0);
    assert!(cat(&[&narrow[0], &f32_of(&random(&[3, 1, 3], 4))], 1).is_err());
}
