//! The executor against a layer-by-layer interpreter in plain loops.

use std::sync::Arc;

use volkit_kernels::{
    Activation, Blocks, Conv3d, ConvShape, Executor, Graph, GraphBuilder, Isa, Plan, PlanOptions, SliceSink,
    SliceSource, Source, TensorId, Threads, no_progress,
};

use crate::exec_naive::{Naive, Random};

fn run(graph: &Graph, size: [usize; 3], options: &PlanOptions, threads: &Threads, input: &[f32]) -> Vec<f32> {
    let plan = Plan::new(graph, size, options).expect("plan");
    let mut executor = Executor::new(plan).expect("memory");
    let size: usize = executor.plan().output_size(0).expect("one output").iter().product();
    let mut output = vec![f32::NAN; size * graph.output_channels(0).expect("one output")];
    // Twice: the second run must not see the first.
    for _ in 0..2 {
        output.fill(f32::NAN);
        let (mut source, mut sink) = (SliceSource::new(input), SliceSink::new(&mut output));
        executor.run(&mut source, &mut sink, threads, &mut no_progress).expect("run");
    }
    output
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Adds a convolution with random weights.
fn conv(
    builder: &mut GraphBuilder,
    naive: &mut Naive,
    random: &mut Random,
    shape: ConvShape,
    activation: Activation,
    sources: &[Source],
) -> TensorId {
    let weight =
        random.floats(shape.c_in * shape.c_out * shape.taps(), (2.0 / (shape.c_in * shape.taps()) as f32).sqrt());
    let bias = random.floats(shape.c_out, 0.5);
    let op = Conv3d::new(shape.clone(), &weight, Some(&bias), activation.into(), Isa::detect()).expect("conv");
    let id = builder.conv(op, sources).expect("sources");
    naive.conv(shape, weight, bias, activation, sources);
    id
}

/// A random network of 2 to 9 nodes on a size whose axes are multiples of 4.
fn random_network(seed: u64) -> (Graph, Naive, [usize; 3], usize) {
    let mut random = Random::new(seed);
    let (mut builder, mut naive) = (GraphBuilder::default(), Naive::default());
    let channels = 1 + random.below(3);
    let first = builder.input(channels).expect("channels");
    naive.input(channels);
    // Tensors so far: id, channels, level.
    let mut tensors = vec![(first, channels, 0usize)];
    for _ in 0..2 + random.below(8) {
        let (source, c, level) = tensors[tensors.len() - 1 - random.below(tensors.len().min(3))];
        let entry = match random.below(8) {
            0 if level < 2 => {
                let (scale, shift) = (random.floats(c, 1.0), random.floats(c, 1.0));
                let id = builder.max_pool(source, Some((&scale, &shift))).expect("pool");
                naive.max_pool(source, scale, shift);
                (id, c, level + 1)
            }
            1 if level > 0 => {
                naive.upsample(source);
                (builder.upsample(source).expect("upsample"), c, level - 1)
            }
            2 => {
                naive.activation(source, Activation::LeakyRelu(0.25));
                (builder.activation(source, Activation::LeakyRelu(0.25)).expect("activation"), c, level)
            }
            3 => {
                let (scale, shift) = (random.floats(c, 1.0), random.floats(c, 1.0));
                let id = builder.scale_shift(source, &scale, &shift).expect("scale");
                naive.scale_shift(source, scale, shift);
                (id, c, level)
            }
            4 => {
                naive.instance_norm(source, 1e-5, Activation::Relu);
                (builder.instance_norm(source, 1e-5, Activation::Relu).expect("norm"), c, level)
            }
            5 => {
                naive.softmax(source);
                (builder.softmax(source).expect("softmax"), c, level)
            }
            _ => {
                let mut sources = vec![source.into()];
                let mut c_in = c;
                for &(other, other_c, other_level) in &tensors {
                    if other != source && other_level == level && random.below(3) == 0 {
                        sources.push(other.into());
                        c_in += other_c;
                    } else if other_level == level + 1 && random.below(2) == 0 {
                        sources.push(other.upsampled());
                        c_in += other_c;
                    }
                }
                let kernel = [0; 3].map(|_| 1 + 2 * random.below(2));
                let dilation = [0; 3].map(|_| 1 + random.below(4));
                let shape = ConvShape::new(c_in, 1 + random.below(6), kernel).with_dilation(dilation);
                let c_out = shape.c_out;
                (conv(&mut builder, &mut naive, &mut random, shape, Activation::Elu, &sources), c_out, level)
            }
        };
        tensors.push(entry);
    }
    let last = tensors[tensors.len() - 1].0;
    builder.output(last).expect("output");
    let size = [4 * (1 + random.below(4)), 4 * (1 + random.below(2)), 4 * (1 + random.below(2))];
    (builder.build().expect("graph"), naive, size, channels)
}

#[test]
fn random_networks_equal_plain_loops_for_every_plan() {
    let pools = [Threads::single(), Threads::new(2), Threads::new(3)];
    for seed in 0..120 {
        let (graph, naive, size, channels) = random_network(seed);
        let input = Random::new(seed ^ 0xabcd).floats(size.iter().product::<usize>() * channels, 1.0);
        let expected = naive.run(size, &input);
        let whole = run(&graph, size, &PlanOptions::default().with_blocks(Blocks::Whole), &pools[0], &input);
        assert_eq!(whole.len(), expected.len(), "seed {seed}");
        for (i, (a, b)) in whole.iter().zip(&expected).enumerate() {
            // Deep random networks grow; f32 sums in another order differ by some ulp of the largest term.
            let tolerance = 1e-3 * (1.0 + b.abs());
            assert!((f64::from(*a) - b).abs() <= tolerance, "seed {seed}, value {i}: {a} != {b}");
        }
        let mut random = Random::new(seed ^ 0x77);
        for (i, blocks) in
            [Blocks::Auto, Blocks::Planes(1), Blocks::Planes(2), Blocks::Planes(3)].into_iter().enumerate()
        {
            let options = PlanOptions::default().with_blocks(blocks);
            let threads = &pools[(i + random.below(3)) % 3];
            assert_eq!(bits(&run(&graph, size, &options, threads, &input)), bits(&whole), "seed {seed}, {blocks:?}");
        }
    }
}

#[test]
fn residual_blocks_add_tensors_of_different_delay() {
    let mut random = Random::new(77);
    let (mut builder, mut naive) = (GraphBuilder::default(), Naive::default());
    let x = builder.input(3).expect("channels");
    naive.input(3);
    let mut from = (x, 3);
    for _ in 0..2 {
        let (source, c_in) = from;
        let shapes = [(c_in, 3), (4, 5), (c_in, 1)].map(|(c_in, kernel)| ConvShape::new(c_in, 4, [kernel; 3]));
        let [first, wide, one] = shapes;
        let u = conv(&mut builder, &mut naive, &mut random, first, Activation::Relu, &[source.into()]);
        let w = conv(&mut builder, &mut naive, &mut random, wide, Activation::Identity, &[u.into()]);
        let e = conv(&mut builder, &mut naive, &mut random, one, Activation::Relu, &[source.into()]);
        naive.add(e, w, Activation::Relu);
        from = (builder.add(e, w, Activation::Relu).expect("channels"), 4);
    }
    let y = from.0;
    assert!(builder.add(x, y, Activation::Identity).is_err(), "3 channels and 4");
    // A tensor may be added to itself.
    naive.add(y, y, Activation::Identity);
    let y = builder.add(y, y, Activation::Identity).expect("channels");
    builder.output(y).expect("output");
    let graph = builder.build().expect("graph");
    let size = [11, 6, 9];
    let input = Random::new(5).floats(11 * 6 * 9 * 3, 1.0);
    let expected = naive.run(size, &input);
    let largest = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    let whole = PlanOptions::default().with_blocks(Blocks::Whole);
    let first = run(&graph, size, &whole, &Threads::single(), &input);
    for (got, want) in first.iter().zip(&expected) {
        assert!((f64::from(*got) - want).abs() <= 1e-5 * largest, "{got} != {want}");
    }
    for blocks in [Blocks::Planes(1), Blocks::Planes(3), Blocks::Auto] {
        let streamed = run(&graph, size, &PlanOptions::default().with_blocks(blocks), &Threads::new(2), &input);
        assert_eq!(bits(&streamed), bits(&first), "{blocks:?}");
    }
}

/// MeshNet as published for subcortical labels: 30 channels, dilations up to 16, a 1x1x1 head.
fn mesh_net(channels: usize, labels: usize) -> (Graph, Naive) {
    let (mut builder, mut naive, mut random) = (GraphBuilder::default(), Naive::default(), Random::new(5));
    let mut last = builder.input(1).expect("input");
    naive.input(1);
    for (i, dilation) in [1, 2, 4, 8, 16, 8, 4, 2, 1].into_iter().enumerate() {
        let shape = ConvShape::new(if i == 0 { 1 } else { channels }, channels, [3; 3]).with_dilation([dilation; 3]);
        last = conv(&mut builder, &mut naive, &mut random, shape, Activation::Relu, &[last.into()]);
    }
    let head = ConvShape::new(channels, labels, [1; 3]);
    last = conv(&mut builder, &mut naive, &mut random, head, Activation::Identity, &[last.into()]);
    builder.output(last).expect("output");
    (builder.build().expect("graph"), naive)
}

#[test]
fn mesh_net_of_a_head_needs_its_windows_and_no_more() {
    let (graph, _) = mesh_net(30, 18);
    let options = PlanOptions::default();
    let plan = Plan::new(&graph, [256; 3], &options).expect("plan");
    // A window of 2 * dilation + 1 planes in front of each dilated layer, one plane each of the last layer and the
    // head; 30 channels but for the input (1) and the head (18).
    let wide: usize = [2, 4, 8, 16, 8, 4, 2, 1].iter().map(|dilation| 2 * dilation + 1).sum();
    let plane = 256 * 256 * size_of::<f32>();
    let expected = plane * (3 + 30 * (wide + 1) + 18);
    assert_eq!(plan.peak_bytes(), expected);
    assert!(plan.peak_bytes() < 900_000_000, "{}", plan.peak_bytes());
    let whole = Plan::new(&graph, [256; 3], &options.with_blocks(Blocks::Whole)).expect("plan");
    assert_eq!(whole.peak_bytes(), 256 * plane * 60);
    let taps = 27 * (30 + 8 * 30 * 30) + 30 * 18;
    assert_eq!(plan.flops(), 2 * taps as u64 * 256 * 256 * 256);
}

#[test]
fn mesh_net_streams_to_the_same_bits() {
    let (graph, naive) = mesh_net(5, 4);
    let size = [40, 9, 11];
    let input = Random::new(3).floats(40 * 9 * 11, 1.0);
    let whole = run(&graph, size, &PlanOptions::default().with_blocks(Blocks::Whole), &Threads::single(), &input);
    for blocks in [Blocks::Planes(1), Blocks::Planes(7), Blocks::Auto] {
        let options = PlanOptions::default().with_blocks(blocks);
        assert_eq!(bits(&run(&graph, size, &options, &Threads::new(2), &input)), bits(&whole), "{blocks:?}");
    }
    for (a, b) in whole.iter().zip(naive.run(size, &input)) {
        assert!((f64::from(*a) - b).abs() < 1e-5 * (1.0 + b.abs()), "{a} != {b}");
    }
}

/// A U-Net of `levels` levels; the skips are kept, or computed again from a second pass over the input.
///
/// `share` computes the convolutions of the encoder's first `again` levels a second time for the decoder.
fn u_net(levels: usize, features: usize, again: usize) -> Graph {
    let (mut builder, mut random) = (GraphBuilder::default(), Random::new(9));
    let mut make = |c_in, c_out, kernel| {
        let shape: ConvShape = ConvShape::new(c_in, c_out, [kernel; 3]);
        let range = (2.0 / (c_in * shape.taps()) as f32).sqrt();
        let (weight, bias) = (random.floats(c_in * c_out * shape.taps(), range), random.floats(c_out, 0.1));
        Arc::new(Conv3d::new(shape, &weight, Some(&bias), Activation::Elu.into(), Isa::detect()).expect("conv"))
    };
    let encoder: Vec<_> = (0..levels)
        .map(|l| {
            let c_in = if l == 0 { 1 } else { features << (l - 1) };
            (make(c_in, features << l, 3), make(features << l, features << l, 3))
        })
        .collect();
    let decoder: Vec<_> = (0..levels - 1)
        .map(|l| (make(3 * (features << l), features << l, 3), make(features << l, features << l, 3)))
        .collect();
    let head = make(features, 3, 1);
    let (scale, shift): (Vec<f32>, Vec<f32>) = (0..features << levels).map(|c| (0.5 - (c % 2) as f32, 0.1)).unzip();

    let input = builder.input(1).expect("input");
    let encode = |builder: &mut GraphBuilder, input: TensorId, levels: usize| -> Vec<TensorId> {
        let (mut at, mut skips) = (input, Vec::new());
        for (l, (a, b)) in encoder.iter().enumerate().take(levels) {
            if l > 0 {
                let c = features << (l - 1);
                at = builder.max_pool(at, Some((&scale[..c], &shift[..c]))).expect("pool");
            }
            at = builder.conv(Arc::clone(a), &[at.into()]).expect("conv");
            at = builder.conv(Arc::clone(b), &[at.into()]).expect("conv");
            skips.push(at);
        }
        skips
    };
    let mut skips = encode(&mut builder, input, levels);
    if again > 0 {
        let second = builder.input_again(input).expect("input");
        let fresh = encode(&mut builder, second, again);
        skips[..again].copy_from_slice(&fresh);
    }
    let mut at = skips[levels - 1];
    for (l, (a, b)) in decoder.iter().enumerate().rev() {
        at = builder.conv(Arc::clone(a), &[skips[l].into(), at.upsampled()]).expect("conv");
        at = builder.conv(Arc::clone(b), &[at.into()]).expect("conv");
    }
    at = builder.conv(head, &[at.into()]).expect("head");
    let out = builder.softmax(at).expect("softmax");
    builder.output(out).expect("output");
    builder.build().expect("graph")
}

#[test]
fn a_u_net_gives_the_same_bits_streamed_whole_and_with_skips_computed_again() {
    let size = [32, 16, 24];
    let input = Random::new(1).floats(size.iter().product(), 1.0);
    let (kept, again) = (u_net(4, 3, 0), u_net(4, 3, 1));
    let whole = PlanOptions::default().with_blocks(Blocks::Whole);
    let expected = bits(&run(&kept, size, &whole, &Threads::single(), &input));
    for graph in [&kept, &again] {
        for blocks in [Blocks::Auto, Blocks::Planes(1), Blocks::Planes(4), Blocks::Whole] {
            let options = PlanOptions::default().with_blocks(blocks);
            assert_eq!(bits(&run(graph, size, &options, &Threads::new(2), &input)), expected, "{blocks:?}");
        }
    }
}

#[test]
fn computing_the_finest_skip_again_saves_most_of_the_memory() {
    // The network of SynthSeg on a whole head: the deepest two levels whole, the others as the plan likes.
    let size = [192; 3];
    let options = PlanOptions::default();
    let peak = |graph: &Graph, options: &PlanOptions| Plan::new(graph, size, options).expect("plan").peak_bytes();
    let (kept, again) = (u_net(5, 24, 0), u_net(5, 24, 1));
    let whole = peak(&kept, &options.clone().with_blocks(Blocks::Whole));
    let (kept, again) = (peak(&kept, &options), peak(&again, &options));
    println!("192^3: layer by layer {whole}, streamed {kept}, with the finest skip computed again {again}");
    assert!(kept < whole * 2 / 3, "{kept} of {whole}");
    assert!(again < kept / 2, "{again} of {kept}");
}
