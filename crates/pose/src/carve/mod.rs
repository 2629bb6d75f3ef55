//! Visual hulls: which points of a grid all views, or all but one, agree on, and what colour they have.

mod colour;
mod crop;
mod grid;
mod hull;

pub use colour::{CarvedVolume, ColourRules};
pub use crop::{CropFinder, find_interval};
pub use grid::{CarveGrid, Pose};
pub use hull::{CarveRules, Carver, Hull, Level};
