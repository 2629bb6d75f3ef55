//! How devices are counted, opened and tried.

use candle_core::{Device, Result as CandleResult};

use super::DeviceRefusal;
use super::sample::sample;
use crate::OpPath;

/// A kind of GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gpu {
    Cuda,
    Metal,
}

impl Gpu {
    /// In the order of preference.
    pub(super) const ALL: [Self; 2] = [Self::Cuda, Self::Metal];
}

/// A device and what it is called by its maker.
pub(super) struct Opened {
    pub(super) device: Device,
    pub(super) model: Option<String>,
}

/// Counts, opens and tries devices: [`Candle`], or what tests make up.
pub(super) trait Backend {
    /// How many there are of a kind.
    fn count(&self, gpu: Gpu) -> Result<usize, DeviceRefusal>;

    /// The one with an index below the count.
    fn open(&self, gpu: Gpu, index: usize) -> Result<Opened, DeviceRefusal>;

    /// What the sample of the self-check gives on a device.
    fn sample(&self, device: &Device) -> CandleResult<Vec<f32>> {
        sample(device, OpPath::Composite)
    }
}

/// The devices that candle has in this build.
pub(super) struct Candle;

impl Backend for Candle {
    fn count(&self, gpu: Gpu) -> Result<usize, DeviceRefusal> {
        match gpu {
            Gpu::Cuda => cuda::count(),
            Gpu::Metal => metal::count(),
        }
    }

    fn open(&self, gpu: Gpu, index: usize) -> Result<Opened, DeviceRefusal> {
        match gpu {
            Gpu::Cuda => cuda::open(index),
            Gpu::Metal => metal::open(index),
        }
    }
}

// candle's `cuda_is_available` tells how a program was built, not what the machine has: only what the driver answers counts.
#[cfg(feature = "cuda")]
mod cuda {
    use candle_core::Device;
    use candle_core::cuda_backend::cudarc::driver::CudaContext;

    use super::Opened;
    use crate::DeviceRefusal;

    pub(super) fn count() -> Result<usize, DeviceRefusal> {
        let count = CudaContext::device_count().map_err(|error| DeviceRefusal::of(&error))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    pub(super) fn open(index: usize) -> Result<Opened, DeviceRefusal> {
        let device = Device::new_cuda(index).map_err(|error| DeviceRefusal::of(&error))?;
        let model = match &device {
            Device::Cuda(device) => device.cuda_stream().context().name().ok(),
            _ => None,
        };
        Ok(Opened { device, model })
    }
}

#[cfg(not(feature = "cuda"))]
mod cuda {
    use super::Opened;
    use crate::DeviceRefusal;

    pub(super) fn count() -> Result<usize, DeviceRefusal> {
        Err(DeviceRefusal::NotBuilt { feature: "cuda" })
    }

    pub(super) fn open(_: usize) -> Result<Opened, DeviceRefusal> {
        Err(DeviceRefusal::NotBuilt { feature: "cuda" })
    }
}

#[cfg(feature = "metal")]
mod metal {
    use candle_core::Device;

    use super::Opened;
    use crate::DeviceRefusal;

    pub(super) fn count() -> Result<usize, DeviceRefusal> {
        Ok(candle_metal_kernels::metal::Device::all().len())
    }

    pub(super) fn open(index: usize) -> Result<Opened, DeviceRefusal> {
        let device = Device::new_metal(index).map_err(|error| DeviceRefusal::of(&error))?;
        let model = match &device {
            Device::Metal(device) => Some(device.metal_device().architecture_name()),
            _ => None,
        };
        Ok(Opened { device, model })
    }
}

#[cfg(not(feature = "metal"))]
mod metal {
    use super::Opened;
    use crate::DeviceRefusal;

    pub(super) fn count() -> Result<usize, DeviceRefusal> {
        Err(DeviceRefusal::NotBuilt { feature: "metal" })
    }

    pub(super) fn open(_: usize) -> Result<Opened, DeviceRefusal> {
        Err(DeviceRefusal::NotBuilt { feature: "metal" })
    }
}
