//! The convolution against an `f64` sum written from its definition, and against itself on other paths.

use volkit_kernels::{
    Activation, Algorithm, Conv3d, ConvOptions, ConvShape, Epilogue, Isa, Layout, Planes, PlanesMut, Threads,
};

/// Pseudo-random floats in `-1..1` (xorshift).
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }

    pub(crate) fn vec(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }
}

/// A source: its layout, memory, and whether it is read through up-sampling.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) layout: Layout,
    pub(crate) data: Vec<f32>,
    upsampled: bool,
}

impl Source {
    pub(crate) fn noise(size: [usize; 3], channels: usize, pad_w: usize, noise: &mut Noise) -> Self {
        let layout = Layout::dense(size, channels).with_pad_w(pad_w);
        let mut data = vec![0.0; layout.len()];
        for z in 0..layout.depth {
            for y in 0..layout.height {
                data[layout.row(z, y)].fill_with(|| noise.next());
            }
        }
        Self { layout, data, upsampled: false }
    }

    pub(crate) fn upsampled(self) -> Self {
        Self { upsampled: true, ..self }
    }

    pub(crate) fn view(&self) -> Planes<'_> {
        let planes = Planes::new(&self.data, self.layout).expect("length");
        if self.upsampled { planes.upsampled() } else { planes }
    }

    fn at(&self, [z, y, x]: [usize; 3], c: usize) -> f32 {
        let shift = usize::from(self.upsampled);
        self.data[self.layout.row(z >> shift, y >> shift).start + (x >> shift) * self.layout.channels + c]
    }
}

/// A convolution with random weights, and its sources.
pub(crate) struct Case {
    pub(crate) shape: ConvShape,
    pub(crate) size: [usize; 3],
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    epilogue: Epilogue,
    pub(crate) sources: Vec<Source>,
    pub(crate) algorithm: Algorithm,
}

impl Case {
    pub(crate) fn new(shape: ConvShape, size: [usize; 3]) -> Self {
        let mut noise = Noise::new((shape.c_in * 131 + shape.c_out * 7 + size.iter().sum::<usize>()) as u64);
        let weight = noise.vec(shape.c_out * shape.c_in * shape.taps());
        let bias = Some(noise.vec(shape.c_out));
        let sources = vec![Source::noise(size, shape.c_in, 0, &mut noise)];
        Self { shape, size, weight, bias, epilogue: Epilogue::default(), sources, algorithm: Algorithm::Direct }
    }

    pub(crate) fn epilogue(self, activation: Activation) -> Self {
        let mut noise = Noise::new(99);
        let scale_shift = Some((noise.vec(self.shape.c_out), noise.vec(self.shape.c_out)));
        Self { epilogue: Epilogue { activation, scale_shift }, ..self }
    }

    pub(crate) fn conv(&self, isa: Isa) -> Conv3d {
        let options = ConvOptions::new(isa).with_algorithm(self.algorithm);
        let bias = self.bias.as_deref();
        Conv3d::new(self.shape.clone(), &self.weight, bias, self.epilogue.clone(), options).expect("valid")
    }

    pub(crate) fn run(&self, isa: Isa, threads: &Threads) -> Vec<f32> {
        self.run_in_steps(isa, threads, self.size[0].max(1))
    }

    /// Runs `step` planes a call, into an output with padding that must stay untouched.
    pub(crate) fn run_in_steps(&self, isa: Isa, threads: &Threads, step: usize) -> Vec<f32> {
        let layout = Layout::dense(self.size, self.shape.c_out).with_pad_w(1);
        let mut data = vec![-77.0; layout.len()];
        let mut out = PlanesMut::new(&mut data, layout).expect("length");
        let views: Vec<_> = self.sources.iter().map(Source::view).collect();
        let conv = self.conv(isa);
        for start in (0..self.size[0]).step_by(step) {
            conv.run(&views, &mut out, start..(start + step).min(self.size[0]), threads).expect("valid");
        }
        let mut dense = Vec::new();
        for z in 0..layout.depth {
            for y in 0..layout.height {
                let row = layout.row(z, y);
                let pad = layout.channels;
                assert!(data[row.start - pad..row.start].iter().all(|x| *x == -77.0), "left padding was written");
                assert!(data[row.end..row.end + pad].iter().all(|x| *x == -77.0), "right padding was written");
                dense.extend_from_slice(&data[row]);
            }
        }
        dense
    }

    /// The definition in `f64`, and for each output the sum of magnitudes that bounds its rounding error.
    pub(crate) fn exact(&self) -> Vec<(f64, f64)> {
        let [depth, height, width] = self.size;
        let mut out = Vec::new();
        for z in 0..depth {
            for y in 0..height {
                for x in 0..width {
                    for o in 0..self.shape.c_out {
                        out.push(self.exact_at([z, y, x], o));
                    }
                }
            }
        }
        out
    }

    fn exact_at(&self, at: [usize; 3], o: usize) -> (f64, f64) {
        let ConvShape { c_in, kernel, dilation, .. } = self.shape;
        let bias = self.bias.as_ref().map_or(0.0, |bias| f64::from(bias[o]));
        let (mut sum, mut magnitude) = (bias, bias.abs());
        for i in 0..kernel[0] {
            for j in 0..kernel[1] {
                for k in 0..kernel[2] {
                    let Some(voxel) = shifted(at, [i, j, k], kernel, dilation, self.size) else { continue };
                    let mut first = 0;
                    for source in &self.sources {
                        for c in 0..source.layout.channels {
                            let index = (((o * c_in + first + c) * kernel[0] + i) * kernel[1] + j) * kernel[2] + k;
                            let product = f64::from(self.weight[index]) * f64::from(source.at(voxel, c));
                            sum += product;
                            magnitude += product.abs();
                        }
                        first += source.layout.channels;
                    }
                }
            }
        }
        let value = match self.epilogue.activation {
            Activation::Identity => sum,
            Activation::Relu => sum.max(0.0),
            Activation::LeakyRelu(slope) => {
                if sum > 0.0 {
                    sum
                } else {
                    sum * f64::from(slope)
                }
            }
            Activation::Elu => {
                if sum > 0.0 {
                    sum
                } else {
                    sum.exp_m1()
                }
            }
            Activation::Gelu => 0.5 * sum * (1.0 + erf(sum * std::f64::consts::FRAC_1_SQRT_2)),
        };
        match &self.epilogue.scale_shift {
            Some((scale, shift)) => (value * f64::from(scale[o]) + f64::from(shift[o]), magnitude + 1.0),
            None => (value, magnitude),
        }
    }

    /// Checks every available instruction set against the definition, and all of them against each other, bit by bit.
    fn check(&self) {
        let name = format!("{:?} on {:?}", self.shape, self.size);
        let scalar = self.run(Isa::Scalar, &Threads::single());
        let exact = self.exact();
        assert_eq!(scalar.len(), exact.len(), "{name}");
        for (i, (got, (value, magnitude))) in scalar.iter().zip(&exact).enumerate() {
            // One rounding per product and per step of the epilogue, none larger than 2^-24 of the sum of magnitudes;
            // their mean square grows with the square root of their number, 8 of which leaves room.
            let n = (self.shape.c_in * self.shape.taps()) as f64;
            let tolerance = 8.0 * n.sqrt().max(2.0) * f64::from(f32::EPSILON) / 2.0 * magnitude + 3e-7;
            assert!((f64::from(*got) - value).abs() <= tolerance, "{name}: [{i}] = {got}, exact {value}");
        }
        for isa in simd() {
            let got = self.run(isa, &Threads::single());
            assert_same_bits(&got, &scalar, &format!("{name}, {isa:?}"));
        }
    }
}

fn shifted(
    at: [usize; 3],
    tap: [usize; 3],
    kernel: [usize; 3],
    dilation: [usize; 3],
    size: [usize; 3],
) -> Option<[usize; 3]> {
    let mut out = [0; 3];
    for axis in 0..3 {
        let index = at[axis] as i64 + (tap[axis] as i64 - kernel[axis] as i64 / 2) * dilation[axis] as i64;
        out[axis] = usize::try_from(index).ok().filter(|i| *i < size[axis])?;
    }
    Some(out)
}

/// `erf` in `f64` by its Maclaurin series (the arguments of these tests stay below 4, where it keeps 1e-10).
fn erf(x: f64) -> f64 {
    if x.abs() > 4.0 {
        return 1.0_f64.copysign(x);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..160 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

pub(crate) fn simd() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| *isa != Isa::Scalar && isa.is_available())
}

pub(crate) fn assert_same_bits(a: &[f32], b: &[f32], name: &str) {
    assert_eq!(a.len(), b.len(), "{name}");
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert_eq!(a.to_bits(), b.to_bits(), "{name}: [{i}] = {a:e} against {b:e}");
    }
}

#[test]
fn a_hand_worked_row() {
    let shape = ConvShape::new(1, 1, [1, 1, 3]);
    let mut case = Case::new(shape, [1, 1, 4]);
    case.weight = vec![1.0, 10.0, 100.0];
    case.bias = Some(vec![0.5]);
    case.sources[0].data = vec![1.0, 2.0, 3.0, 4.0];
    for isa in simd().chain([Isa::Scalar]) {
        assert_eq!(case.run(isa, &Threads::single()), [210.5, 321.5, 432.5, 43.5]);
    }
}

#[test]
fn channels() {
    for c_in in [1, 3, 8, 21, 24, 30, 72] {
        for c_out in [1, 3, 8, 18, 21, 24, 30, 40, 48, 72, 96] {
            Case::new(ConvShape::new(c_in, c_out, [3; 3]), [2, 3, 5]).check();
        }
    }
}

/// Tiles of several rows: images with none, one, two of them, and rows left over; rows apart by the dilation.
#[test]
fn rows_of_a_tile() {
    for height in [3, 4, 5, 6, 7, 9, 10, 11, 14] {
        for (c_out, dilation, width) in [(24, [1; 3], 17), (30, [1, 2, 3], 16), (21, [2, 1, 1], 35), (5, [1; 3], 70)] {
            let shape = ConvShape::new(2, c_out, [3; 3]).with_dilation(dilation);
            Case::new(shape, [3, height, width]).epilogue(Activation::Relu).check();
        }
    }
}

#[test]
fn sizes() {
    for depth in [1, 2, 5] {
        for height in [1, 3, 9] {
            for width in [1, 2, 3, 5, 7, 9, 16, 17, 33, 50] {
                Case::new(ConvShape::new(3, 9, [3; 3]), [depth, height, width]).check();
                Case::new(ConvShape::new(2, 24, [3; 3]), [depth, height, width]).check();
            }
        }
    }
}

#[test]
fn kernels() {
    for kernel in [[1; 3], [5; 3], [1, 3, 3], [3, 1, 1], [1, 1, 5], [5, 3, 1], [3, 5, 7]] {
        for (c_in, c_out) in [(1, 30), (5, 21), (30, 18), (8, 48)] {
            Case::new(ConvShape::new(c_in, c_out, kernel), [3, 7, 19]).check();
        }
    }
}

#[test]
fn dilations_up_to_larger_than_the_image() {
    for dilation in [[1, 2, 4], [4, 4, 4], [16; 3], [2, 16, 1], [usize::MAX / 4, 1, usize::MAX / 4]] {
        for (c_in, c_out) in [(1, 5), (3, 30), (4, 32)] {
            let shape = ConvShape::new(c_in, c_out, [3; 3]).with_dilation(dilation);
            Case::new(shape.clone(), [5, 9, 7]).check();
            Case::new(shape, [3, 2, 40]).check();
        }
    }
    Case::new(ConvShape::new(2, 3, [5; 3]).with_dilation([3, 2, 3]), [9, 7, 9]).check();
}

#[test]
fn many_input_channels_pass_their_sums_through_the_output() {
    for c_out in [24, 33, 48, 50] {
        Case::new(ConvShape::new(230, c_out, [3; 3]), [2, 3, 4]).epilogue(Activation::Elu).check();
    }
    Case::new(ConvShape::new(60, 40, [5; 3]), [2, 3, 6]).epilogue(Activation::Relu).check();
}

#[test]
fn activations_with_a_negative_scale() {
    let activations =
        [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.125), Activation::Elu, Activation::Gelu];
    for activation in activations {
        for c_out in [5, 24, 48] {
            let mut case = Case::new(ConvShape::new(2, c_out, [3; 3]), [3, 4, 20]).epilogue(activation);
            assert!(case.epilogue.scale_shift.as_ref().is_some_and(|(scale, _)| scale.iter().any(|s| *s < 0.0)));
            case.check();
            case.epilogue.scale_shift = None;
            case.bias = None;
            case.check();
        }
    }
}

#[test]
fn relu_passes_nan() {
    let mut case = Case::new(ConvShape::new(1, 17, [1; 3]), [1, 1, 20]);
    case.epilogue = Activation::Relu.into();
    case.sources[0].data[3] = f32::NAN;
    for isa in simd().chain([Isa::Scalar]) {
        let out = case.run(isa, &Threads::single());
        assert!(out.iter().enumerate().all(|(i, x)| x.is_nan() == (i / 17 == 3)), "{isa:?}");
    }
}

#[test]
fn sources_are_concatenated_and_up_sampled() {
    let mut noise = Noise::new(5);
    for (c_out, size) in [(24, [2, 4, 6]), (5, [4, 2, 38]), (48, [2, 6, 10]), (24, [2, 2, 66])] {
        for counts in [[8, 16], [1, 3], [3, 1], [24, 48]] {
            for (first, second) in [(false, true), (true, false), (true, true), (false, false)] {
                let c_in = counts[0] + counts[1];
                let mut case = Case::new(ConvShape::new(c_in, c_out, [3; 3]), size).epilogue(Activation::Elu);
                case.sources = [(counts[0], first, 1), (counts[1], second, 2)]
                    .into_iter()
                    .map(|(channels, upsampled, pad)| {
                        if upsampled {
                            Source::noise(size.map(|n| n / 2), channels, pad, &mut noise).upsampled()
                        } else {
                            Source::noise(size, channels, pad, &mut noise)
                        }
                    })
                    .collect();
                case.check();
            }
        }
    }
    let mut case = Case::new(ConvShape::new(230, 48, [3; 3]), [2, 4, 6]);
    case.sources =
        vec![Source::noise([2, 4, 6], 100, 0, &mut noise), Source::noise([1, 2, 3], 130, 0, &mut noise).upsampled()];
    case.check();
}

fn several_cases() -> Vec<Case> {
    vec![
        Case::new(ConvShape::new(24, 24, [3; 3]), [7, 20, 37]).epilogue(Activation::Elu),
        Case::new(ConvShape::new(8, 96, [3; 3]), [5, 18, 10]).epilogue(Activation::Gelu),
        Case::new(ConvShape::new(230, 50, [3; 3]), [4, 9, 5]).epilogue(Activation::Relu),
        Case::new(ConvShape::new(5, 21, [3; 3]).with_dilation([2, 4, 16]), [9, 30, 40]),
        Case::new(ConvShape::new(30, 18, [1; 3]), [3, 33, 17]),
    ]
}

#[test]
fn bits_do_not_depend_on_threads() {
    for case in several_cases() {
        let isa = Isa::detect();
        let one = case.run(isa, &Threads::single());
        for n in [2, 3, 7] {
            assert_same_bits(&case.run(isa, &Threads::new(n)), &one, &format!("{:?}, {n} threads", case.shape));
        }
    }
}

#[test]
fn bits_do_not_depend_on_how_planes_are_cut() {
    for case in several_cases() {
        let isa = Isa::detect();
        let whole = case.run(isa, &Threads::single());
        for step in [1, 2, 3] {
            let cut = case.run_in_steps(isa, &Threads::single(), step);
            assert_same_bits(&cut, &whole, &format!("{:?}, {step} planes a call", case.shape));
        }
    }
}

#[test]
fn rings_of_planes_give_the_same_bits() {
    for (dilation, slots) in [(1, 3), (1, 4), (3, 7)] {
        let shape = ConvShape::new(6, 24, [3; 3]).with_dilation([dilation, 1, 1]);
        let case = Case::new(shape, [12, 5, 18]);
        let expected = case.run(Isa::detect(), &Threads::single());
        let conv = case.conv(Isa::detect());
        let whole = &case.sources[0];
        let ring = whole.layout.with_slots(slots).with_pad_w(2);
        let out = Layout::dense(case.size, 24).with_slots(2);
        let mut memory = vec![f32::NAN; ring.len()];
        let mut result = vec![0.0; out.len()];
        for z in 0..12 {
            // Slots hold the newest planes; what lies `slots` planes back is overwritten.
            let newest = (z + dilation).min(11);
            for z_in in (newest + 1).saturating_sub(slots)..=newest {
                for y in 0..5 {
                    memory[ring.row(z_in, y)].copy_from_slice(&whole.data[whole.layout.row(z_in, y)]);
                }
            }
            let source = Planes::new(&memory, ring).expect("length");
            let mut view = PlanesMut::new(&mut result, out).expect("length");
            conv.run(&[source], &mut view, z..z + 1, &Threads::single()).expect("valid");
            for y in 0..5 {
                let dense = Layout::dense(case.size, 24);
                assert_same_bits(&result[out.row(z, y)], &expected[dense.row(z, y)], &format!("row {z}, {y}"));
            }
        }
    }
}

#[test]
fn nothing_to_do_is_no_error() {
    let case = Case::new(ConvShape::new(2, 3, [3; 3]), [3, 4, 5]);
    let conv = case.conv(Isa::detect());
    let layout = Layout::dense(case.size, 3);
    let mut data = vec![1.0; layout.len()];
    let mut out = PlanesMut::new(&mut data, layout).expect("length");
    conv.run(&[case.sources[0].view()], &mut out, 2..2, &Threads::single()).expect("no plane");
    assert!(data.iter().all(|x| *x == 1.0));
    for size in [[0, 4, 5], [3, 0, 5], [3, 4, 0]] {
        let source = Planes::new(&[], Layout::dense(size, 2)).expect("length");
        let mut out = PlanesMut::new(&mut [], Layout::dense(size, 3)).expect("length");
        conv.run(&[source], &mut out, 0..size[0], &Threads::single()).expect("no voxel");
    }
}

#[test]
fn packing_is_reported() {
    let case = Case::new(ConvShape::new(48, 48, [3; 3]), [1; 3]);
    let conv = case.conv(Isa::Scalar);
    assert_eq!(conv.packed_bytes(), 27 * 48 * 48 * 4);
    assert_eq!((conv.isa(), conv.pad_w(), conv.shape()), (Isa::Scalar, 0, &case.shape));
}
