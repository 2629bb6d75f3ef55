//! Which device tensors live on: asked for by name, opened, tried, and explained.

mod backend;
mod open;
mod refusal;
mod sample;

pub use open::{DeviceFinding, OpenDevice, open_device, survey_devices};
pub use refusal::DeviceRefusal;
pub(crate) use refusal::is_out_of_memory;
pub use sample::{SELF_CHECK_RTOL, self_check};
