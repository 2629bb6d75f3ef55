//! Why a device is not used.

/// Why a device is not used; the text is a reason for people.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceRefusal {
    /// The program was built without it.
    #[error("not part of this build (feature {feature})")]
    NotBuilt {
        /// Feature that adds it.
        feature: &'static str,
    },
    /// The driver is not installed, or not for this program to find.
    #[error("no NVIDIA driver: libcuda.so.1 can not be loaded")]
    NoDriver,
    /// There is no device of that kind.
    #[error("this machine has no such GPU")]
    NoGpu,
    /// There are devices of that kind, but fewer.
    #[error("index {index} does not exist: there {}", are(.count))]
    NoSuchIndex {
        /// Index asked for, from 0.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The driver can not run what this program brings.
    #[error("the driver or the GPU is too old for this program ({said})")]
    TooOld {
        /// What the driver said.
        said: String,
    },
    /// A library beside the driver is missing.
    #[error("{library} is not installed, or not for this program to find ({said})")]
    NoLibrary {
        /// Name of the library and of its files.
        library: &'static str,
        /// What the call gave.
        said: String,
    },
    /// Its memory is taken.
    #[error("out of memory ({said})")]
    OutOfMemory {
        /// What the driver said.
        said: String,
    },
    /// It computes, but not what it should.
    #[error("self-check failed: {error:.1e} off the CPU, of the largest value; {tolerance:.0e} is allowed")]
    Wrong {
        /// Largest difference, as a part of the largest value.
        error: f64,
        /// What is allowed.
        tolerance: f64,
    },
    /// It gave a number that is none.
    #[error("self-check failed: {n_values} of {of} results are NaN or infinite")]
    NotFinite {
        /// How many.
        n_values: usize,
        /// Of how many.
        of: usize,
    },
    /// Anything else that was said.
    #[error("{said}")]
    Failed {
        /// What was said.
        said: String,
    },
}

/// Whether an error of candle means that the memory of a device is exhausted.
pub(crate) fn is_out_of_memory(said: &str) -> bool {
    let said = said.to_ascii_uppercase();
    // Of the driver, of cuBLAS and cuRAND, and of candle's Metal back end when a buffer can not be had.
    [
        "OUT_OF_MEMORY",
        "ALLOC_FAILED",
        "ALLOCATION_FAILED",
        "OUT OF MEMORY",
        "INSUFFICIENT MEMORY",
        "ERROROUTOFMEMORY",
        "FAILED TO CREATE METAL RESOURCE: BUFFER",
    ]
    .iter()
    .any(|known| said.contains(known))
}

fn are(count: &usize) -> String {
    if *count == 1 { "is 1 such GPU".to_owned() } else { format!("are {count} such GPUs") }
}

impl DeviceRefusal {
    /// The reason behind what a back end of candle said.
    pub(crate) fn of(said: &dyn std::fmt::Display) -> Self {
        let said = said.to_string();
        let has = |names: &[&str]| names.iter().any(|name| said.contains(name));
        // Backtraces follow on further lines.
        let line = || said.lines().next().unwrap_or_default().to_owned();
        if has(&["CUDA_ERROR_STUB_LIBRARY"]) {
            Self::NoDriver
        } else if has(&["CUDA_ERROR_NO_DEVICE"]) {
            Self::NoGpu
        } else if has(&[
            "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
            "CUDA_ERROR_NO_BINARY_FOR_GPU",
            "CUDA_ERROR_INVALID_PTX",
            "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
            "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
            "INSUFFICIENT_DRIVER",
        ]) {
            Self::TooOld { said: line() }
        } else if has(&["CUBLAS_STATUS_NOT_INITIALIZED"]) {
            Self::NoLibrary { library: "cuBLAS (libcublas.so)", said: line() }
        } else if has(&["CURAND_STATUS_NOT_INITIALIZED"]) {
            Self::NoLibrary { library: "cuRAND (libcurand.so)", said: line() }
        } else if is_out_of_memory(&said) {
            Self::OutOfMemory { said: line() }
        } else {
            Self::Failed { said: line() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DeviceRefusal, is_out_of_memory};

    #[test]
    fn what_drivers_say_becomes_a_reason() {
        let of = |said: &str| DeviceRefusal::of(&said).to_string();
        let stub = "DriverError(CUDA_ERROR_STUB_LIBRARY, <Failure when calling cuGetErrorString()>)\n   0: backtrace";
        assert_eq!(of(stub), "no NVIDIA driver: libcuda.so.1 can not be loaded");
        assert_eq!(of("DriverError(CUDA_ERROR_NO_DEVICE, \"no CUDA-capable device\")"), "this machine has no such GPU");
        let old = "DriverError(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, \"the provided PTX\") when loading unary";
        assert_eq!(of(old), format!("the driver or the GPU is too old for this program ({old})"));
        assert!(of("CublasError(CUBLAS_STATUS_NOT_INITIALIZED)").starts_with("cuBLAS (libcublas.so) is not installed"));
        assert!(of("CurandError(CURAND_STATUS_NOT_INITIALIZED)").starts_with("cuRAND"));
        assert!(of("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")").starts_with("out of memory ("));
        assert_eq!(of("something else\nand more"), "something else");
    }

    #[test]
    fn exhausted_memory_is_told_from_other_failures() {
        for said in [
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "CublasError(CUBLAS_STATUS_ALLOC_FAILED)",
            "Metal error Failed to create metal resource: Buffer",
        ] {
            assert!(is_out_of_memory(said), "{said}");
        }
        assert!(!is_out_of_memory("shape mismatch") && !is_out_of_memory(""));
    }

    #[test]
    fn counts_are_grammatical() {
        let text = |count| DeviceRefusal::NoSuchIndex { index: 3, count }.to_string();
        assert_eq!(text(1), "index 3 does not exist: there is 1 such GPU");
        assert_eq!(text(2), "index 3 does not exist: there are 2 such GPUs");
    }
}
