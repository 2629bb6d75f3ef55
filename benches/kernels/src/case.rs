//! Layers of the networks that volkit runs.

use std::ops::Range;

use volkit_kernels::{Activation, Conv3d, ConvShape, Isa, KernelError, Layout, Planes, PlanesMut, Threads};

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
}

impl Layer {
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
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Case {
    /// Packs the layer with made-up weights.
    ///
    /// # Errors
    /// [`KernelError::IsaUnavailable`].
    pub fn new(layer: &Layer, isa: Isa) -> Result<Self, KernelError> {
        let shape = &layer.shape;
        let mut state = 0x2545_f491_u32;
        let mut noise = |len: usize| -> Vec<f32> {
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            };
            (0..len).map(|_| next()).collect()
        };
        let weight = noise(shape.c_in * shape.c_out * shape.taps());
        let bias = noise(shape.c_out);
        let input = noise(Layout::dense(layer.size, shape.c_in).len());
        let output = vec![0.0; Layout::dense(layer.size, shape.c_out).len()];
        let conv = Conv3d::new(shape.clone(), &weight, Some(&bias), Activation::Relu.into(), isa)?;
        Ok(Self { layer: layer.clone(), conv, input, output })
    }

    /// Computes the layer's planes once.
    ///
    /// # Errors
    /// None that a valid layer can meet.
    pub fn run(&mut self, threads: &Threads) -> Result<(), KernelError> {
        let size = self.layer.size;
        let source = Planes::new(&self.input, Layout::dense(size, self.layer.shape.c_in))?;
        let mut out = PlanesMut::new(&mut self.output, Layout::dense(size, self.layer.shape.c_out))?;
        self.conv.run(&[source], &mut out, self.layer.planes.clone(), threads)
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
    };
    let wide = [256, 256];
    let mesh = |depth| [depth, wide[0], wide[1]];
    vec![
        layer("24x24_160", [24, 24], 1, [24, 160, 160], 4..8),
        layer("72x24_160", [72, 24], 1, [16, 160, 160], 4..6),
        layer("48x48_80", [48, 48], 1, [24, 80, 80], 4..8),
        layer("144x48_80", [144, 48], 1, [24, 80, 80], 4..6),
        layer("96x96_40", [96, 96], 1, [40; 3], 4..6),
        layer("192x192_20", [192, 192], 1, [20; 3], 4..6),
        layer("384x384_10", [384, 384], 1, [10; 3], 0..10),
        layer("30x30_256", [30, 30], 1, mesh(12), 4..6),
        layer("30x30_256_dilation2", [30, 30], 2, mesh(12), 4..6),
        layer("30x30_256_dilation4", [30, 30], 4, mesh(12), 4..6),
        layer("30x30_256_dilation8", [30, 30], 8, mesh(20), 8..10),
        layer("30x30_256_dilation16", [30, 30], 16, mesh(34), 16..18),
        layer("21x21_256", [21, 21], 1, mesh(12), 4..6),
        layer("1x24_160", [1, 24], 1, [24, 160, 160], 4..8),
        layer("1x30_256", [1, 30], 1, mesh(12), 4..6),
        Layer { name: "30x18_256_pointwise", shape: ConvShape::new(30, 18, [1; 3]), size: mesh(12), planes: 4..8 },
    ]
}
