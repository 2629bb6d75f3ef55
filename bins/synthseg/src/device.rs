//! Where the networks run.

use anyhow::Result;
use volkit_kernels::DeviceRequest;
use volkit_seg::NetPath;

/// The device of a run.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// For reports: `cpu`, `cuda:0`.
    pub(crate) name: String,
    /// Which code runs the layers there.
    pub(crate) path: NetPath,
    /// What is to be said of the choice, where there was one.
    pub(crate) said: Option<String>,
    /// The device of the composite path, where it is not the CPU.
    #[cfg(feature = "candle")]
    pub(crate) device: Option<candle_core::Device>,
}

impl Place {
    fn cpu(path: NetPath) -> Self {
        Self {
            name: DeviceRequest::Cpu.to_string(),
            path,
            said: None,
            #[cfg(feature = "candle")]
            device: None,
        }
    }
}

/// Reads a device that this build can have.
///
/// # Errors
/// A text that names none, or a GPU that this build has no support for.
pub(crate) fn parse(text: &str) -> Result<DeviceRequest, String> {
    let request: DeviceRequest =
        text.parse().map_err(|_| "expected auto, cpu, cuda, cuda:N, metal or metal:N".to_owned())?;
    match request.feature() {
        Some(feature) if !is_built(feature) => {
            Err(format!("this build has no {feature} support (feature {feature}); use cpu or auto"))
        }
        _ => Ok(request),
    }
}

fn is_built(feature: &str) -> bool {
    match feature {
        "cuda" => cfg!(feature = "cuda"),
        "metal" => cfg!(feature = "metal"),
        _ => false,
    }
}

/// Opens the device that was asked for. Kernels run on the CPU alone, so that a path by name decides what `auto` may take.
///
/// # Errors
/// A GPU that is not there or fails its self-check, with the reason; a GPU with `--path kernel`.
#[cfg(feature = "candle")]
pub(crate) fn open(request: DeviceRequest, path: NetPath) -> Result<Place> {
    let has_gpus = cfg!(any(feature = "cuda", feature = "metal"));
    if request == DeviceRequest::Cpu || request == DeviceRequest::Auto && (path == NetPath::Kernel || !has_gpus) {
        return Ok(Place::cpu(path));
    }
    anyhow::ensure!(
        path != NetPath::Kernel,
        "--path kernel: kernels run on the CPU only; --path auto runs on {request}, --device cpu the kernels"
    );
    let open = volkit_nn3d::open_device(request)?;
    let said = Some(open.why());
    if open.device.is_cpu() {
        return Ok(Place { said, ..Place::cpu(path) });
    }
    Ok(Place { name: open.request.to_string(), path: NetPath::Composite, said, device: Some(open.device) })
}

/// The CPU: nothing else is part of this build.
#[cfg(not(feature = "candle"))]
pub(crate) fn open(_: DeviceRequest, path: NetPath) -> Result<Place> {
    Ok(Place::cpu(path))
}

#[cfg(test)]
mod tests {
    use volkit_kernels::DeviceRequest;
    use volkit_seg::NetPath;

    use super::{is_built, open, parse};

    #[test]
    fn devices_are_read_and_those_of_other_builds_refused() {
        assert_eq!(parse("auto"), Ok(DeviceRequest::Auto));
        assert_eq!(parse("cpu"), Ok(DeviceRequest::Cpu));
        assert_eq!(parse("tpu").unwrap_err(), "expected auto, cpu, cuda, cuda:N, metal or metal:N");
        for (text, feature, request) in
            [("cuda:1", "cuda", DeviceRequest::Cuda(1)), ("metal", "metal", DeviceRequest::Metal(0))]
        {
            let wanted = if is_built(feature) {
                Ok(request)
            } else {
                Err(format!("this build has no {feature} support (feature {feature}); use cpu or auto"))
            };
            assert_eq!(parse(text), wanted);
        }
    }

    #[test]
    fn the_cpu_runs_the_path_that_was_asked_for() {
        for path in NetPath::ALL {
            let place = open(DeviceRequest::Cpu, path).unwrap();
            assert_eq!((place.name.as_str(), place.path, place.said), ("cpu", path, None));
        }
        assert_eq!(open(DeviceRequest::Auto, NetPath::Kernel).unwrap().name, "cpu");
    }

    #[cfg(feature = "candle")]
    #[test]
    fn a_gpu_that_is_not_there_is_an_error_that_says_why() {
        let refused = open(DeviceRequest::Cuda(99), NetPath::Auto).unwrap_err().to_string();
        assert!(
            refused.starts_with("device cuda:99: ") && refused.ends_with("auto and cpu do without it"),
            "{refused}"
        );
        let refused = open(DeviceRequest::Cuda(0), NetPath::Kernel).unwrap_err().to_string();
        assert!(refused.starts_with("--path kernel: kernels run on the CPU only"), "{refused}");
    }
}
