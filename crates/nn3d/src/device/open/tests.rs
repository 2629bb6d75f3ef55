//! Choosing among made-up devices. They all compute on the CPU; `faults` are done to what they give.

use candle_core::{Device, Result as CandleResult};
use volkit_kernels::DeviceRequest;

use super::super::backend::{Backend, Gpu, Opened};
use super::super::sample::sample;
use super::{open_by, survey_by};
use crate::{DeviceRefusal, OpPath};

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Wrong,
    Nan,
    Memory,
    Opening,
}

/// GPUs of both kinds, each with its fault; the one that was opened last is the one that runs.
struct Machine {
    cuda: Result<Vec<Fault>, DeviceRefusal>,
    metal: Result<Vec<Fault>, DeviceRefusal>,
    opened: std::cell::Cell<Fault>,
}

impl Machine {
    fn new(cuda: &[Fault], metal: &[Fault]) -> Self {
        Self { cuda: Ok(cuda.to_vec()), metal: Ok(metal.to_vec()), opened: std::cell::Cell::new(Fault::None) }
    }

    fn gpus(&self, gpu: Gpu) -> &Result<Vec<Fault>, DeviceRefusal> {
        if gpu == Gpu::Cuda { &self.cuda } else { &self.metal }
    }
}

impl Backend for Machine {
    fn count(&self, gpu: Gpu) -> Result<usize, DeviceRefusal> {
        self.gpus(gpu).as_ref().map(Vec::len).map_err(Clone::clone)
    }

    fn open(&self, gpu: Gpu, index: usize) -> Result<Opened, DeviceRefusal> {
        let fault = self.gpus(gpu).as_ref().map_err(Clone::clone)?[index];
        self.opened.set(fault);
        if fault == Fault::Opening {
            return Err(DeviceRefusal::of(&"CublasError(CUBLAS_STATUS_NOT_INITIALIZED)"));
        }
        Ok(Opened { device: Device::Cpu, model: Some(format!("{gpu:?} card {index}")) })
    }

    fn sample(&self, device: &Device) -> CandleResult<Vec<f32>> {
        let mut values = sample(device, OpPath::Composite)?;
        match self.opened.get() {
            Fault::None | Fault::Opening => {}
            Fault::Wrong => values[5] += 1.0,
            Fault::Nan => values[5] = f32::NAN,
            Fault::Memory => candle_core::bail!("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")"),
        }
        Ok(values)
    }
}

fn refused(machine: &Machine, request: DeviceRequest) -> String {
    open_by(machine, request).unwrap_err().to_string()
}

#[test]
fn auto_takes_the_first_gpu_that_passes() {
    let open = open_by(&Machine::new(&[Fault::None], &[Fault::None]), DeviceRequest::Auto).unwrap();
    assert_eq!((open.request, open.looked_at.len()), (DeviceRequest::Cuda(0), 1));
    assert_eq!(open.why(), "cuda:0 (Cuda card 0)");

    let open = open_by(&Machine::new(&[Fault::Nan, Fault::None], &[]), DeviceRequest::Auto).unwrap();
    assert_eq!(open.request, DeviceRequest::Cuda(1));
    assert_eq!(
        open.why(),
        "cuda:1 (Cuda card 1); not cuda:0 (Cuda card 0): self-check failed: 1 of 2124 results are NaN or infinite"
    );

    let open = open_by(&Machine::new(&[], &[Fault::None]), DeviceRequest::Auto).unwrap();
    assert_eq!(open.request, DeviceRequest::Metal(0));
    assert_eq!(open.why(), "metal:0 (Metal card 0); not cuda:0: this machine has no such GPU");
}

#[test]
fn auto_falls_back_to_the_cpu_and_says_why() {
    let mut machine = Machine::new(&[], &[Fault::Wrong]);
    machine.cuda = Err(DeviceRefusal::of(&"DriverError(CUDA_ERROR_STUB_LIBRARY, ..)"));
    let open = open_by(&machine, DeviceRequest::Auto).unwrap();
    assert!(open.device.is_cpu() && open.request == DeviceRequest::Cpu);
    let why = open.why();
    let no_driver = "cpu; not cuda:0: no NVIDIA driver: libcuda.so.1 can not be loaded; not metal:0 (Metal card 0): ";
    assert!(why.starts_with(no_driver) && why.contains("self-check failed: "), "{why}");
}

#[test]
fn a_device_that_was_asked_for_is_never_replaced() {
    let machine = Machine::new(&[Fault::Memory, Fault::Wrong, Fault::Opening, Fault::None], &[]);
    let texts = [
        (DeviceRequest::Cuda(0), "device cuda:0: out of memory ("),
        (DeviceRequest::Cuda(1), "device cuda:1: self-check failed: "),
        (DeviceRequest::Cuda(2), "device cuda:2: cuBLAS (libcublas.so) is not installed"),
        (DeviceRequest::Cuda(7), "device cuda:7: index 7 does not exist: there are 4 such GPUs"),
        (DeviceRequest::Metal(0), "device metal:0: this machine has no such GPU"),
    ];
    for (request, text) in texts {
        let message = refused(&machine, request);
        assert!(message.starts_with(text), "{message}");
        assert!(message.ends_with("; auto and cpu do without it"), "{message}");
    }
    assert_eq!(open_by(&machine, DeviceRequest::Cuda(3)).unwrap().request, DeviceRequest::Cuda(3));
    assert!(open_by(&machine, DeviceRequest::Cpu).unwrap().device.is_cpu());
}

#[test]
fn a_build_without_gpus_says_so() {
    let mut machine = Machine::new(&[], &[]);
    machine.cuda = Err(DeviceRefusal::NotBuilt { feature: "cuda" });
    assert!(refused(&machine, DeviceRequest::Cuda(0)).contains("not part of this build (feature cuda)"));
    let findings: Vec<String> = survey_by(&machine).iter().map(ToString::to_string).collect();
    assert_eq!(findings[0], "cuda:0: not part of this build (feature cuda)");
    assert_eq!(findings[1], "metal:0: this machine has no such GPU");
    assert!(findings[2].starts_with("cpu: self-check ok, ") && findings.len() == 3, "{findings:?}");
}

#[test]
fn a_survey_has_a_line_for_every_gpu() {
    let findings = survey_by(&Machine::new(&[Fault::None, Fault::Nan], &[Fault::Opening]));
    let requests: Vec<String> = findings.iter().map(|finding| finding.request.to_string()).collect();
    assert_eq!(requests, ["cuda:0", "cuda:1", "metal:0", "cpu"]);
    let passed: Vec<bool> = findings.iter().map(|finding| finding.verdict.is_ok()).collect();
    assert_eq!(passed, [true, false, false, true]);
}
