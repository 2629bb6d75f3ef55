//! Which device is asked for.

use std::fmt;
use std::str::FromStr;

use crate::KernelError;

/// A device as people ask for it: `auto`, `cpu`, `cuda`, `cuda:1`, `metal`, `metal:0`.
///
/// The kernels of this crate run on the CPU. The name is here because every program that computes knows this crate, also
/// one that was built without a tensor framework and can only refuse a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceRequest {
    /// A GPU that is there and right, else the CPU.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The NVIDIA GPU with that index, in the order of the driver.
    Cuda(usize),
    /// The Apple GPU with that index, in the order of the system.
    Metal(usize),
}

impl DeviceRequest {
    /// The name without the index, which is also the feature that a build needs: `cuda`, `metal`; none for the CPU and
    /// for [`DeviceRequest::Auto`].
    #[must_use]
    pub fn feature(self) -> Option<&'static str> {
        match self {
            Self::Auto | Self::Cpu => None,
            Self::Cuda(_) => Some("cuda"),
            Self::Metal(_) => Some("metal"),
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Cpu => f.pad("cpu"),
            Self::Cuda(index) => f.pad(&format!("cuda:{index}")),
            Self::Metal(index) => f.pad(&format!("metal:{index}")),
        }
    }
}

/// `cuda` and `metal` without an index are the first one.
impl FromStr for DeviceRequest {
    type Err = KernelError;

    fn from_str(text: &str) -> Result<Self, KernelError> {
        let refused = || KernelError::Parameter {
            op: "DeviceRequest",
            name: "device",
            value: format!("'{text}'"),
            why: "expected auto, cpu, cuda, cuda:N, metal or metal:N",
        };
        let (kind, index) = match text.split_once(':') {
            // Not `parse` alone, which also takes a sign.
            Some((kind, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                (kind, Some(digits.parse().map_err(|_| refused())?))
            }
            Some(_) => return Err(refused()),
            None => (text, None),
        };
        match (kind, index) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("cuda", index) => Ok(Self::Cuda(index.unwrap_or(0))),
            ("metal", index) => Ok(Self::Metal(index.unwrap_or(0))),
            _ => Err(refused()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DeviceRequest;

    #[test]
    fn names_are_read_and_written() {
        for (text, request) in [
            ("auto", DeviceRequest::Auto),
            ("cpu", DeviceRequest::Cpu),
            ("cuda:0", DeviceRequest::Cuda(0)),
            ("cuda:12", DeviceRequest::Cuda(12)),
            ("metal:1", DeviceRequest::Metal(1)),
        ] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap(), request);
            assert_eq!(request.to_string(), text);
        }
        assert_eq!("cuda".parse::<DeviceRequest>().unwrap(), DeviceRequest::Cuda(0));
        assert_eq!("metal".parse::<DeviceRequest>().unwrap(), DeviceRequest::Metal(0));
        assert_eq!(DeviceRequest::default(), DeviceRequest::Auto);
        assert_eq!(DeviceRequest::Cuda(3).feature(), Some("cuda"));
        assert_eq!((DeviceRequest::Cpu.feature(), DeviceRequest::Auto.feature()), (None, None));
    }

    #[test]
    fn other_names_are_refused_with_those_that_there_are() {
        for text in [
            "",
            "gpu",
            "CUDA",
            "cuda:",
            "cuda:-1",
            "cuda:+1",
            "cuda:1:2",
            "cuda:99999999999999999999",
            "cpu:0",
            "auto:1",
        ] {
            let message = text.parse::<DeviceRequest>().unwrap_err().to_string();
            assert!(message.contains(&format!("'{text}'")), "{message}");
            assert!(message.contains("expected auto, cpu, cuda, cuda:N, metal or metal:N"), "{message}");
        }
    }
}
