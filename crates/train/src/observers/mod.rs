//! Observers that most runs want.

mod history;
mod log;
mod progress;

pub use history::{LossHistory, LossPoint};
pub use log::JsonLines;
pub use progress::ProgressObserver;
