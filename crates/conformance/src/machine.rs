//! Where and how the networks and layers of a suite run.

use volkit_kernels::{ConvOptions, DeviceRequest, Isa, Mode, Threads};
use volkit_seg::{NetPath, NetworkBuild};

use crate::{ConformanceError, SuiteOptions};

/// The device of a run, opened once for all cases.
pub(crate) struct Machine {
    mode: Mode,
    pub(crate) path: NetPath,
    #[cfg(feature = "candle")]
    pub(crate) device: candle_core::Device,
}

impl Machine {
    /// Opens what the options ask for. A GPU has the composite path only.
    ///
    /// # Errors
    /// [`ConformanceError::Device`] for a device that can not be used or a path that does not exist there.
    pub(crate) fn open(options: &SuiteOptions) -> Result<Self, ConformanceError> {
        let SuiteOptions { mode, path, device, .. } = *options;
        let refuse = |why: String| ConformanceError::Device { device, why };
        if !path.is_built() {
            return Err(refuse(crate::suite::NEEDS_CANDLE.to_owned()));
        }
        if device == DeviceRequest::Cpu {
            return Ok(Self {
                mode,
                path,
                #[cfg(feature = "candle")]
                device: candle_core::Device::Cpu,
            });
        }
        if path == NetPath::Kernel {
            return Err(refuse("kernels run on the CPU only".to_owned()));
        }
        Self::on_gpu(options)
    }

    /// A GPU, or the CPU where [`DeviceRequest::Auto`] finds none.
    #[cfg(feature = "candle")]
    fn on_gpu(options: &SuiteOptions) -> Result<Self, ConformanceError> {
        let SuiteOptions { mode, path, device, .. } = *options;
        let open = volkit_nn3d::open_device(device).map_err(|error| {
            let why = match error {
                volkit_nn3d::Nn3dError::Device { refusal, .. } => refusal.to_string(),
                other => other.to_string(),
            };
            ConformanceError::Device { device, why }
        })?;
        let path = if open.device.is_cpu() { path } else { NetPath::Composite };
        Ok(Self { mode, path, device: open.device })
    }

    #[cfg(not(feature = "candle"))]
    fn on_gpu(options: &SuiteOptions) -> Result<Self, ConformanceError> {
        let SuiteOptions { mode, path, device, .. } = *options;
        match device {
            DeviceRequest::Auto => Ok(Self { mode, path }),
            _ => Err(ConformanceError::Device { device, why: crate::suite::NEEDS_CANDLE.to_owned() }),
        }
    }

    /// How networks are built for it.
    pub(crate) fn build<'a>(&'a self, threads: &'a Threads) -> NetworkBuild<'a> {
        let conv = ConvOptions::new(Isa::detect()).with_mode(self.mode).with_threads(threads);
        let build = NetworkBuild::new().with_conv(conv).with_path(self.path);
        #[cfg(feature = "candle")]
        let build = build.with_device(&self.device);
        build
    }
}
