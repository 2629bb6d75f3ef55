//! Layers of the networks that volkit runs.

use std::ops::Range;

use volkit_kernels::{
    Activation, Buffer, Conv3d, ConvOptions, ConvShape, KernelError, Layout, Planes, PlanesMut, Threads,
};

/// A small deterministic generator (xorshift).
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    /// The generator number `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// `len` floats, uniform in `-range..range`.
    pub fn floats(&mut self, len: usize, range: f32) -> Vec<f32> {
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            ((self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0) * range
        };
        (0..len).map(|_| next()).collect()
    }
}

/// A layer and the planes of it that one timed run computes.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Part of the benchmark's id.
    pub name: &'static str,
    /// The convolution.
    pub shape: ConvShape,
    /// `[depth, height, width]` of the tensors.
    pub size: [usize; 3],
    /// Output planes of a run.
    pub planes: Range<usize>,
    /// Input channels, the last ones, that are read through up-sampling by 2.
    pub upsampled: usize,
}

impl Layer {
    /// The tensors it reads: its own size, and half of it.
    fn sources(&self) -> [Layout; 2] {
        let own = Layout::dense(self.size, self.shape.c_in - self.upsampled);
        [own, Layout::dense(self.size.map(|n| n / 2), self.upsampled)]
    }

    /// Floating-point operations of a run: two per weight and output voxel, taps outside the volume included.
    #[must_use]
    pub fn flops(&self) -> f64 {
        let voxels = self.planes.len() * self.size[1] * self.size[2];
        2.0 * (self.shape.c_in * self.shape.c_out * self.shape.taps() * voxels) as f64
    }
}

/// A packed layer with its tensors.
#[derive(Debug)]
pub struct Case {
    layer: Layer,
    conv: Conv3d,
    inputs: [Buffer<f32>; 2],
    output: Buffer<f32>,
}

impl Case {
    /// Packs the layer with made-up weights.
    ///
    /// # Errors
    /// [`KernelError::IsaUnavailable`], [`KernelError::Parameter`] for an algorithm that does not compute the layer.
    pub fn new(layer: &Layer, options: ConvOptions<'_>) -> Result<Self, KernelError> {
        let shape = &layer.shape;
        let mut noise = Noise::new(1);
        let weight = noise.floats(shape.c_in * shape.c_out * shape.taps(), 1.0);
        let bias = noise.floats(shape.c_out, 1.0);
        let mut inputs = <[Buffer<f32>; 2]>::default();
        for (input, layout) in inputs.iter_mut().zip(layer.sources()) {
            *input = Buffer::zeroed(layout.len(), "an input")?;
            input.copy_from_slice(&noise.floats(layout.len(), 1.0));
        }
        let output = Buffer::zeroed(Layout::dense(layer.size, shape.c_out).len(), "an output")?;
        let conv = Conv3d::new(shape.clone(), &weight, Some(&bias), Activation::Elu.into(), options)?;
        Ok(Self { layer: layer.clone(), conv, inputs, output })
    }

    /// Computes the layer's planes once.
    ///
    /// # Errors
    /// None that a valid layer can meet.
    pub fn run(&mut self, threads: &Threads) -> Result<(), KernelError> {
        let size = self.layer.size;
        let [own, half] = self.layer.sources();
        let own = Planes::new(&self.inputs[0], own)?;
        let half = Planes::new(&self.inputs[1], half)?.upsampled();
        let both = [own, half];
        let sources = if self.layer.upsampled == 0 { &both[..1] } else { &both };
        let mut out = PlanesMut::new(&mut self.output, Layout::dense(size, self.layer.shape.c_out))?;
        self.conv.run(sources, &mut out, self.layer.planes.clone(), threads)
    }
}

/// The layers: levels of the `SynthSeg` U-Net, and those of `MeshNet` with their dilations.
#[must_use]
pub fn cases() -> Vec<Layer> {
    let layer = |name, [c_in, c_out]: [usize; 2], dilation, size, planes| Layer {
        name,
        shape: ConvShape::new(c_in, c_out, [3; 3]).with_dilation([dilation; 3]),
        size,
        planes,
        upsampled: 0,
    };
    let concat = |name, channels: [usize; 2], size, planes| Layer {
        upsampled: channels[0] / 3 * 2,
        ..layer(name, channels, 1, size, planes)
    };
    let wide = [256, 256];
    let mesh = |depth| [depth, wide[0], wide[1]];
    vec![
        layer("24x24_160", [24, 24], 1, [24, 160, 160], 4..8),
        concat("72x24_160", [72, 24], [16, 160, 160], 4..8),
        layer("48x48_80", [48, 48], 1, [24, 80, 80], 4..8),
        concat("144x48_80", [144, 48], [24, 80, 80], 4..8),
        layer("96x96_40", [96, 96], 1, [40; 3], 4..12),
        concat("288x96_40", [288, 96], [40; 3], 4..12),
        layer("192x192_20", [192, 192], 1, [20; 3], 4..12),
        concat("576x192_20", [576, 192], [20; 3], 4..12),
        layer("384x384_10", [384, 384], 1, [10; 3], 0..10),
        layer("30x30_256", [30, 30], 1, mesh(12), 4..8),
        layer("30x30_256_dilation2", [30, 30], 2, mesh(24), 8..16),
        layer("30x30_256_dilation4", [30, 30], 4, mesh(32), 8..16),
        layer("30x30_256_dilation8", [30, 30], 8, mesh(24), 8..10),
        layer("30x30_256_dilation16", [30, 30], 16, mesh(34), 16..18),
        layer("21x21_256", [21, 21], 1, mesh(12), 4..8),
        layer("1x24_160", [1, 24], 1, [24, 160, 160], 4..8),
        layer("1x30_256", [1, 30], 1, mesh(12), 4..6),
        Layer { shape: ConvShape::new(30, 18, [1; 3]), ..layer("30x18_256_pointwise", [30, 18], 1, mesh(12), 4..8) },
    ]
}
