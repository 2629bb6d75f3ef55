//! Transposed convolutions, and a network of the kind that reconstructs animals from several cameras: batch norm right
//! behind each convolution, then a leaky rectifier, max-pooling down and transposed convolutions up.

use volkit_kernels::{
    Activation, Conv3d, ConvOptions, ConvShape, Epilogue, Executor, Graph, GraphBuilder, Isa, KernelError, Layout,
    Mode, Plan, PlanOptions, Planes, PlanesMut, SliceSink, SliceSource, Source, TensorId, Threads, Transposed,
    depth_to_space, no_progress,
};

use crate::exec_naive::{Naive, Random};

/// A graph and its twin, whose tensors have the same numbers.
struct Network {
    builder: GraphBuilder,
    naive: Naive,
    random: Random,
    options: ConvOptions<'static>,
}

impl Network {
    /// Convolution, batch norm, leaky rectifier.
    fn block(&mut self, c_in: usize, c_out: usize, sources: &[Source]) -> TensorId {
        let shape = ConvShape::new(c_in, c_out, [3; 3]);
        let n = shape.taps() * c_in;
        let weight = self.random.floats(n * c_out, (2.0 / n as f32).sqrt());
        let bias = self.random.floats(c_out, 0.5);
        let scale: Vec<f32> = self.random.floats(c_out, 0.5).iter().map(|x| 1.0 + x).collect();
        let shift = self.random.floats(c_out, 0.3);
        let epilogue = Epilogue { activation: Activation::Identity, scale_shift: Some((scale.clone(), shift.clone())) };
        let conv = Conv3d::new(shape.clone(), &weight, Some(&bias), epilogue, self.options).expect("conv");
        let normed = self.builder.conv(conv, sources).expect("sources");
        // In the twin the norm is folded into the convolution by hand.
        let folded = weight.chunks(n).zip(&scale).flat_map(|(row, a)| row.iter().map(move |w| w * a)).collect();
        let bias = bias.iter().zip(scale.iter().zip(&shift)).map(|(b, (a, s))| b * a + s).collect();
        self.naive.conv(shape, folded, bias, Activation::Identity, sources);
        let slope = Activation::LeakyRelu(0.01);
        self.naive.activation(normed, slope);
        self.builder.activation(normed, slope).expect("a tensor")
    }

    fn up(&mut self, c_in: usize, c_out: usize, source: TensorId) -> TensorId {
        let weight = self.random.floats(8 * c_in * c_out, (3.0 / c_in as f32).sqrt());
        let bias = self.random.floats(c_out, 0.5);
        let transposed = Transposed { c_in, c_out, weight: &weight, bias: Some(&bias) };
        let id = self.builder.conv_transpose(source, transposed, Epilogue::default(), self.options).expect("up");
        self.naive.transposed(source, weight, bias);
        id
    }
}

/// Three levels of 8, 16 and 24 channels from 4 views.
fn network(mode: Mode) -> (Graph, Naive) {
    let options = ConvOptions::new(Isa::detect()).with_mode(mode);
    let mut net =
        Network { builder: GraphBuilder::default(), naive: Naive::default(), random: Random::new(5), options };
    let mut at = net.builder.input(4).expect("channels");
    net.naive.input(4);
    let (mut c_in, mut skips) = (4, Vec::new());
    for c in [8, 16] {
        let skip = net.block(c_in, c, &[at.into()]);
        at = net.builder.max_pool(skip, None).expect("a tensor");
        net.naive.max_pool(skip, vec![1.0; c], vec![0.0; c]);
        skips.push((skip, c));
        c_in = c;
    }
    at = net.block(c_in, 24, &[at.into()]);
    c_in = 24;
    for (skip, c) in skips.into_iter().rev() {
        let up = net.up(c_in, c, at);
        at = net.block(2 * c, c, &[skip.into(), up.into()]);
        c_in = c;
    }
    net.builder.output(at).expect("a tensor");
    (net.builder.build().expect("an output"), net.naive)
}

fn run(graph: &Graph, size: [usize; 3], threads: &Threads, input: &[f32]) -> Vec<f32> {
    let plan = Plan::new(graph, size, &PlanOptions::default()).expect("plan");
    let voxels: usize = plan.output_size(0).expect("an output").iter().product();
    let mut output = vec![f32::NAN; voxels * graph.output_channels(0).expect("an output")];
    let mut executor = Executor::new(plan).expect("memory");
    executor
        .run(&mut SliceSource::new(input), &mut SliceSink::new(&mut output), threads, &mut no_progress)
        .expect("run");
    output
}

#[test]
fn a_reconstruction_network_equals_plain_loops_in_all_modes() {
    let size = [12, 8, 20];
    let input = Random::new(8).floats(size.iter().product::<usize>() * 4, 1.0);
    for mode in Mode::ALL {
        let (graph, naive) = network(mode);
        let expected = naive.run(size, &input);
        let output = run(&graph, size, &Threads::single(), &input);
        assert_eq!(output.len(), expected.len());
        for (i, (value, wanted)) in output.iter().zip(&expected).enumerate() {
            let bound = 5e-5 * (1.0 + wanted.abs());
            assert!((f64::from(*value) - wanted).abs() < bound, "{}: {i}: {value}, not {wanted}", mode.name());
        }
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&run(&graph, size, &Threads::new(3), &input)), bits(&output), "{}", mode.name());
    }
}

#[test]
fn a_hand_worked_transposed_voxel() {
    // One voxel of two channels, two output channels: weight[c][o][tap] = 100 c + 10 o + tap.
    let weight: Vec<f32> = (0..32).map(|i| (i / 16 * 100 + i / 8 % 2 * 10 + i % 8) as f32).collect();
    let mut builder = GraphBuilder::new(Isa::Scalar);
    let input = builder.input(2).expect("channels");
    let transposed = Transposed { c_in: 2, c_out: 2, weight: &weight, bias: Some(&[0.5, -0.5]) };
    let epilogue = Epilogue { activation: Activation::Relu, scale_shift: Some((vec![1.0, 2.0], vec![0.0, 1.0])) };
    let up = builder.conv_transpose(input, transposed, epilogue, Isa::Scalar).expect("shapes");
    builder.output(up).expect("a tensor");
    let output = run(&builder.build().expect("an output"), [1, 1, 1], &Threads::single(), &[2.0, -1.0]);
    for corner in 0..8 {
        let t = corner as f32;
        let sums = [2.0 * t - (100.0 + t) + 0.5, 2.0 * (10.0 + t) - (110.0 + t) - 0.5].map(|x| x.max(0.0));
        assert_eq!(output[2 * corner..2 * corner + 2], [sums[0], 2.0 * sums[1] + 1.0], "corner {corner}");
    }
}

#[test]
fn channels_become_voxels() {
    let source: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let (low, high) = (Layout::dense([1, 1, 2], 8), Layout::dense([2, 2, 4], 1));
    let mut out = vec![f32::NAN; 16];
    let planes = Planes::new(&source, low).expect("length");
    let mut target = PlanesMut::new(&mut out, high).expect("length");
    depth_to_space(&planes, &mut target, 0..2, &Threads::single()).expect("sizes");
    assert_eq!(out, [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15].map(|i| i as f32));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut builder = GraphBuilder::new(Isa::Scalar);
    let input = builder.input(2).expect("channels");
    let short = Transposed { c_in: 2, c_out: 3, weight: &[0.0; 47], bias: None };
    let error = builder.conv_transpose(input, short, Epilogue::default(), Isa::Scalar).expect_err("47 of 48");
    assert!(matches!(&error, KernelError::Shape { got, .. } if got.starts_with("47 floats")), "{error}");
    let other = Transposed { c_in: 1, c_out: 1, weight: &[0.0; 8], bias: None };
    assert!(builder.conv_transpose(input, other, Epilogue::default(), Isa::Scalar).is_err());
    let mut out = vec![0.0; 16];
    let planes = Planes::new(&[0.0; 16], Layout::dense([1, 1, 2], 8)).expect("length");
    let mut target = PlanesMut::new(&mut out, Layout::dense([2, 4, 2], 1)).expect("length");
    let error = depth_to_space(&planes, &mut target, 0..2, &Threads::single()).expect_err("turned");
    assert!(error.to_string().contains("[2, 2, 4]"), "{error}");
}
