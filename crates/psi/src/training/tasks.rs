//! What a network of patches minimises.

use candle_core::{Tensor, bail};
use volkit_core::BoxError;
use volkit_kernels::Threads;
use volkit_nn3d::sum_all;
use volkit_train::{Loss, Moment, Task};

use super::{Curriculum, HeightNet};
use crate::FringeLoss;

/// The mean squared difference to true heights, in um^2: what a network begins with, since the self-supervised loss has a
/// minimum every half wavelength.
#[derive(Clone, Debug)]
pub struct HeightTask {
    net: HeightNet,
    curriculum: Curriculum,
}

impl HeightTask {
    /// Trains that network on batches of [`super::PatchData`].
    #[must_use]
    pub fn new(net: HeightNet, curriculum: Curriculum) -> Self {
        Self { net, curriculum }
    }
}

impl Task for HeightTask {
    fn loss(&mut self, batch: &[Tensor], moment: &Moment) -> Result<Loss, BoxError> {
        let [input, _, truth, ..] = batch else { return Err("a batch without heights".into()) };
        let mean = mean_square(&(self.net.forward(input, true)? - truth)?)?;
        let (_, weight) = self.curriculum.at(moment.epoch);
        Ok(Loss::new(mean.affine(weight, 0.0)?))
    }
}

/// The self-supervised loss of [`FringeLoss`], and the agreement of neighbouring patches where the batch has such.
#[derive(Debug)]
pub struct FringeTask {
    net: HeightNet,
    loss: FringeLoss,
    /// Weight of the agreement, and columns that neighbours share.
    interface: Option<(f64, usize)>,
    threads: Threads,
}

impl FringeTask {
    /// Trains that network on batches of [`super::PatchData`].
    #[must_use]
    pub fn new(net: HeightNet, loss: FringeLoss, threads: Threads) -> Self {
        Self { net, loss, interface: None, threads }
    }

    /// With `weight mean((h_a - h_b)^2)` over the columns that neighbours share.
    #[must_use]
    pub fn with_interface(self, weight: f64, overlap: usize) -> Self {
        Self { interface: Some((weight, overlap)), ..self }
    }
}

impl Task for FringeTask {
    fn loss(&mut self, batch: &[Tensor], _: &Moment) -> Result<Loss, BoxError> {
        let [input, greys, _, neighbours @ ..] = batch else { return Err("a batch without images".into()) };
        let heights = self.net.forward(input, true)?;
        let (total, [data, smooth]) = fringe_loss(&self.loss, &heights, greys, &self.threads)?;
        let mut loss = Loss::new(total).with_part("data", data).with_part("smooth", smooth);
        if let (Some((weight, overlap)), [a, b]) = (self.interface, neighbours) {
            let (a, b) = (self.net.forward(a, true)?, self.net.forward(b, true)?);
            let width = a.dim(3)?;
            let difference = (a.narrow(3, width - overlap, overlap)? - b.narrow(3, 0, overlap)?)?;
            let mean = mean_square(&difference)?;
            loss = loss.with_part("interface", f64::from(mean.to_scalar::<f32>()?));
            loss.total = (loss.total + mean.affine(weight, 0.0)?)?;
        }
        Ok(loss)
    }
}

fn mean_square(x: &Tensor) -> candle_core::Result<Tensor> {
    sum_all(&x.sqr()?)?.affine(1.0 / x.elem_count().max(1) as f64, 0.0)
}

/// A [`FringeLoss`] of heights `[N, 1, H, W]` (f32) and greys `[N, C, H, W]` as a number in the graph, with its data and
/// smoothness parts.
///
/// The loss is computed outside of the graph; what enters it is `h g - (h g)` detached, which is 0 and has the gradient `g`.
pub(crate) fn fringe_loss(
    loss: &FringeLoss,
    heights: &Tensor,
    greys: &Tensor,
    threads: &Threads,
) -> Result<(Tensor, [f64; 2]), BoxError> {
    let (n, _, height, width) = heights.dims4()?;
    let values = |tensor: &Tensor| tensor.detach().flatten_all()?.to_vec1::<f32>();
    let (parts, gradient) = loss.evaluate(&values(heights)?, &values(greys)?, [n, height, width], threads)?;
    let gradient = Tensor::from_vec(gradient, heights.shape(), heights.device())?;
    Ok((with_gradient(heights, &gradient, parts.total)?, [parts.data, parts.smooth]))
}

/// A number with that gradient by `x`.
pub(crate) fn with_gradient(x: &Tensor, gradient: &Tensor, value: f64) -> candle_core::Result<Tensor> {
    if x.shape() != gradient.shape() {
        bail!("loss: gradient {:?} for {:?}", gradient.dims(), x.dims());
    }
    let sum = (x * gradient)?.sum_all()?;
    (&sum - sum.detach())?.affine(1.0, value)
}
