//! What an executor asks of its caller, what it reports, and what it refuses.

use std::ops::{ControlFlow, Range};

use volkit_kernels::{
    Activation, Blocks, BoxError, Conv3d, ConvShape, Executor, Graph, GraphBuilder, Isa, KernelError, LabelSink, Plan,
    PlanOptions, PlaneSink, PlaneSource, Planes, SliceSink, SliceSource, Threads, no_progress,
};

use crate::exec_naive::Random;

/// A mean of `k^3` voxels, zeros outside.
fn mean(k: usize) -> Conv3d {
    let n = k * k * k;
    let weight = vec![1.0 / n as f32; n];
    Conv3d::new(ConvShape::new(1, 1, [k; 3]), &weight, None, Activation::Identity.into(), Isa::detect()).expect("conv")
}

fn two_means() -> Graph {
    let mut builder = GraphBuilder::default();
    let input = builder.input(1).expect("input");
    let once = builder.conv(mean(3), &[input.into()]).expect("conv");
    let twice = builder.conv(mean(5), &[once.into()]).expect("conv");
    builder.output(twice).expect("output");
    builder.build().expect("graph")
}

fn executor(graph: &Graph, size: [usize; 3]) -> Executor {
    Executor::new(Plan::new(graph, size, &PlanOptions::default().with_blocks(Blocks::Planes(2))).expect("plan"))
        .expect("memory")
}

#[derive(Default)]
struct Recorder {
    read: Vec<(usize, usize)>,
    written: Vec<(usize, Range<usize>)>,
}

impl PlaneSource for Recorder {
    fn read_plane(&mut self, input: usize, z: usize, plane: &mut [f32]) -> Result<(), BoxError> {
        self.read.push((input, z));
        plane.fill(z as f32);
        Ok(())
    }
}

impl PlaneSink for Recorder {
    fn write_planes(
        &mut self,
        output: usize,
        planes: Range<usize>,
        tensor: &Planes<'_>,
        _threads: &Threads,
    ) -> Result<(), BoxError> {
        assert!(tensor.layout().slots >= planes.len());
        self.written.push((output, planes));
        Ok(())
    }
}

#[test]
fn each_plane_is_asked_for_once_and_handed_out_once_in_order() {
    let (mut source, mut sink) = (Recorder::default(), Recorder::default());
    let mut executor = executor(&two_means(), [9, 4, 5]);
    executor.run(&mut source, &mut sink, &Threads::single(), &mut no_progress).expect("run");
    assert_eq!(source.read, (0..9).map(|z| (0, z)).collect::<Vec<_>>());
    assert_eq!(sink.written, [(0, 0..2), (0, 2..4), (0, 4..6), (0, 6..8), (0, 8..9)]);
}

#[test]
fn a_second_pass_asks_for_every_plane_again() {
    let mut builder = GraphBuilder::default();
    let first = builder.input(1).expect("input");
    let again = builder.input_again(first).expect("input");
    let norm = builder.instance_norm(first, 1e-5, Activation::Identity).expect("norm");
    let both = Conv3d::new(ConvShape::new(2, 1, [1; 3]), &[1.0, 1.0], None, Activation::Identity.into(), Isa::detect());
    let sum = builder.conv(both.expect("conv"), &[norm.into(), again.into()]).expect("sum");
    builder.output(sum).expect("output");
    let graph = builder.build().expect("graph");
    assert_eq!((graph.n_inputs(), graph.n_outputs()), (1, 1));
    let mut source = Recorder::default();
    let mut output = vec![0.0; 5];
    let mut executor = executor(&graph, [5, 1, 1]);
    executor.run(&mut source, &mut SliceSink::new(&mut output), &Threads::single(), &mut no_progress).expect("run");
    let mut planes: Vec<usize> = source.read.iter().map(|(_, z)| *z).collect();
    // The norm reads all planes before the second pass begins.
    assert_eq!(planes[..5], [0, 1, 2, 3, 4]);
    planes.sort_unstable();
    assert_eq!(planes, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    // 0..5 has mean 2 and biased variance 2.
    for (z, value) in output.iter().enumerate() {
        let expected = (z as f32 - 2.0) / 2.0_f32.sqrt() + z as f32;
        assert!((value - expected).abs() < 1e-4, "{value} != {expected}");
    }
}

#[test]
fn several_inputs_and_outputs_keep_their_numbers() {
    let mut builder = GraphBuilder::new(Isa::Scalar);
    let (a, b) = (builder.input(1).expect("input"), builder.input(2).expect("input"));
    let tripled = builder.scale_shift(a, &[3.0], &[1.0]).expect("scale");
    builder.output(b).expect("output");
    builder.output(tripled).expect("output");
    builder.output(b).expect("output");
    let graph = builder.build().expect("graph");
    assert_eq!((0..4).map(|i| graph.output_channels(i)).collect::<Vec<_>>(), [Some(2), Some(1), Some(2), None]);
    let size = [3, 1, 2];
    let (x, y) = (Random::new(1).floats(6, 1.0), Random::new(2).floats(12, 1.0));
    let (mut first, mut second, mut third) = (vec![0.0; 12], vec![0.0; 6], vec![0.0; 12]);
    let mut sink = SliceSink::many(vec![&mut first, &mut second, &mut third]);
    let mut source = SliceSource::many(vec![&x, &y]);
    executor(&graph, size).run(&mut source, &mut sink, &Threads::single(), &mut no_progress).expect("run");
    assert_eq!((&first, &third), (&y, &y));
    assert_eq!(second, x.iter().map(|x| x.mul_add(3.0, 1.0)).collect::<Vec<_>>());
}

#[test]
fn closures_stream_and_labels_are_the_largest_channel() {
    let mut builder = GraphBuilder::default();
    let input = builder.input(3).expect("input");
    let soft = builder.softmax(input).expect("softmax");
    builder.output(soft).expect("output");
    let graph = builder.build().expect("graph");
    let size = [4, 3, 7];
    let volume = Random::new(8).floats(4 * 3 * 7 * 3, 2.0);
    let plane = 3 * 7 * 3;
    let mut sums = Vec::new();
    executor(&graph, size)
        .run(
            &mut |z: usize, out: &mut [f32]| -> Result<(), BoxError> {
                out.copy_from_slice(&volume[z * plane..(z + 1) * plane]);
                Ok(())
            },
            &mut |z: usize, out: &[f32]| -> Result<(), BoxError> {
                assert_eq!((z, out.len()), (sums.len(), plane));
                sums.push(out.iter().sum::<f32>());
                Ok(())
            },
            &Threads::new(2),
            &mut no_progress,
        )
        .expect("run");
    assert!(sums.len() == 4 && sums.iter().all(|sum| (sum - 21.0).abs() < 1e-4), "{sums:?}");
    let mut labels = vec![9_u8; 4 * 3 * 7];
    executor(&graph, size)
        .run(
            &mut SliceSource::new(&volume),
            &mut LabelSink::new(&mut labels, Isa::detect()),
            &Threads::new(2),
            &mut no_progress,
        )
        .expect("run");
    for (label, voxel) in labels.iter().zip(volume.chunks(3)) {
        assert!(voxel.iter().all(|x| *x <= voxel[usize::from(*label)]));
    }
}

#[test]
fn progress_grows_to_the_end() {
    let mut seen = Vec::new();
    let input = vec![1.0; 6 * 4 * 4];
    let mut output = vec![0.0; 6 * 4 * 4];
    executor(&two_means(), [6, 4, 4])
        .run(&mut SliceSource::new(&input), &mut SliceSink::new(&mut output), &Threads::single(), &mut |done, total| {
            seen.push((done, total));
            ControlFlow::Continue(())
        })
        .expect("run");
    assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 == pair[1].1));
    assert!(seen.last().is_some_and(|(done, total)| done == total));
}

#[test]
fn a_run_that_was_stopped_anywhere_leaves_no_trace() {
    let graph = two_means();
    let input = Random::new(4).floats(8 * 5 * 6, 1.0);
    let mut expected = vec![0.0; input.len()];
    let mut executor = executor(&graph, [8, 5, 6]);
    let threads = Threads::single();
    let mut n_steps = 0;
    executor
        .run(&mut SliceSource::new(&input), &mut SliceSink::new(&mut expected), &threads, &mut |_, _| {
            n_steps += 1;
            ControlFlow::Continue(())
        })
        .expect("run");
    for stop in 0..n_steps {
        let mut left = stop;
        let other = vec![f32::NAN; input.len()];
        let stopped = executor.run(&mut SliceSource::new(&other), &mut Recorder::default(), &threads, &mut |_, _| {
            left -= usize::from(left > 0);
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(KernelError::Cancelled)));
        let mut output = vec![0.0; input.len()];
        executor
            .run(&mut SliceSource::new(&input), &mut SliceSink::new(&mut output), &threads, &mut no_progress)
            .expect("run");
        assert_eq!(output, expected, "stopped after {stop}");
    }
}

#[test]
fn failures_of_source_and_sink_say_which_and_why() {
    let mut executor = executor(&two_means(), [3, 2, 2]);
    let threads = Threads::single();
    let (short, mut output) = (vec![0.0; 5], vec![0.0; 12]);
    let error = executor
        .run(&mut SliceSource::new(&short), &mut SliceSink::new(&mut output), &threads, &mut no_progress)
        .expect_err("too short");
    assert_eq!(error.to_string(), "the source of a network failed");
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("SliceSource: wanted at least 8 values, got 5"));
    let full = vec![0.0; 12];
    let mut few = vec![0_u16; 3];
    let error = executor
        .run(&mut SliceSource::new(&full), &mut LabelSink::new(&mut few, Isa::Scalar), &threads, &mut no_progress)
        .expect_err("too short");
    assert_eq!(error.to_string(), "the sink of a network failed");
}

#[test]
fn a_single_voxel_is_a_volume_and_nothing_is_not() {
    let graph = two_means();
    let mut output = [0.0];
    executor(&graph, [1; 3])
        .run(&mut SliceSource::new(&[54.0]), &mut SliceSink::new(&mut output), &Threads::single(), &mut no_progress)
        .expect("run");
    assert!((output[0] - 54.0 / 27.0 / 125.0).abs() < 1e-6);
    for size in [[0, 4, 4], [4, 0, 4], [4, 4, 0], [usize::MAX, 2, 1], [1 << 31, 1 << 31, 1 << 31]] {
        let error = Plan::new(&graph, size, &PlanOptions::default()).expect_err("no such volume");
        assert!(error.to_string().starts_with("Plan::new: size = ["), "{error}");
    }
}

#[test]
fn builders_refuse_what_does_not_fit() {
    let mut other = GraphBuilder::default();
    for _ in 0..9 {
        other.input(1).expect("input");
    }
    let foreign = other.input(1).expect("input");

    let mut builder = GraphBuilder::default();
    assert!(matches!(builder.input(0), Err(KernelError::Parameter { name: "channels", .. })));
    let input = builder.input(2).expect("input");
    let error = builder.conv(mean(3), &[input.into()]).expect_err("2 channels into 1");
    assert_eq!(error.to_string(), "GraphBuilder::conv: wanted sources with 1 channels together, got [2]");
    assert!(builder.conv(mean(3), &[]).is_err());
    assert!(matches!(builder.softmax(foreign), Err(KernelError::Parameter { name: "tensor", .. })));
    assert!(builder.output(foreign).is_err());
    assert!(builder.scale_shift(input, &[1.0], &[0.0, 0.0]).is_err());
    assert!(builder.max_pool(input, Some((&[1.0, 1.0], &[0.0]))).is_err());
    assert!(builder.instance_norm(input, f64::NAN, Activation::Relu).is_err());
    let soft = builder.softmax(input).expect("softmax");
    assert!(builder.input_again(soft).is_err());
    let error = builder.build().expect_err("no output");
    assert!(error.to_string().contains("outputs = 0"), "{error}");
}

#[test]
fn plans_refuse_sizes_and_options_that_do_not_fit() {
    let mut builder = GraphBuilder::default();
    let input = builder.input(1).expect("input");
    let pooled = builder.max_pool(input, None).expect("pool");
    let two = Conv3d::new(ConvShape::new(2, 1, [1; 3]), &[1.0; 2], None, Activation::Identity.into(), Isa::Scalar);
    let merged = builder.conv(two.expect("conv"), &[input.into(), pooled.upsampled()]).expect("conv");
    builder.output(merged).expect("output");
    let graph = builder.build().expect("graph");
    let options = PlanOptions::default();
    assert!(Plan::new(&graph, [4, 2, 6], &options).is_ok());
    let odd = Plan::new(&graph, [4, 3, 6], &options).expect_err("an odd size does not come back");
    assert!(odd.to_string().contains("[4, 3, 6]") && odd.to_string().contains("[4, 2, 6]"), "{odd}");
    let flat = Plan::new(&graph, [4, 1, 6], &options).expect_err("nothing to pool");
    assert!(flat.to_string().contains("at least 2 voxels"), "{flat}");
    let none = options.clone().with_blocks(Blocks::Planes(0));
    assert!(matches!(Plan::new(&graph, [4, 2, 6], &none), Err(KernelError::Parameter { name: "blocks", .. })));
    let whole = options.with_override(pooled, Blocks::Whole);
    let plan = Plan::new(&graph, [4, 2, 6], &whole).expect("plan");
    assert_eq!(plan.layout(pooled).map(|layout| layout.slots), Some(2));
    assert_eq!(plan.output_size(0), Some([4, 2, 6]));
}

#[test]
fn what_memory_can_not_hold_is_an_error_before_it_is_touched() {
    let plan = Plan::new(&two_means(), [1 << 10, 1 << 24, 1 << 22], &PlanOptions::default()).expect("a plan is small");
    assert!(matches!(Executor::new(plan), Err(KernelError::Memory { .. })));
}
