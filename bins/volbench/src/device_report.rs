//! Which devices networks can run on here, which one `--device auto` takes, and why not the others.

use serde::Serialize;

/// A device, as far as this program can see it.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceReport {
    /// As `--device` takes it.
    pub(crate) name: String,
    /// What its maker calls it.
    pub(crate) model: Option<String>,
    /// Whether this program was built with support for it.
    pub(crate) is_built: bool,
    /// Whether it passed the self-check.
    pub(crate) is_usable: bool,
    /// Whether `--device auto` takes it.
    pub(crate) is_chosen: bool,
    /// Why it is not usable, or what was checked.
    pub(crate) why: String,
    /// Largest difference to the kernels of the CPU in the self-check, as a part of the largest value.
    pub(crate) largest_difference: Option<f64>,
}

/// Every GPU, or a line for each kind of which there is none, then the CPU.
#[cfg(feature = "candle")]
pub(crate) fn device_reports() -> Vec<DeviceReport> {
    let mut reports: Vec<DeviceReport> = volkit_nn3d::survey_devices().into_iter().map(DeviceReport::of).collect();
    if let Some(first) = reports.iter_mut().find(|report| report.is_usable) {
        first.is_chosen = true;
    }
    reports
}

#[cfg(feature = "candle")]
impl DeviceReport {
    fn of(finding: volkit_nn3d::DeviceFinding) -> Self {
        let volkit_nn3d::DeviceFinding { request, model, verdict } = finding;
        let is_built = !matches!(verdict, Err(volkit_nn3d::DeviceRefusal::NotBuilt { .. }));
        Self {
            name: request.to_string(),
            model,
            is_built,
            is_usable: verdict.is_ok(),
            is_chosen: false,
            why: match &verdict {
                Ok(_) if request == volkit_nn3d::DeviceRequest::Cpu => "kernels, and the composite path".to_owned(),
                Ok(_) => "the composite path".to_owned(),
                Err(refusal) => refusal.to_string(),
            },
            largest_difference: verdict.ok(),
        }
    }
}

/// The CPU: nothing else is part of this build.
#[cfg(not(feature = "candle"))]
pub(crate) fn device_reports() -> Vec<DeviceReport> {
    let gpu = |feature: &str| DeviceReport {
        name: format!("{feature}:0"),
        model: None,
        is_built: false,
        is_usable: false,
        is_chosen: false,
        why: format!("not part of this build (feature {feature})"),
        largest_difference: None,
    };
    let cpu = DeviceReport {
        name: "cpu".to_owned(),
        model: None,
        is_built: true,
        is_usable: true,
        is_chosen: true,
        why: "kernels".to_owned(),
        largest_difference: None,
    };
    vec![gpu("cuda"), gpu("metal"), cpu]
}
