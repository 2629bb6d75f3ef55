//! The network of this project, as part of the program.

/// The bytes of its weights (safetensors, f16; see [`crate::CompactNet`]), where this build has them: they are those of
/// `weights/default.safetensors` in the folder of this crate when it was built.
#[must_use]
pub fn default_weights() -> Option<&'static [u8]> {
    #[cfg(has_default_weights)]
    return Some(include_bytes!("../weights/default.safetensors"));
    #[cfg(not(has_default_weights))]
    None
}
