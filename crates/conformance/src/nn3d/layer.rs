//! One layer on one path.

use candle_core::{Device, Tensor, Var};
use candle_nn::Module as _;
use serde_json::Value;
use volkit_core::{ArrayStore as _, BoxError};
use volkit_io::SafetensorsStore;
use volkit_nn3d::{
    Activation, BatchNormConfig, Conv3dConfig, ConvTranspose3dConfig, Corners, GeluForm, NormConfig, OpPath,
    Pool3dConfig, Upsample3d, UpsampleMode, avg_pool3d, batch_norm, batch_norm_training, conv_transpose3d, conv3d,
    group_norm, instance_norm, max_pool3d, softmax,
};
use volkit_seg::NetPath;

use crate::check::Check;
use crate::index::Entry;
use crate::machine::Machine;

/// Largest difference, as a part of the largest expected value.
const RTOL: f64 = 2e-5;

/// The paths on which a case is run: the one asked for, or all that the op has on the device.
pub(super) fn paths(entry: &Entry<'_>, machine: &Machine) -> Vec<(OpPath, &'static str)> {
    let kernel = (OpPath::Kernel, "kernel");
    // There is no kernel of softmax.
    let has_kernel = machine.device.is_cpu() && !matches!(entry.text("op"), Ok("softmax"));
    let composite = (OpPath::Composite, "composite");
    match machine.path {
        NetPath::Kernel if has_kernel => vec![kernel],
        NetPath::Auto if has_kernel => vec![kernel, composite],
        NetPath::Kernel | NetPath::Auto | NetPath::Composite => vec![composite],
    }
}

/// The tensors of a case: arguments by role, and what must come out.
struct Case<'a> {
    entry: &'a Entry<'a>,
    store: SafetensorsStore,
    arguments: Vec<(&'a str, Var)>,
    path: OpPath,
    device: &'a Device,
}

/// Runs the case forward and backward.
pub(super) fn check(root: &Entry<'_>, entry: &Entry<'_>, (path, device): (OpPath, &Device)) -> Result<Check, BoxError> {
    let store = SafetensorsStore::open(&root.path("tensors")?)?;
    let mut case = Case { entry, store, arguments: Vec::new(), path, device };
    for (role, name) in roles(entry, "inputs")? {
        case.arguments.push((role, Var::from_tensor(&case.tensor(name)?)?));
    }
    let mut check = Check::new();
    let (y, after) = case.run()?;
    compare(&mut check, "output", &y, &case.tensor(entry.text("output")?)?)?;
    let grad = case.tensor(entry.text("grad_output")?)?;
    let gradients = (&y * grad)?.sum_all()?.backward()?;
    for (role, name) in roles(entry, "grads")? {
        let gradient = gradients.get(case.argument(role)?).ok_or_else(|| format!("'{role}' got no gradient"))?;
        compare(&mut check, &format!("the gradient of {role}"), gradient, &case.tensor(name)?)?;
    }
    for (role, value) in after {
        let wanted = case.tensor(entry.entry("after")?.text(role)?)?;
        compare(&mut check, &format!("{role} after the step"), &value, &wanted)?;
    }
    Ok(check)
}

/// Names of tensors by role.
fn roles<'a>(entry: &Entry<'a>, field: &str) -> Result<Vec<(&'a str, &'a str)>, BoxError> {
    let object = entry.required(field)?.as_object();
    let pairs = object.into_iter().flatten().map(|(role, name)| Some((role.as_str(), name.as_str()?)));
    let pairs: Option<Vec<_>> = pairs.collect();
    pairs.filter(|_| object.is_some()).ok_or_else(|| format!("the index has '{field}', which names no tensors").into())
}

/// Adds the largest difference to the check.
fn compare(check: &mut Check, what: &str, got: &Tensor, wanted: &Tensor) -> Result<(), BoxError> {
    check.equal(&format!("the shape of {what}"), got.dims(), wanted.dims());
    let values = |x: &Tensor| x.flatten_all()?.to_vec1::<f32>();
    let (got, wanted) = (values(got)?, values(wanted)?);
    let largest = wanted.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
    let off = got.iter().zip(&wanted).map(|(g, w)| f64::from((g - w).abs()));
    let off = off.fold(0.0, |most: f64, d| if d.is_nan() { f64::INFINITY } else { most.max(d) });
    check.within(what, off / f64::from(largest.max(f32::MIN_POSITIVE)), RTOL);
    Ok(())
}

type Ran = (Tensor, Vec<(&'static str, Tensor)>);

impl Case<'_> {
    fn tensor(&self, name: &str) -> Result<Tensor, BoxError> {
        let array = self.store.get(name)?;
        Ok(Tensor::from_vec(array.to_real::<f32>()?, array.shape(), self.device)?)
    }

    fn argument(&self, role: &str) -> Result<&Tensor, BoxError> {
        self.optional(role).ok_or_else(|| format!("the index has no input '{role}'").into())
    }

    fn optional(&self, role: &str) -> Option<&Tensor> {
        self.arguments.iter().find(|(name, _)| *name == role).map(|(_, var)| var.as_tensor())
    }

    /// The result, and values that a step of training leaves behind.
    fn run(&self) -> Result<Ran, BoxError> {
        let config = self.entry.entry("config")?;
        let x = self.argument("x")?;
        let pool = || -> Result<Pool3dConfig, BoxError> {
            let pool = Pool3dConfig::new(config.size("kernel")?).with_stride(config.size("stride")?);
            Ok(pool.with_padding(config.size("padding")?).with_path(self.path))
        };
        let norm = || Ok::<_, BoxError>(NormConfig::new().with_eps(config.number("eps")?).with_path(self.path));
        let [gamma, beta] = ["gamma", "beta"].map(|role| self.optional(role));
        let y = match self.entry.text("op")? {
            "conv3d" | "conv_transpose3d" => self.convolution(&config)?,
            "max_pool3d" => max_pool3d(x, &pool()?)?,
            "avg_pool3d" => avg_pool3d(x, &pool()?)?,
            "upsample_nearest3d" => self.upsample(&config, UpsampleMode::Nearest)?,
            "upsample_trilinear3d" => {
                let corners = if config.flag("align_corners")? { Corners::Centres } else { Corners::Edges };
                self.upsample(&config, UpsampleMode::Trilinear(corners))?
            }
            "batch_norm" => return self.batch_norm(&config),
            "instance_norm" => instance_norm(x, gamma, beta, &norm()?)?,
            "group_norm" => group_norm(x, config.count("groups")?, gamma, beta, &norm()?)?,
            "elu" => Activation::Elu(config.number("alpha")?).apply(x, self.path)?,
            "leaky_relu" => Activation::LeakyRelu(config.number("negative_slope")?).apply(x, self.path)?,
            "gelu" => {
                let form = if config.text("approximate")? == "tanh" { GeluForm::Tanh } else { GeluForm::Erf };
                Activation::Gelu(form).apply(x, self.path)?
            }
            "softmax" => softmax(x, config.count("dim")?)?,
            other => return Err(format!("no op is called '{other}'").into()),
        };
        Ok((y, Vec::new()))
    }

    fn convolution(&self, config: &Entry<'_>) -> Result<Tensor, BoxError> {
        let (x, weight, bias) = (self.argument("x")?, self.argument("weight")?, self.optional("bias"));
        let [stride, padding, dilation] = [config.size("stride")?, config.size("padding")?, config.size("dilation")?];
        let groups = config.count("groups")?;
        if self.entry.text("op")? == "conv3d" {
            let config = Conv3dConfig::new().with_stride(stride).with_padding(padding).with_dilation(dilation);
            return Ok(conv3d(x, weight, bias, &config.with_groups(groups).with_path(self.path))?);
        }
        let transposed = ConvTranspose3dConfig::new()
            .with_stride(stride)
            .with_padding(padding)
            .with_output_padding(config.size("output_padding")?)
            .with_dilation(dilation)
            .with_groups(groups)
            .with_path(self.path);
        Ok(conv_transpose3d(x, weight, bias, &transposed)?)
    }

    fn upsample(&self, config: &Entry<'_>, mode: UpsampleMode) -> Result<Tensor, BoxError> {
        Ok(Upsample3d::new(config.size("scale")?, mode)?.with_path(self.path).forward(self.argument("x")?)?)
    }

    fn batch_norm(&self, config: &Entry<'_>) -> Result<Ran, BoxError> {
        let settings = BatchNormConfig::new()
            .with_eps(config.number("eps")?)
            .with_momentum(config.number("momentum")?)
            .with_path(self.path);
        let x = self.argument("x")?;
        let [gamma, beta] = ["gamma", "beta"].map(|role| self.optional(role));
        let (mean, var) = (self.argument("running_mean")?, self.argument("running_var")?);
        if config.required("training")? != &Value::Bool(true) {
            return Ok((batch_norm(x, mean, var, gamma, beta, &settings)?, Vec::new()));
        }
        let (y, batch) = batch_norm_training(x, gamma, beta, &settings)?;
        let (mean, var) = batch.update(mean, var, settings.momentum)?;
        Ok((y, vec![("running_mean", mean), ("running_var", var)]))
    }
}
