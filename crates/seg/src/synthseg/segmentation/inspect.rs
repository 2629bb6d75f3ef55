//! What happens inside the networks: for comparison with other programs.

use volkit_core::SilentProgress;
use volkit_kernels::{LabelSink, SliceSink, Threads};

use super::{Chain, GROUPS, SegmentationNet};
use crate::SegError;
use crate::synthseg::Posteriors;
use crate::synthseg::inputs::{ImageSource, OneHotSource};
use crate::synthseg::runner::{Work, check_input};

/// What one layer of a network gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LayerValues {
    /// Name of the layer, as in the weights.
    pub name: String,
    /// Voxels along x, y and z.
    pub size: [usize; 3],
    /// Channels of a voxel.
    pub channels: usize,
    /// Values `[z][y][x][c]`, channels fastest.
    pub values: Vec<f32>,
}

/// A voxel for which two groups of structures are nearly as good.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct NearTie {
    /// Position in the network's volume, x fastest.
    pub voxel: usize,
    /// Difference of the two best posteriors.
    pub margin: f32,
    /// The group that is chosen.
    pub chosen: u8,
    /// The next best.
    pub other: u8,
}

impl SegmentationNet {
    /// What every layer gives for an image `[z][y][x]` of `size` `[x, y, z]`, all in memory; of the robust chain those
    /// of its first network.
    ///
    /// A convolution whose batch norm is computed with it is there as that norm (`unet_bn_up_0`); a batch norm that is
    /// part of pooling is not.
    ///
    /// # Errors
    /// [`SegError::Option`] for a size that the network can not have or another number of values.
    pub fn layers(&self, image: &[f32], size: [usize; 3], threads: &Threads) -> Result<Vec<LayerValues>, SegError> {
        let net = match &self.chain {
            Chain::Plain(net) => net,
            Chain::Robust(chain) => &chain.groups,
        };
        check_input(size, image.len(), net.size_multiple())?;
        net.layer_values(self.isa, image, size, threads)
    }

    /// The voxels of an image `[z][y][x]` whose group the denoiser of the robust chain decides by at most `margin`,
    /// closest first; none of other networks.
    ///
    /// Such a voxel may come out otherwise in a program that adds in another order; then the input of the last network
    /// differs by 1 there.
    ///
    /// # Errors
    /// As [`SegmentationNet::layers`].
    pub fn denoiser_ties(
        &self,
        image: &[f32],
        size: [usize; 3],
        margin: f32,
        threads: &Threads,
    ) -> Result<Vec<NearTie>, SegError> {
        let Chain::Robust(chain) = &self.chain else { return Ok(Vec::new()) };
        check_input(size, image.len(), self.size_multiple())?;
        let work = Work { threads, progress: &SilentProgress };
        let mut groups = vec![0u8; image.len()];
        let mut source = ImageSource::new(image, size[0]);
        self.run_net(&chain.groups, size, work, &mut source, &mut LabelSink::new(&mut groups, self.isa))?;
        let mut posteriors = Posteriors::zeros(size, GROUPS)?;
        let mut source = OneHotSource::new(&groups, GROUPS);
        self.run_net(&chain.denoiser, size, work, &mut source, &mut SliceSink::new(&mut posteriors.values))?;
        let mut ties: Vec<NearTie> = posteriors
            .values
            .chunks_exact(GROUPS)
            .enumerate()
            .map(|(voxel, values)| near_tie(voxel, values))
            .filter(|tie| tie.margin <= margin)
            .collect();
        ties.sort_by(|a, b| a.margin.total_cmp(&b.margin).then(a.voxel.cmp(&b.voxel)));
        Ok(ties)
    }

    /// The same network with the denoiser's decision for some voxels replaced by the next best group: what comes out
    /// where another program decides these ties otherwise.
    #[must_use]
    pub fn with_ties_turned(mut self, ties: &[NearTie]) -> Self {
        if let Chain::Robust(chain) = &mut self.chain {
            chain.turned = ties.to_vec();
        }
        self
    }
}

fn near_tie(voxel: usize, values: &[f32]) -> NearTie {
    let best_but = |but: Option<usize>| {
        let others = (0..values.len()).filter(|&channel| Some(channel) != but);
        others.fold(None, |best: Option<usize>, channel| match best {
            Some(best) if values[best] >= values[channel] => Some(best),
            _ => Some(channel),
        })
    };
    let chosen = best_but(None).unwrap_or(0);
    let other = best_but(Some(chosen)).unwrap_or(chosen);
    NearTie { voxel, margin: values[chosen] - values[other], chosen: chosen as u8, other: other as u8 }
}

#[cfg(test)]
mod tests {
    use super::near_tie;

    #[test]
    fn the_next_best_is_found() {
        let tie = near_tie(7, &[0.1, 0.3, 0.3, 0.25, 0.05]);
        assert_eq!((tie.voxel, tie.margin, tie.chosen, tie.other), (7, 0.0, 1, 2));
        let tie = near_tie(0, &[0.5, 0.2, 0.25, 0.05, 0.0]);
        assert_eq!((tie.margin, tie.chosen, tie.other), (0.25, 0, 2));
    }
}
