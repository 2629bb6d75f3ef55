//! `volbench doctor`.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;
use volkit_core::BoxError;

use crate::args::DoctorArgs;
use crate::device_report::{DeviceReport, device_reports};
use crate::isa_report::{IsaReport, isa_reports};
use crate::machine::Machine;

/// Something that a build may have.
#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    /// What can be said of it here.
    state: &'static str,
}

/// Everything that `doctor` finds.
#[derive(Debug, Serialize)]
struct Report {
    tool: &'static str,
    version: &'static str,
    machine: Machine,
    instruction_sets: Vec<IsaReport>,
    devices: Vec<DeviceReport>,
    formats: Vec<Part>,
    ok: bool,
}

pub(crate) fn run(args: &DoctorArgs) -> Result<ExitCode, BoxError> {
    let instruction_sets = isa_reports();
    let ok = instruction_sets.iter().filter_map(|isa| isa.self_check.as_ref()).all(|check| check.ok);
    let report = Report {
        tool: "volbench",
        version: env!("CARGO_PKG_VERSION"),
        machine: Machine::detect(),
        instruction_sets,
        devices: device_reports(),
        formats: formats(),
        ok,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the input and output crate of this build offers.
fn formats() -> Vec<Part> {
    let mut list: Vec<(&'static str, bool)> = volkit_io::formats().iter().map(|format| (format.name(), true)).collect();
    list.extend([("HDF5 weights", volkit_io::HDF5_WEIGHTS), ("HDF5 volumes", volkit_io::has_suffix(".h5"))]);
    list.push(("Zarr volumes", volkit_io::has_suffix(".zarr")));
    parts(&list)
}

fn parts(list: &[(&'static str, bool)]) -> Vec<Part> {
    let state = |is_built: bool| if is_built { "built in" } else { "not built in" };
    list.iter().map(|&(name, is_built)| Part { name, state: state(is_built) }).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(f, "volbench {}", self.version)?;
        writeln!(f, "system        {} on {}", machine.os, machine.arch)?;
        writeln!(f, "processor     {}, {} threads", machine.cpu.as_deref().unwrap_or("unnamed"), machine.cores)?;
        if let Some(bytes) = machine.memory_bytes {
            writeln!(f, "memory        {:.1} GB", bytes as f64 * 1e-9)?;
        }
        writeln!(f, "extensions    {}", machine.cpu_features.join(" "))?;
        for isa in &self.instruction_sets {
            let state = match (isa.available, isa.chosen) {
                (true, true) => "chosen",
                (true, false) => "available",
                (false, _) => "not available",
            };
            write!(f, "{:13} {state}: {}", isa.name, isa.why)?;
            if let Some(check) = &isa.self_check {
                match (&check.error, check.largest_difference) {
                    (Some(error), _) => write!(f, "; self-check FAIL: {error}")?,
                    (None, difference) => {
                        let verdict = if check.ok { "ok" } else { "FAIL" };
                        let difference = difference.unwrap_or(f64::NAN);
                        write!(f, "; self-check {verdict}, largest difference to portable code {difference:e}")?;
                    }
                }
            }
            writeln!(f)?;
        }
        for device in &self.devices {
            let state = match (device.is_chosen, device.is_usable) {
                (true, _) => "chosen",
                (false, true) => "available",
                (false, false) => "not available",
            };
            write!(f, "{:13} {state}: ", device.name)?;
            if let Some(model) = &device.model {
                write!(f, "{model}; ")?;
            }
            write!(f, "{}", device.why)?;
            if let Some(difference) = device.largest_difference {
                write!(f, "; self-check ok, largest difference to the kernels {difference:.1e} of the largest value")?;
            }
            writeln!(f)?;
        }
        for part in &self.formats {
            writeln!(f, "{}: {}", part.name, part.state)?;
        }
        writeln!(f, "{}", if self.ok { "all checks passed" } else { "a check FAILED" })
    }
}
