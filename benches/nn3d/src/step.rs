//! Forward and backward passes.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{ModuleT as _, VarBuilder, VarMap};
use volkit_bench::Random;
use volkit_nn3d::{Conv3dConfig, OpPath, conv3d, sum_all};

use crate::UNet;

/// Work that is done again and again on the same arguments.
pub trait Step {
    /// A forward and a backward pass.
    ///
    /// # Errors
    /// None on arguments that were checked when the step was made.
    fn run(&self) -> Result<StepResult>;

    /// Writes all arguments to a safetensors file.
    ///
    /// # Errors
    /// When the file can not be written.
    fn save_arguments(&self, file: &Path) -> Result<()>;
}

/// What a step gives: its result, and the gradients of its arguments in the order of their names.
#[derive(Debug)]
pub struct StepResult {
    tensors: Vec<Tensor>,
    values: OnceCell<Vec<f32>>,
}

impl StepResult {
    fn new(tensors: Vec<Tensor>) -> Self {
        Self { tensors, values: OnceCell::new() }
    }

    /// All elements, one tensor behind the other; nothing where they are not f32.
    pub fn values(&self) -> &[f32] {
        self.values.get_or_init(|| {
            let flat = |x: &Tensor| x.flatten_all().and_then(|x| x.to_vec1()).unwrap_or_default();
            self.tensors.iter().flat_map(flat).collect()
        })
    }
}

/// Uniform values in `-range..range`.
fn noise(shape: &[usize], range: f64, random: &mut Random) -> Result<Tensor> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.range(-range, range) as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// A convolution of 3 x 3 x 3 taps that keeps the size; the gradient of its result is 1 everywhere.
#[derive(Debug)]
pub struct ConvStep {
    arguments: [(&'static str, Var); 3],
    config: Conv3dConfig,
}

impl ConvStep {
    /// With as many output as input channels, on a cube of `size` voxels along each edge.
    ///
    /// # Errors
    /// When the arguments find no memory.
    pub fn new(channels: usize, size: usize, path: OpPath) -> Result<Self> {
        let mut random = Random::new(7);
        let mut var = |shape: &[usize], range| Var::from_tensor(&noise(shape, range, &mut random)?);
        let range = 1.0 / (27.0 * channels as f64).sqrt();
        let arguments = [
            ("bias", var(&[channels], range)?),
            ("weight", var(&[channels, channels, 3, 3, 3], range)?),
            ("x", var(&[1, channels, size, size, size], 1.0)?),
        ];
        Ok(Self { arguments, config: Conv3dConfig::same([3; 3]).with_path(path) })
    }

    /// The forward pass alone, outside of any graph.
    ///
    /// # Errors
    /// None on these arguments.
    pub fn forward(&self) -> Result<Tensor> {
        let [bias, weight, x] = self.arguments.each_ref().map(|(_, var)| var.as_detached_tensor());
        Ok(conv3d(&x, &weight, Some(&bias), &self.config)?)
    }
}

impl Step for ConvStep {
    fn run(&self) -> Result<StepResult> {
        let [bias, weight, x] = self.arguments.each_ref().map(|(_, var)| var.as_tensor());
        let y = conv3d(x, weight, Some(bias), &self.config)?;
        let gradients = y.backward()?;
        let mut tensors = vec![y.detach()];
        tensors.extend([bias, weight, x].into_iter().filter_map(|x| gradients.get(x).cloned()));
        Ok(StepResult::new(tensors))
    }

    fn save_arguments(&self, file: &Path) -> Result<()> {
        let tensors: HashMap<_, _> =
            self.arguments.iter().map(|(name, var)| (*name, var.as_tensor().clone())).collect();
        candle_core::safetensors::save(&tensors, file)
    }
}

/// A U-Net in training, with the mean square of its result as loss.
pub struct UNetStep {
    net: UNet,
    variables: VarMap,
    x: Tensor,
}

impl UNetStep {
    /// 4 to 8 channels, 8 features at the top, one volume of this size.
    ///
    /// # Errors
    /// When the arguments find no memory.
    pub fn new([depth, height, width]: [usize; 3], path: OpPath) -> Result<Self> {
        let (mut random, variables) = (Random::new(8), VarMap::new());
        let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let net = UNet::new([4, 8, 8], path, &vb)?;
        Ok(Self { net, variables, x: noise(&[1, 4, depth, height, width], 1.0, &mut random)? })
    }

    /// Variables by name, sorted.
    fn sorted(&self) -> Vec<(String, Var)> {
        let data = self.variables.data().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut all: Vec<_> = data.iter().map(|(name, var)| (name.clone(), var.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

impl Step for UNetStep {
    fn run(&self) -> Result<StepResult> {
        let y = self.net.forward_t(&self.x, true)?;
        let loss = (sum_all(&y.sqr()?)? / y.elem_count() as f64)?;
        let gradients = loss.backward()?;
        let mut tensors = vec![loss.detach()];
        tensors.extend(self.sorted().iter().filter_map(|(_, var)| gradients.get(var).cloned()));
        Ok(StepResult::new(tensors))
    }

    fn save_arguments(&self, file: &Path) -> Result<()> {
        let mut tensors: HashMap<_, _> =
            self.sorted().into_iter().map(|(name, var)| (name, var.as_tensor().clone())).collect();
        tensors.insert("x".into(), self.x.clone());
        candle_core::safetensors::save(&tensors, file)
    }
}
