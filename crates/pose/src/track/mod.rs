//! Where the animal is, and which way it looks.

mod centre;
mod heading;
mod moments;

pub use centre::{rough_centre, triangulate};
pub use heading::headings;
pub use moments::{Moments, Track, TrackConfig, track_frame};
