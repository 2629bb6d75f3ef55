//! Running a composite: planes in, planes out.

use candle_core::{DeviceLocation, Tensor};
use volkit_core::Progress;
use volkit_kernels::{Layout, PlaneSink, PlaneSource, Planes, Threads};
use volkit_nn3d::Nn3dError;

use super::net::CompositeNet;
use crate::SegError;

/// Bytes of planes that come back from a device at a time.
pub(super) const SLAB_BYTES: usize = 64 << 20;

/// A run of a composite.
#[derive(Clone, Copy)]
pub(crate) struct CompositeRun<'a> {
    /// Voxels along x, y and z.
    pub(crate) size: [usize; 3],
    /// Which input of the source and output of the sink.
    pub(crate) pass: usize,
    /// Name of the stage.
    pub(crate) stage: &'a str,
    pub(crate) threads: &'a Threads,
    pub(crate) progress: &'a dyn Progress,
}

impl CompositeNet {
    /// Runs the network over the planes of `source` and hands all planes of the last tensor to `sink`.
    ///
    /// # Errors
    /// [`SegError::DeviceMemory`], [`SegError::DeviceValues`], [`SegError::Stopped`], what source and sink give.
    pub(crate) fn run(
        &self,
        run: &CompositeRun<'_>,
        source: &mut dyn PlaneSource,
        sink: &mut dyn PlaneSink,
    ) -> Result<(), SegError> {
        run.progress.begin(run.stage, self.steps.len() as u64 + 1);
        run.progress.check()?;
        let [nx, ny, nz] = run.size;
        let mut input = vec![0.0f32; nx * ny * nz * self.c_in];
        for (z, plane) in input.chunks_exact_mut((nx * ny * self.c_in).max(1)).enumerate() {
            source.read_plane(run.pass, z, plane).map_err(boxed)?;
        }
        let result = self.forward(input, run).map_err(|error| self.explained(error, run.size))?;
        self.deliver(&result, run, sink).map_err(|error| self.explained(error, run.size))?;
        run.progress.advance(1);
        Ok(())
    }

    /// The last tensor, `[1, C, z, y, x]`, of an input `[z][y][x][c]`.
    fn forward(&self, input: Vec<f32>, run: &CompositeRun<'_>) -> Result<Tensor, SegError> {
        let [nx, ny, nz] = run.size;
        let input = Tensor::from_vec(input, (1, nz, ny, nx, self.c_in), &self.device);
        let input = input.and_then(|t| t.permute((0, 4, 1, 2, 3))?.contiguous()).map_err(Nn3dError::from)?;
        let mut tensors: Vec<Option<Tensor>> = vec![Some(input.clone())];
        let mut last = input;
        for (at, step) in self.steps.iter().enumerate() {
            let sources: Option<Vec<Tensor>> = step.sources.iter().map(|&source| tensors[source].clone()).collect();
            last = step.op.run(&sources.unwrap_or_default())?;
            tensors.push(Some(last.clone()));
            for &source in step.sources.iter().filter(|&&source| self.last_use(source) == at) {
                tensors[source] = None;
            }
            run.progress.advance(1);
            run.progress.check()?;
        }
        Ok(last)
    }

    /// Hands the planes of `result` to `sink`, a slab at a time.
    fn deliver(&self, result: &Tensor, run: &CompositeRun<'_>, sink: &mut dyn PlaneSink) -> Result<(), SegError> {
        let (_, channels, depth, height, width) = result.dims5().map_err(Nn3dError::from)?;
        let plane = channels * height * width;
        let step = (SLAB_BYTES / (plane * size_of::<f32>()).max(1)).clamp(1, depth.max(1));
        let layout = Layout::dense([depth, height, width], channels).with_slots(step);
        for first in (0..depth).step_by(step) {
            let n = step.min(depth - first);
            let slab = result.narrow(2, first, n).and_then(|t| t.permute((0, 2, 3, 4, 1))?.contiguous());
            let mut values: Vec<f32> = slab.and_then(|t| t.flatten_all()?.to_vec1()).map_err(Nn3dError::from)?;
            let n_bad = values.iter().filter(|value| !value.is_finite()).count();
            if n_bad > 0 {
                return Err(SegError::DeviceValues { device: self.device_name(), n_values: n_bad, plane: first });
            }
            values.resize(step * plane, 0.0);
            let planes = Planes::new(&values, layout)?;
            sink.write_planes(run.pass, first..first + n, &planes, run.threads).map_err(boxed)?;
        }
        Ok(())
    }

    /// An exhausted device as an error that says of what size.
    fn explained(&self, error: SegError, size: [usize; 3]) -> SegError {
        match error {
            SegError::Composite(source) if source.is_out_of_memory() => {
                SegError::DeviceMemory { device: self.device_name(), size, needed_bytes: self.peak_bytes(size), source }
            }
            other => other,
        }
    }

    fn device_name(&self) -> String {
        match self.device.location() {
            DeviceLocation::Cpu => "cpu".to_owned(),
            DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
            DeviceLocation::Metal { .. } => "metal".to_owned(),
        }
    }
}

/// Errors of sources and sinks come as those of kernels do.
fn boxed(source: volkit_kernels::BoxError) -> SegError {
    match source.downcast::<volkit_kernels::KernelError>() {
        Ok(error) => (*error).into(),
        Err(source) => SegError::ReadTensor { tensor: "planes".into(), source },
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Error};
    use volkit_core::SilentProgress;
    use volkit_kernels::{Activation, SliceSink, SliceSource, Threads};
    use volkit_nn3d::Nn3dError;

    use super::{CompositeNet, CompositeRun};
    use crate::SegError;
    use crate::composite::ConvWeights;

    /// `y = weight * x + bias`, voxel by voxel.
    fn scaling(weight: f32, bias: f32) -> CompositeNet {
        let mut net = CompositeNet::new(1, &Device::Cpu);
        let conv = ConvWeights { weight: vec![weight], bias: vec![bias], channels: [1, 1], kernel: 1, dilation: 1 };
        net.conv(conv, 0).unwrap();
        net
    }

    fn run(net: &CompositeNet, input: &[f32], size: [usize; 3]) -> Result<Vec<f32>, SegError> {
        let mut output = vec![0.0; input.len()];
        let threads = Threads::single();
        let how = CompositeRun { size, pass: 0, stage: "network", threads: &threads, progress: &SilentProgress };
        net.run(&how, &mut SliceSource::new(input), &mut SliceSink::new(&mut output))?;
        Ok(output)
    }

    #[test]
    fn planes_go_through_in_order() {
        let input: Vec<f32> = (0..3 * 4 * 5).map(|i| i as f32).collect();
        let wanted: Vec<f32> = input.iter().map(|x| 2.0 * x - 1.0).collect();
        assert_eq!(run(&scaling(2.0, -1.0), &input, [3, 4, 5]).unwrap(), wanted);
    }

    #[test]
    fn a_network_without_operations_gives_its_input() {
        let net = CompositeNet::new(1, &Device::Cpu);
        assert_eq!(run(&net, &[1.0, 2.0], [2, 1, 1]).unwrap(), [1.0, 2.0]);
        let mut net = net;
        assert_eq!(net.activation(Activation::Identity, 0), 0);
    }

    #[test]
    fn a_skip_is_convolved_as_if_it_was_joined() {
        // Two channels at the full size and two at half of it, by hand.
        let (size, threads) = ([2, 2, 2], Threads::single());
        let mut net = CompositeNet::new(2, &Device::Cpu);
        let weight: Vec<f32> = (1..=4).map(|k| k as f32).collect();
        let coarse = net.max_pool(0);
        let conv = ConvWeights { weight, bias: vec![0.5], channels: [4, 1], kernel: 1, dilation: 1 };
        net.conv_of_skip(conv, (0, 2), coarse).unwrap();
        // Voxels `[z][y][x][c]`: channel 0 counts up, channel 1 down.
        let input: Vec<f32> = (0..8).flat_map(|i| [i as f32, -(i as f32)]).collect();
        let mut output = vec![0.0; 8];
        let how = CompositeRun { size, pass: 0, stage: "network", threads: &threads, progress: &SilentProgress };
        net.run(&how, &mut SliceSource::new(&input), &mut SliceSink::new(&mut output)).unwrap();
        // The largest of channel 0 is 7, of channel 1 it is 0.
        let wanted: Vec<f32> = (0..8).map(|i| 1.0 * i as f32 - 2.0 * i as f32 + 3.0 * 7.0 + 4.0 * 0.0 + 0.5).collect();
        assert_eq!(output, wanted);
        // The input, the skip's result and the coarse channels made fine.
        assert!(net.peak_bytes([64, 64, 64]) >= 64 * 64 * 64 * 4 * (2 + 1 + 2));
    }

    #[test]
    fn a_result_that_is_no_number_is_an_error() {
        let error = run(&scaling(f32::MAX, 0.0), &[0.0, 0.0, 4.0, 1.0], [2, 1, 2]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "network on cpu: NaN or infinite results (1, from plane 0 on): the device computes wrongly"
        );
    }

    #[test]
    fn exhausted_memory_names_device_size_and_need() {
        let net = scaling(1.0, 0.0);
        let said = Error::Msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")".into());
        let error = net.explained(SegError::from(Nn3dError::from(said)), [100, 200, 300]);
        let text = error.to_string();
        assert!(text.starts_with("network on cpu: out of memory for 100 x 200 x 300 voxels"), "{text}");
        let other = net.explained(SegError::from(Nn3dError::from(Error::Msg("shape".into()))), [1, 1, 1]);
        assert!(matches!(other, SegError::Composite(_)));
    }
}
