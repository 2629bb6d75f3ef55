//! One level of a 3-D U-Net on a made-up volume: a forward pass, a loss, and gradient steps.
//!
//! `cargo run --release -p volkit-nn3d --example unet_block`

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Module as _, ModuleT, Optimizer as _, VarBuilder, VarMap};
use volkit_nn3d::{
    BatchNorm, BatchNormConfig, Conv3d, Conv3dConfig, MaxPool3d, Pool3dConfig, Upsample3d, UpsampleMode, elu, softmax,
    sum_all,
};

/// Two convolutions, each followed by ELU, then a batch norm. Gives the skip (before the norm) and the result.
struct Block {
    first: Conv3d,
    second: Conv3d,
    norm: BatchNorm,
}

impl Block {
    fn new(c_in: usize, c_out: usize, vb: &VarBuilder) -> Result<Self> {
        let same = Conv3dConfig::same([3; 3]);
        Ok(Self {
            first: Conv3d::new(c_in, c_out, [3; 3], same.clone(), &vb.pp("first"))?,
            second: Conv3d::new(c_out, c_out, [3; 3], same, &vb.pp("second"))?,
            norm: BatchNorm::new(c_out, BatchNormConfig::new().with_eps(1e-3), &vb.pp("norm"))?,
        })
    }

    fn run(&self, x: &Tensor, train: bool) -> Result<(Tensor, Tensor)> {
        let x = elu(&self.first.forward(x)?, 1.0)?;
        let skip = elu(&self.second.forward(&x)?, 1.0)?;
        let y = self.norm.forward_t(&skip, train)?;
        Ok((skip, y))
    }
}

struct Net {
    down: Block,
    bottom: Block,
    up: Block,
    head: Conv3d,
    pool: MaxPool3d,
    upsample: Upsample3d,
}

impl Net {
    fn new(features: usize, labels: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self {
            down: Block::new(1, features, &vb.pp("down"))?,
            bottom: Block::new(features, 2 * features, &vb.pp("bottom"))?,
            up: Block::new(3 * features, features, &vb.pp("up"))?,
            head: Conv3d::new(features, labels, [1; 3], Conv3dConfig::new(), &vb.pp("head"))?,
            pool: MaxPool3d::new(Pool3dConfig::new([2; 3]))?,
            upsample: Upsample3d::new([2; 3], UpsampleMode::Nearest)?,
        })
    }
}

impl ModuleT for Net {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (skip, x) = self.down.run(x, train)?;
        let (_, x) = self.bottom.run(&self.pool.forward(&x)?, train)?;
        let joined = Tensor::cat(&[skip, self.upsample.forward(&x)?], 1)?;
        let (_, x) = self.up.run(&joined, train)?;
        Ok(softmax(&self.head.forward(&x)?, 1)?)
    }
}

/// A noisy ball in a cube, and the one-hot labels outside and inside.
fn ball(size: usize, device: &Device) -> Result<(Tensor, Tensor)> {
    let centre = (size - 1) as f64 / 2.0;
    let inside = |i: usize| {
        let at = [i / (size * size), i / size % size, i % size].map(|v| v as f64 - centre);
        at.iter().map(|v| v * v).sum::<f64>().sqrt() < 0.35 * size as f64
    };
    let labels: Vec<f32> = (0..size.pow(3)).map(|i| f32::from(u8::from(inside(i)))).collect();
    let labels = Tensor::from_vec(labels, (1, 1, size, size, size), device)?;
    let image = (&labels + labels.randn_like(0.0, 0.4)?)?;
    Ok((image, Tensor::cat(&[labels.affine(-1.0, 1.0)?, labels], 1)?))
}

fn main() -> Result<()> {
    let device = Device::Cpu;
    let (image, labels) = ball(24, &device)?;
    let map = VarMap::new();
    let net = Net::new(8, 2, &VarBuilder::from_varmap(&map, DType::F32, &device))?;
    let mut optimizer = candle_nn::AdamW::new_lr(map.all_vars(), 0.01)?;
    for step in 0..10 {
        let posterior = net.forward_t(&image, true)?;
        let loss = (sum_all(&(posterior - &labels)?.sqr()?)? / labels.elem_count() as f64)?;
        optimizer.backward_step(&loss)?;
        println!("step {step}: mean squared error {:.4}", loss.to_scalar::<f32>()?);
    }
    let right = net.forward_t(&image, false)?.argmax(1)?.eq(&labels.argmax(1)?)?;
    let share = right.to_dtype(DType::F32)?.mean_all()?.to_scalar::<f32>()?;
    println!("with running statistics: {:.1} % of the voxels right", 100.0 * share);
    Ok(())
}
