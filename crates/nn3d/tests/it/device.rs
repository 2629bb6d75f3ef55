//! Devices of this machine: what can be said without a GPU.

use candle_core::Error;
use volkit_nn3d::{DeviceRefusal, DeviceRequest, Nn3dError, SELF_CHECK_RTOL, open_device, self_check, survey_devices};

#[test]
fn the_cpu_is_always_there() {
    let open = open_device(DeviceRequest::Cpu).unwrap();
    assert!(open.device.is_cpu() && open.request == DeviceRequest::Cpu && open.model.is_none());
    assert!(self_check(&open.device).unwrap() < SELF_CHECK_RTOL);
    // Whatever is found, something is chosen, it is a device by name, and it works.
    let auto = open_device(DeviceRequest::Auto).unwrap();
    assert_ne!(auto.request, DeviceRequest::Auto);
    assert!(self_check(&auto.device).is_ok());
    assert!(auto.why().starts_with(&auto.request.to_string()), "{}", auto.why());
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_with_its_reason() {
    for (request, feature, is_built) in [
        (DeviceRequest::Cuda(4096), "cuda", cfg!(feature = "cuda")),
        (DeviceRequest::Metal(4096), "metal", cfg!(feature = "metal")),
    ] {
        let error = open_device(request).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("device {request}: ")), "{text}");
        assert!(text.ends_with("; auto and cpu do without it"), "{text}");
        let not_built =
            matches!(&error, Nn3dError::Device { refusal, .. } if *refusal == DeviceRefusal::NotBuilt { feature });
        assert_eq!(not_built, !is_built, "{text}");
    }
}

#[test]
fn a_survey_ends_with_the_cpu() {
    let findings = survey_devices();
    assert!(findings.len() >= 3);
    let last = findings.last().unwrap();
    assert_eq!(last.request, DeviceRequest::Cpu);
    assert!(last.verdict.as_ref().is_ok_and(|error| *error < SELF_CHECK_RTOL));
    assert!(last.to_string().starts_with("cpu: self-check ok, "));
}

#[test]
fn exhausted_memory_is_told_from_other_errors() {
    let error = |text: &str| Nn3dError::from(Error::Msg(text.to_owned()));
    assert!(error("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")").is_out_of_memory());
    assert!(!error("unexpected rank").is_out_of_memory());
}
