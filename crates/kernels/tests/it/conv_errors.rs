//! What the convolution refuses, and what its messages name.

use volkit_kernels::{Activation, Conv3d, ConvShape, Epilogue, Isa, KernelError, Layout, Planes, PlanesMut, Threads};

fn new(shape: ConvShape, weights: usize, bias: Option<usize>, scale_shift: Option<(usize, usize)>) -> String {
    let bias = bias.map(|n| vec![0.0; n]);
    let scale_shift = scale_shift.map(|(a, b)| (vec![1.0; a], vec![0.0; b]));
    let epilogue = Epilogue { activation: Activation::Identity, scale_shift };
    Conv3d::new(shape, &vec![0.0; weights], bias.as_deref(), epilogue, Isa::Scalar).expect_err("refused").to_string()
}

#[test]
fn parameters() {
    let shape = || ConvShape::new(2, 3, [3; 3]);
    let cases = [
        (new(ConvShape::new(0, 3, [3; 3]), 0, None, None), "channels = 0 -> 3"),
        (new(ConvShape::new(2, 0, [3; 3]), 0, None, None), "channels = 2 -> 0"),
        (new(ConvShape::new(2, 3, [3, 2, 3]), 108, None, None), "kernel = [3, 2, 3]"),
        (new(ConvShape::new(2, 3, [0, 1, 1]), 0, None, None), "kernel = [0, 1, 1]"),
        (new(shape().with_dilation([1, 0, 1]), 162, None, None), "dilation = [1, 0, 1]"),
        (new(shape(), 161, None, None), "[3, 2, 3, 3, 3], got 161 floats"),
        (new(ConvShape::new(usize::MAX, 3, [3; 3]), 5, None, None), "got 5 floats"),
        (new(shape(), 162, Some(2), None), "bias [C_out] = [3], got 2 floats"),
        (new(shape(), 162, Some(3), Some((4, 3))), "scale [C_out] = [3], got 4 floats"),
        (new(shape(), 162, Some(3), Some((3, 0))), "shift [C_out] = [3], got 0 floats"),
    ];
    for (message, part) in cases {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn instruction_sets_of_other_machines() {
    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
        let result = Conv3d::new(ConvShape::new(1, 1, [1; 3]), &[1.0], None, Epilogue::default(), isa);
        assert!(matches!(result, Err(KernelError::IsaUnavailable(name)) if name == isa.name()));
    }
}

fn run(sources: &[(Layout, bool)], out: Layout, planes: std::ops::Range<usize>) -> Result<(), String> {
    let conv = Conv3d::new(ConvShape::new(2, 3, [3; 3]), &[0.0; 162], None, Epilogue::default(), Isa::detect());
    let data: Vec<Vec<f32>> = sources.iter().map(|(layout, _)| vec![0.0; layout.len()]).collect();
    let views: Vec<_> = sources
        .iter()
        .zip(&data)
        .map(|((layout, up), data)| {
            let view = Planes::new(data, *layout).expect("length");
            if *up { view.upsampled() } else { view }
        })
        .collect();
    let mut memory = vec![0.0; out.len()];
    let mut view = PlanesMut::new(&mut memory, out).expect("length");
    conv.expect("valid").run(&views, &mut view, planes, &Threads::single()).map_err(|error| error.to_string())
}

#[test]
fn tensors() {
    let (size, out) = ([4, 6, 8], Layout::dense([4, 6, 8], 3));
    let input = Layout::dense(size, 2);
    let half = Layout::dense([2, 3, 4], 1);
    let one = Layout::dense(size, 1);
    assert_eq!(run(&[(input, false)], out, 0..4), Ok(()));
    assert_eq!(run(&[(one, false), (half, true)], out, 0..4), Ok(()));
    assert_eq!(run(&[(input.with_slots(3), false)], out, 1..2), Ok(()));
    assert_eq!(run(&[(input.with_slots(2), false)], out, 0..1), Ok(()));
    assert_eq!(run(&[(one, false), (half.with_slots(1), true)], out, 0..1), Ok(()));
    let cases = [
        (run(&[], out, 0..4), "sources with 2 channels together, got channels []"),
        (run(&[(one, false)], out, 0..4), "got channels [1]"),
        (run(&[(input, false)], Layout::dense(size, 4), 0..4), "output with 3 channels, got 4"),
        (run(&[(Layout::dense([4, 6, 7], 2), false)], out, 0..4), "[4, 6, 8], got [4, 6, 7]"),
        (run(&[(one, false), (half, false)], out, 0..4), "got [2, 3, 4]"),
        (run(&[(input, true)], out, 0..4), "got [8, 12, 16]"),
        (run(&[(input, false)], out, 3..5), "planes within 0..4, got 3..5"),
        (run(&[(input.with_slots(2), false)], out, 1..2), "planes 0..=2, got 2 slots"),
        (run(&[(one, false), (half.with_slots(1), true)], out, 0..2), "planes 0..=1, got 1 slots"),
        (run(&[(input, false)], out.with_slots(2), 0..3), "at least 3 planes, got 2"),
    ];
    for (result, part) in cases {
        let message = result.expect_err(part);
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn a_layout_whose_length_overflows() {
    for layout in [
        Layout::dense([1 << 22, 1 << 22, 1 << 22], 1),
        Layout::dense([usize::MAX, 1, 1], 2),
        Layout::dense([1, 1, 1], 1).with_pad_w(usize::MAX / 2 + 1),
        Layout { slots: 1, ..Layout::dense([usize::MAX, 1, 1], 1) },
        Layout { slots: 0, ..Layout::dense([1, 1, 1], 1) },
    ] {
        assert!(Planes::new(&[], layout).is_err(), "{layout:?}");
        assert!(PlanesMut::new(&mut [0.0; 1], layout).is_err(), "{layout:?}");
    }
}
