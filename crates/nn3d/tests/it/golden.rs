//! Outputs and gradients of PyTorch in f64, rounded to f32.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{Device, Tensor, Var};
use candle_nn::Module as _;
use serde_json::Value;
use volkit_nn3d::{
    BatchNormConfig, Conv3dConfig, ConvTranspose3dConfig, Corners, GeluForm, NormConfig, OpPath, Pool3dConfig,
    Upsample3d, UpsampleMode, avg_pool3d, batch_norm, batch_norm_training, conv_transpose3d, conv3d, elu, gelu,
    group_norm, instance_norm, leaky_relu, max_pool3d, softmax,
};

use crate::check::{AnyResult, distance};

/// Of the largest expected value: the folder's own tolerance.
const RTOL: f64 = 2e-5;

fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("VOLKIT_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("golden/nn3d");
    folder.join("index.json").exists().then_some(folder)
}

fn triple(config: &Value, key: &str) -> [usize; 3] {
    std::array::from_fn(|a| config[key][a].as_u64().unwrap() as usize)
}

struct Case<'a> {
    config: &'a Value,
    inputs: HashMap<&'a str, Tensor>,
    slab_bytes: usize,
    path: OpPath,
}

impl Case<'_> {
    fn number(&self, key: &str) -> f64 {
        self.config[key].as_f64().unwrap()
    }

    fn run(&self, op: &str) -> AnyResult<(Tensor, Vec<(&'static str, Tensor)>)> {
        let c = self.config;
        let (x, get) = (&self.inputs["x"], |role: &str| self.inputs.get(role));
        let pool = || Pool3dConfig::new(triple(c, "kernel")).with_stride(triple(c, "stride")).with_path(self.path);
        let norm = || NormConfig::new().with_eps(self.number("eps")).with_path(self.path);
        let mut after = Vec::new();
        let y = match op {
            "conv3d" => {
                let config = Conv3dConfig::new()
                    .with_stride(triple(c, "stride"))
                    .with_padding(triple(c, "padding"))
                    .with_dilation(triple(c, "dilation"))
                    .with_groups(c["groups"].as_u64().unwrap() as usize)
                    .with_path(self.path)
                    .with_slab_bytes(self.slab_bytes);
                conv3d(x, &self.inputs["weight"], get("bias"), &config)?
            }
            "conv_transpose3d" => {
                let config = ConvTranspose3dConfig::new()
                    .with_stride(triple(c, "stride"))
                    .with_padding(triple(c, "padding"))
                    .with_output_padding(triple(c, "output_padding"))
                    .with_dilation(triple(c, "dilation"))
                    .with_groups(c["groups"].as_u64().unwrap() as usize)
                    .with_path(self.path)
                    .with_slab_bytes(self.slab_bytes);
                conv_transpose3d(x, &self.inputs["weight"], get("bias"), &config)?
            }
            "max_pool3d" => max_pool3d(x, &pool().with_padding(triple(c, "padding")))?,
            "avg_pool3d" => avg_pool3d(x, &pool().with_padding(triple(c, "padding")))?,
            "upsample_nearest3d" | "upsample_trilinear3d" => {
                let corners = if c["align_corners"] == true { Corners::Centres } else { Corners::Edges };
                let mode =
                    if op == "upsample_nearest3d" { UpsampleMode::Nearest } else { UpsampleMode::Trilinear(corners) };
                Upsample3d::new(triple(c, "scale"), mode)?.with_path(self.path).forward(x)?
            }
            "batch_norm" => {
                let config = BatchNormConfig::new().with_eps(self.number("eps")).with_momentum(self.number("momentum"));
                let config = config.with_path(self.path);
                let (mean, var) = (&self.inputs["running_mean"], &self.inputs["running_var"]);
                if c["training"] == true {
                    let (y, batch) = batch_norm_training(x, get("gamma"), get("beta"), &config)?;
                    let (mean, var) = batch.update(mean, var, config.momentum)?;
                    after.extend([("running_mean", mean), ("running_var", var)]);
                    y
                } else {
                    batch_norm(x, mean, var, get("gamma"), get("beta"), &config)?
                }
            }
            "instance_norm" => instance_norm(x, get("gamma"), get("beta"), &norm())?,
            "group_norm" => group_norm(x, c["groups"].as_u64().unwrap() as usize, get("gamma"), get("beta"), &norm())?,
            "elu" => elu(x, self.number("alpha"))?,
            "leaky_relu" => leaky_relu(x, self.number("negative_slope"))?,
            "gelu" => gelu(x, if c["approximate"] == "tanh" { GeluForm::Tanh } else { GeluForm::Erf })?,
            "softmax" => softmax(x, c["dim"].as_u64().unwrap() as usize)?,
            other => return Err(format!("no such op: {other}").into()),
        };
        Ok((y, after))
    }
}

fn run_all(slab_bytes: usize, path: OpPath, wanted_ops: Option<&str>) {
    let Some(folder) = folder() else {
        eprintln!("skipped: no golden/nn3d in the shared folder");
        return;
    };
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let file = folder.join(index["tensors"].as_str().unwrap());
    let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let mut failures = Vec::new();
    let mut n_cases = 0;
    for case in index["cases"].as_array().unwrap() {
        let (name, op) = (case["name"].as_str().unwrap(), case["op"].as_str().unwrap());
        if wanted_ops.is_some_and(|part| !op.starts_with(part)) {
            continue;
        }
        n_cases += 1;
        let tensor = |name: &Value| &tensors[name.as_str().unwrap()];
        let vars: HashMap<&str, Var> = (case["inputs"].as_object().unwrap().iter())
            .map(|(role, name)| (role.as_str(), Var::from_tensor(tensor(name)).unwrap()))
            .collect();
        let inputs = vars.iter().map(|(role, var)| (*role, var.as_tensor().clone())).collect();
        let (y, after) = Case { config: &case["config"], inputs, slab_bytes, path }.run(op).unwrap();
        let gradients = (&y * tensor(&case["grad_output"])).unwrap().sum_all().unwrap().backward().unwrap();
        let mut found = vec![("output".to_owned(), distance(&y, tensor(&case["output"])))];
        for (role, name) in case["grads"].as_object().unwrap() {
            let gradient = gradients.get(vars[role.as_str()].as_tensor()).unwrap();
            found.push((format!("grad {role}"), distance(gradient, tensor(name))));
        }
        for (role, value) in after {
            found.push((format!("{role} after"), distance(&value, tensor(&case["after"][role]))));
        }
        for (what, d) in found {
            println!("{name} {what}: {d:.1e}");
            if d.is_nan() || d > RTOL {
                failures.push(format!("{name} {what}: {d:e}"));
            }
        }
    }
    assert!(n_cases > 0);
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn every_case_agrees_in_output_and_gradients() {
    run_all(volkit_nn3d::default_slab_bytes(&Device::Cpu), OpPath::Auto, None);
}

#[test]
fn every_case_agrees_on_the_composite_path() {
    run_all(volkit_nn3d::default_slab_bytes(&Device::Cpu), OpPath::Composite, None);
}

#[test]
fn convolutions_agree_when_they_go_row_by_row() {
    run_all(1, OpPath::Composite, Some("conv"));
}
