//! Chebyshev layers and networks, with derivatives by coordinates and by coefficients.

use candle_core::{Device, Module as _, Tensor, Var};
use volkit_core::{ArrayStore as _, BoxError};
use volkit_psi::{ChebyKan, Domain, LayerNorm, ScaledCpikan};

use super::Tensors;
use crate::check::Check;
use crate::index::Entry;

/// Tolerance from the README of the golden folder.
const RTOL: f64 = 1e-10;
/// Step of central differences, and what they are good for: truncation and rounding of 1e-7.
const STEP: f64 = 1e-5;
const DIFFERENCES_RTOL: f64 = 1e-6;

fn tensor(tensors: &Tensors, name: &str) -> Result<Tensor, BoxError> {
    let array = tensors.0.get(name)?;
    Ok(Tensor::from_vec(array.to_real::<f64>()?, array.shape(), &Device::Cpu)?)
}

/// Numbers within the tolerance of the largest.
fn near(check: &mut Check, what: &str, got: &Tensor, wanted: &[f64]) -> Result<(), BoxError> {
    let most = wanted.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    check.close(what, &got.flatten_all()?.to_vec1::<f64>()?, wanted, RTOL, RTOL * most);
    Ok(())
}

pub(super) fn check_layer(entry: Entry<'_>, tensors: &Tensors) -> Result<Check, BoxError> {
    let named = |field: &str| tensor(tensors, entry.text(field)?);
    let x = Var::from_tensor(&named("x")?)?;
    let coefficients = Var::from_tensor(&named("coeffs")?)?;
    let layer = ChebyKan::from_coefficients(coefficients.as_tensor().clone())?;
    let y = layer.forward(&x)?;
    let gradients = (&y * named("grad_out")?)?.sum_all()?.backward()?;
    let gradient = |var: &Var| -> Result<Tensor, BoxError> {
        // Of degree 0 nothing depends on x.
        gradients.get(var).map_or_else(|| Ok(var.zeros_like()?), |tensor| Ok(tensor.clone()))
    };
    let mut check = Check::new();
    near(&mut check, "y", &y, &tensors.named(entry, "y")?)?;
    near(&mut check, "grad_x", &gradient(&x)?, &tensors.named(entry, "grad_x")?)?;
    near(&mut check, "grad_coeffs", &gradient(&coefficients)?, &tensors.named(entry, "grad_coeffs")?)?;
    Ok(check)
}

/// A network of a golden case.
struct Network {
    domain: Domain,
    norms: Vec<LayerNorm>,
    x: Tensor,
}

impl Network {
    fn net(&self, coefficients: &[Tensor]) -> Result<ScaledCpikan, BoxError> {
        let layers = coefficients.iter().map(|c| ChebyKan::from_coefficients(c.clone())).collect::<Result<_, _>>()?;
        Ok(ScaledCpikan::from_layers(self.domain.clone(), layers, self.norms.clone())?)
    }

    /// `mean(laplacian^2) + mean(u^2)`.
    fn loss(&self, coefficients: &[Tensor]) -> Result<Tensor, BoxError> {
        let jet = self.net(coefficients)?.forward_jet(&self.x)?;
        Ok((jet.laplacian()?.sqr()?.mean_all()? + jet.value.sqr()?.mean_all()?)?)
    }

    /// The gradient of the loss by the coefficients of a layer, by central differences.
    fn differences(&self, coefficients: &[Tensor], layer: usize) -> Result<Vec<f64>, BoxError> {
        let own = coefficients[layer].flatten_all()?.to_vec1::<f64>()?;
        let at = |i: usize, by: f64| -> Result<f64, BoxError> {
            let (mut moved, mut all) = (own.clone(), coefficients.to_vec());
            moved[i] += by;
            all[layer] = Tensor::from_vec(moved, coefficients[layer].shape(), &Device::Cpu)?;
            Ok(self.loss(&all)?.to_scalar::<f64>()?)
        };
        (0..own.len()).map(|i| Ok((at(i, STEP)? - at(i, -STEP)?) / (2.0 * STEP))).collect()
    }
}

pub(super) fn check_network(entry: Entry<'_>, tensors: &Tensors) -> Result<Check, BoxError> {
    let list = |field: &str| -> Result<Vec<Tensor>, BoxError> {
        let names = entry.list(field)?.iter().map(|name| name.as_str().unwrap_or_default());
        names.map(|name| tensor(tensors, name)).collect()
    };
    let vars: Vec<Var> = list("coeffs")?.iter().map(Var::from_tensor).collect::<Result<_, _>>()?;
    let coefficients: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let norms = list("ln_gamma")?.into_iter().zip(list("ln_beta")?);
    let network = Network {
        domain: Domain::new(entry.numbers("domain_min")?, entry.numbers("domain_max")?)?,
        norms: norms.map(|(gamma, beta)| LayerNorm::from_parameters(gamma, beta)).collect(),
        x: tensor(tensors, entry.text("x")?)?,
    };
    let net = network.net(&coefficients)?;
    let jet = net.forward_jet(&network.x)?;
    let loss = network.loss(&coefficients)?;
    let gradients = loss.backward()?;
    let mut check = Check::new();
    near(&mut check, "u", &jet.value, &tensors.named(entry, "u")?)?;
    near(&mut check, "u without derivatives", &net.forward(&network.x)?, &tensors.named(entry, "u")?)?;
    for (what, parts) in [("du_dx", &jet.first), ("d2u_dx2_diag", &jet.second)] {
        let columns: Vec<&Tensor> = parts.iter().collect();
        near(&mut check, what, &Tensor::cat(&columns, 1)?, &tensors.named(entry, what)?)?;
    }
    check.close("loss", &[loss.to_scalar::<f64>()?], &[entry.number("loss")?], RTOL, 0.0);
    let mut off = 0.0f64;
    for (layer, (var, name)) in vars.iter().zip(entry.list("grad_coeffs")?).enumerate() {
        let wanted = tensors.get(name.as_str().unwrap_or_default())?;
        let got = gradients.get(var).ok_or("no gradient reached the coefficients")?;
        if layer + 1 == vars.len() {
            near(&mut check, "grad_coeffs of the last layer", got, &wanted)?;
            continue;
        }
        // Below a layer norm the folder's gradients are third derivatives of PyTorch's, which are not those of its own loss.
        let got = got.flatten_all()?.to_vec1::<f64>()?;
        let differences = network.differences(&coefficients, layer)?;
        let most = differences.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        check.close("grad_coeffs", &got, &differences, 0.0, DIFFERENCES_RTOL * most);
        off = got.iter().zip(&wanted).map(|(a, b)| (a - b).abs() / most).fold(off, f64::max);
    }
    check.note(format!("gradients below a layer norm against central differences; the folder's are off by {off:.0e}"));
    Ok(check)
}
