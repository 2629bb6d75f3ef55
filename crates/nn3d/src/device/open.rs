//! Opening what was asked for, and telling what became of the rest.

use std::fmt;

use candle_core::Device;
use volkit_kernels::DeviceRequest;

use super::DeviceRefusal;
use super::backend::{Backend, Candle, Gpu, Opened};
use super::sample::check_by;
use crate::{Nn3dError, Result};

/// What was found out about a device.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceFinding {
    /// The device: [`DeviceRequest::Cpu`], or a GPU with its index. Where none of a kind could be counted, the first.
    pub request: DeviceRequest,
    /// What its maker calls it, where that could be asked.
    pub model: Option<String>,
    /// Largest difference to the kernels of the CPU in the self-check, as a part of the largest value; or why the device
    /// is not used.
    pub verdict: std::result::Result<f64, DeviceRefusal>,
}

impl fmt::Display for DeviceFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.request)?;
        if let Some(model) = &self.model {
            write!(f, " ({model})")?;
        }
        match &self.verdict {
            Ok(error) => write!(f, ": self-check ok, {error:.1e} off the CPU"),
            Err(refusal) => write!(f, ": {refusal}"),
        }
    }
}

/// A device that passed its self-check.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenDevice {
    /// Where tensors are to be made.
    pub device: Device,
    /// Which it is; never [`DeviceRequest::Auto`].
    pub request: DeviceRequest,
    /// What its maker calls it, where that could be asked.
    pub model: Option<String>,
    /// Every device that was looked at until this one was chosen, itself last.
    pub looked_at: Vec<DeviceFinding>,
}

impl OpenDevice {
    /// What was chosen and why nothing else was: `cpu: cuda: not part of this build (feature cuda); metal: ..`.
    #[must_use]
    pub fn why(&self) -> String {
        let name = match &self.model {
            Some(model) => format!("{} ({model})", self.request),
            None => self.request.to_string(),
        };
        let others = self.looked_at.iter().filter(|finding| finding.request != self.request);
        let others: Vec<String> = others.map(ToString::to_string).collect();
        if others.is_empty() { name } else { format!("{name}; not {}", others.join("; not ")) }
    }
}

/// Opens a device and runs [`self_check`](crate::self_check) on it.
///
/// [`DeviceRequest::Auto`] takes the first GPU that passes, NVIDIA's before Apple's, else the CPU. Any other request gives
/// that device or an error, never another one.
///
/// # Errors
/// [`Nn3dError::Device`] when the device asked for is not there, not part of the build, or fails the self-check.
///
/// ```
/// use volkit_nn3d::{DeviceRequest, open_device};
///
/// let open = open_device(DeviceRequest::Cpu)?;
/// assert!(open.device.is_cpu());
/// assert_eq!(open.why(), "cpu");
/// # Ok::<(), volkit_nn3d::Nn3dError>(())
/// ```
pub fn open_device(request: DeviceRequest) -> Result<OpenDevice> {
    open_by(&Candle, request)
}

/// Looks at every device of every kind, the CPU last.
#[must_use]
pub fn survey_devices() -> Vec<DeviceFinding> {
    survey_by(&Candle)
}

fn open_by(backend: &dyn Backend, request: DeviceRequest) -> Result<OpenDevice> {
    let gpu = match request {
        DeviceRequest::Cuda(index) => Some((Gpu::Cuda, index)),
        DeviceRequest::Metal(index) => Some((Gpu::Metal, index)),
        _ => None,
    };
    if let Some((gpu, index)) = gpu {
        let (finding, device) = look(backend, gpu, index);
        return match (device, &finding.verdict) {
            (Some(device), Ok(_)) => Ok(chosen(device, vec![finding])),
            (_, verdict) => {
                Err(Nn3dError::Device { request, refusal: verdict.clone().err().unwrap_or(DeviceRefusal::NoGpu) })
            }
        };
    }
    let mut looked_at = Vec::new();
    if request == DeviceRequest::Auto {
        for gpu in Gpu::ALL {
            // One finding even where none can be counted: it says why.
            for index in 0..backend.count(gpu).unwrap_or(1).max(1) {
                let (finding, device) = look(backend, gpu, index);
                looked_at.push(finding);
                if let Some(device) = device {
                    return Ok(chosen(device, looked_at));
                }
            }
        }
    }
    looked_at.push(DeviceFinding { request: DeviceRequest::Cpu, model: None, verdict: Ok(0.0) });
    Ok(chosen(Device::Cpu, looked_at))
}

/// The device of the last finding.
fn chosen(device: Device, looked_at: Vec<DeviceFinding>) -> OpenDevice {
    let last = looked_at.last();
    let (request, model) = last.map_or((DeviceRequest::Cpu, None), |last| (last.request, last.model.clone()));
    OpenDevice { device, request, model, looked_at }
}

fn survey_by(backend: &dyn Backend) -> Vec<DeviceFinding> {
    let mut findings = Vec::new();
    for gpu in Gpu::ALL {
        for index in 0..backend.count(gpu).unwrap_or(1).max(1) {
            findings.push(look(backend, gpu, index).0);
        }
    }
    let verdict = check_by(|| backend.sample(&Device::Cpu));
    findings.push(DeviceFinding { request: DeviceRequest::Cpu, model: None, verdict });
    findings
}

/// Opens and tries one device; gives it where it passes.
fn look(backend: &dyn Backend, gpu: Gpu, index: usize) -> (DeviceFinding, Option<Device>) {
    let request = match gpu {
        Gpu::Cuda => DeviceRequest::Cuda(index),
        Gpu::Metal => DeviceRequest::Metal(index),
    };
    let (mut model, mut passed) = (None, None);
    let verdict = backend.count(gpu).and_then(|count| match count {
        0 => Err(DeviceRefusal::NoGpu),
        count if index >= count => Err(DeviceRefusal::NoSuchIndex { index, count }),
        _ => {
            let Opened { device, model: name } = backend.open(gpu, index)?;
            model = name;
            let error = check_by(|| backend.sample(&device))?;
            passed = Some(device);
            Ok(error)
        }
    });
    (DeviceFinding { request, model, verdict }, passed)
}

#[cfg(test)]
mod tests;
