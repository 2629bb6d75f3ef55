//! One scene as a function of its coordinates.

use candle_core::{Device, Tensor};
use volkit_core::BoxError;
use volkit_kernels::Threads;
use volkit_train::{BatchRequest, DataSet, Lbfgs, LbfgsOptions, Loss, Moment, Parameters, Precision, Task, TrainError};

use super::tasks::with_gradient;
use crate::kan::{Domain, ScaledCpikan, ScaledCpikanConfig};
use crate::{FringeLoss, Interferometer, PsiError};

/// What a [`PinnProblem`] is made of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PinnConfig {
    /// The network. Default: 2, 64, 64, 64, 1 of degree 8.
    pub network: ScaledCpikanConfig,
    /// Heights in um that outputs of -1 and 1 stand for. Default: -10 and 40.
    pub height_range_um: [f64; 2],
    /// Weight of the mean squared Laplacian. Default: 1e-7.
    pub smoothness_weight: f64,
}

impl Default for PinnConfig {
    fn default() -> Self {
        Self { network: ScaledCpikanConfig::default(), height_range_um: [-10.0, 40.0], smoothness_weight: 1e-7 }
    }
}

impl PinnConfig {
    /// With another network.
    #[must_use]
    pub fn with_network(self, network: ScaledCpikanConfig) -> Self {
        Self { network, ..self }
    }

    /// With another range of heights in um.
    #[must_use]
    pub fn with_height_range_um(self, height_range_um: [f64; 2]) -> Self {
        Self { height_range_um, ..self }
    }

    /// With another weight of the Laplacian.
    #[must_use]
    pub fn with_smoothness_weight(self, smoothness_weight: f64) -> Self {
        Self { smoothness_weight, ..self }
    }
}

/// One scene: a [`ScaledCpikan`] from coordinates in `[0, 1]^2` to heights, trained on all pixels at once with
/// `mean((I(h) - I)^2) + weight mean((h_xx + h_yy)^2)`, derivatives by the coordinates.
///
/// It is its own data set of one sample, for [`volkit_train::Trainer`] with Adam; [`PinnProblem::refine`] goes on with L-BFGS.
pub struct PinnProblem {
    net: ScaledCpikan,
    points: Tensor,
    greys: Vec<f32>,
    loss: FringeLoss,
    smoothness_weight: f64,
    middle: f64,
    half: f64,
    threads: Threads,
}

impl PinnProblem {
    /// A problem of greys `[C, H, W]` with parameters that the trainer knows.
    ///
    /// # Errors
    /// [`PsiError::Length`] for greys that are not of that size; [`PsiError::Option`].
    pub fn new(
        config: &PinnConfig,
        instrument: &Interferometer,
        (greys, [height, width]): (Vec<f32>, [usize; 2]),
        parameters: &Parameters,
    ) -> Result<Self, PsiError> {
        let wanted = instrument.channels() * height * width;
        if greys.len() != wanted {
            return Err(PsiError::Length { what: "images", got: greys.len(), wanted });
        }
        let domain = Domain::new([0.0, 0.0], [1.0, 1.0])?;
        let net = ScaledCpikan::new(domain, &config.network, &parameters.builder(Precision::F32))?;
        let along = |i: usize, n: usize| if n > 1 { i as f32 / (n - 1) as f32 } else { 0.5 };
        let points = (0..height * width).flat_map(|i| [along(i % width, width), along(i / width, height)]);
        let points = Tensor::from_vec(points.collect::<Vec<f32>>(), (height * width, 2), &Device::Cpu)?;
        let [low, high] = config.height_range_um;
        Ok(Self {
            net,
            points,
            greys,
            loss: FringeLoss::new(instrument.clone(), 0.0)?,
            smoothness_weight: config.smoothness_weight,
            middle: low + (high - low) / 2.0,
            half: (high - low) / 2.0,
            threads: Threads::new(0),
        })
    }

    /// Heights in um of all pixels, row by row.
    ///
    /// # Errors
    /// [`PsiError::Candle`].
    pub fn height_um(&self) -> Result<Vec<f64>, PsiError> {
        let heights = self.net.forward(&self.points)?.affine(self.half, self.middle)?;
        let values: Vec<f32> = heights.flatten_all()?.to_vec1()?;
        Ok(values.iter().map(|h| f64::from(*h)).collect())
    }

    fn total(&self) -> Result<(Tensor, f64), BoxError> {
        let jet = self.net.forward_jet(&self.points)?;
        let heights = jet.value.affine(self.half, self.middle)?;
        let values: Vec<f32> = heights.detach().flatten_all()?.to_vec1()?;
        let n = values.len();
        let (parts, gradient) = self.loss.evaluate(&values, &self.greys, [1, 1, n], &self.threads)?;
        let gradient = Tensor::from_vec(gradient, heights.shape(), heights.device())?;
        let data = with_gradient(&heights, &gradient, parts.data)?;
        let weight = self.smoothness_weight * self.half * self.half;
        let smooth = jet.laplacian()?.sqr()?.mean_all()?.affine(weight, 0.0)?;
        Ok(((data + smooth)?, parts.data))
    }

    /// The loss and its gradient by the parameters of those names, one after the other.
    fn value_and_gradient(&self, parameters: &Parameters, names: &[String]) -> Result<(f64, Vec<f32>), BoxError> {
        let (total, _) = self.total()?;
        let gradients = total.backward()?;
        let mut all = Vec::new();
        for var in names.iter().filter_map(|name| parameters.var(name)) {
            match gradients.get(&var) {
                Some(gradient) => all.extend(gradient.flatten_all()?.to_vec1::<f32>()?),
                None => all.resize(all.len() + var.elem_count(), 0.0),
            }
        }
        Ok((f64::from(total.to_scalar::<f32>()?), all))
    }

    /// Goes on with L-BFGS over all parameters at once, for so many steps; the loss before each.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn refine(&self, parameters: &Parameters, options: LbfgsOptions, steps: usize) -> Result<Vec<f64>, TrainError> {
        let names = parameters.names();
        let mut flat = Vec::new();
        let mut lengths = Vec::new();
        for name in &names {
            let values = parameters.values(name)?;
            lengths.push(values.len());
            flat.extend(values);
        }
        let set = |flat: &[f32]| -> Result<(), TrainError> {
            let mut rest = flat;
            for (name, &n) in names.iter().zip(&lengths) {
                let (own, behind) = rest.split_at(n);
                parameters.set_values(name, own)?;
                rest = behind;
            }
            Ok(())
        };
        let mut lbfgs = Lbfgs::new(options)?;
        let mut losses = Vec::with_capacity(steps);
        for _ in 0..steps {
            let report = lbfgs.step(&mut flat, &mut |flat| {
                set(flat)?;
                self.value_and_gradient(parameters, &names).map_err(TrainError::Objective)
            })?;
            losses.push(report.first_loss);
        }
        set(&flat)?;
        Ok(losses)
    }
}

impl DataSet for PinnProblem {
    fn len(&self) -> usize {
        1
    }

    fn batch(&self, _: &BatchRequest) -> Result<Vec<Tensor>, BoxError> {
        Ok(vec![self.points.clone()])
    }
}

/// The task of a [`PinnProblem`], which is also its data.
impl Task for &PinnProblem {
    fn loss(&mut self, _: &[Tensor], _: &Moment) -> Result<Loss, BoxError> {
        let (total, data) = self.total()?;
        Ok(Loss::new(total).with_part("data", data))
    }
}
