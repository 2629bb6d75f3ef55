//! Layers of the SynthSeg network.

use volkit_bench::{FnWorkload, Random, Workload};
use volkit_core::BoxError;
use volkit_kernels::{Activation, Conv3d, ConvOptions, ConvShape, Isa, Layout, Mode, Planes, PlanesMut};

use super::{Make, Setting};

/// Input and output channels, and voxels along each axis, of one layer a level.
const LAYERS: [([usize; 2], usize); 5] =
    [([1, 24], 64), ([24, 24], 64), ([48, 48], 48), ([96, 96], 24), ([192, 192], 12)];

pub(super) fn workloads<'a>(setting: &'a Setting<'a>) -> Vec<Make<'a>> {
    let with_mode = |mode: Mode| LAYERS.into_iter().map(move |(channels, n)| (mode, channels, n));
    let all = Mode::ALL.into_iter().flat_map(with_mode);
    all.map(|(mode, channels, n)| Box::new(move || layer(setting, mode, channels, n)) as Make<'a>).collect()
}

fn layer<'a>(
    setting: &'a Setting<'a>,
    mode: Mode,
    [c_in, c_out]: [usize; 2],
    n: usize,
) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let (shape, isa) = (ConvShape::new(c_in, c_out, [3; 3]), Isa::detect());
    let mut random = Random::new(7);
    let mut numbers = |len: usize| (0..len).map(|_| random.range(-1.0, 1.0) as f32).collect::<Vec<f32>>();
    let weight = numbers(c_in * c_out * shape.taps());
    let (bias, input) = (numbers(c_out), numbers(Layout::dense([n; 3], c_in).len()));
    let mut output = vec![0.0; Layout::dense([n; 3], c_out).len()];
    let flops = 2.0 * (c_in * c_out * shape.taps() * n * n * n) as f64;
    let options = ConvOptions::new(isa).with_mode(mode);
    let conv = Conv3d::new(shape, &weight, Some(&bias), Activation::Elu.into(), options)?;
    let name = format!("kernels/conv3d/{c_in}to{c_out}-{n}x{n}x{n}/{}-{}", mode.name(), isa.name());
    let run = move || {
        let source = Planes::new(&input, Layout::dense([n; 3], c_in))?;
        let mut out = PlanesMut::new(&mut output, Layout::dense([n; 3], c_out))?;
        Ok(conv.run(&[source], &mut out, 0..n, setting.threads)?)
    };
    Ok(Box::new(FnWorkload::new(name, run).with_amount(flops, "FLOP")))
}
