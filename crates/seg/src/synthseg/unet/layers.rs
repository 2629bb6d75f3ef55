//! A network with the result of every layer as an output.

use volkit_kernels::{Executor, GraphBuilder, Isa, Plan, PlanOptions, SliceSink, SliceSource, Threads, no_progress};

use super::UNet;
use crate::SegError;
use crate::synthseg::LayerValues;

impl UNet {
    /// The result of every layer over an image `[z][y][x]` of `size` `[x, y, z]`; the last is the softmax.
    pub(in crate::synthseg) fn layer_values(
        &self,
        isa: Isa,
        image: &[f32],
        size: [usize; 3],
        threads: &Threads,
    ) -> Result<Vec<LayerValues>, SegError> {
        let mut builder = GraphBuilder::new(isa);
        let tensors = self.add_to(&mut builder, false)?;
        let (prefix, levels) = (self.kind.prefix, self.down.len());
        let features = |level: usize| self.head.shape().c_in << level;
        let mut layers = Vec::new();
        let mut add = |name: String, level: usize, channels: usize, tensor| -> Result<(), SegError> {
            builder.output(tensor)?;
            let size = size.map(|n| n >> level);
            let values = vec![0.0; size.iter().product::<usize>() * channels];
            layers.push(LayerValues { name: format!("{prefix}_{name}"), size, channels, values });
            Ok(())
        };
        for (level, pair) in tensors.down.iter().enumerate() {
            add(format!("conv_downarm_{level}_0"), level, features(level), pair[0])?;
            let name = if level + 1 < levels { format!("conv_downarm_{level}_1") } else { format!("bn_down_{level}") };
            add(name, level, features(level), pair[1])?;
        }
        for (step, pair) in tensors.up.iter().enumerate() {
            let level = levels - 2 - step;
            add(format!("conv_uparm_{}_0", levels + step), level, features(level), pair[0])?;
            add(format!("bn_up_{step}"), level, features(level), pair[1])?;
        }
        add("likelihood".into(), 0, self.labels, tensors.likelihood)?;
        add("prediction".into(), 0, self.labels, tensors.prediction)?;
        let [nx, ny, nz] = size;
        let plan = Plan::new(&builder.build()?, [nz, ny, nx], &PlanOptions::default())?;
        let mut sink = SliceSink::many(layers.iter_mut().map(|layer| layer.values.as_mut_slice()).collect());
        Executor::new(plan)?.run(&mut SliceSource::new(image), &mut sink, threads, &mut no_progress)?;
        Ok(layers)
    }
}
