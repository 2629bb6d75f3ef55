//! How networks are built, and which code runs their layers.

use volkit_kernels::{ConvOptions, Isa, Mode, Workspace};

use crate::SegError;

/// How a network is built from its weights.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NetworkBuild<'a> {
    /// Instruction set, mode and threads. Default: what the machine has, fast-math, the calling thread.
    pub conv: ConvOptions<'a>,
    /// What runs the layers. Default: kernels.
    pub path: NetPath,
    /// Whose memory a run of a `SynthSeg` network takes, and leaves there for the next one. Default: none, memory is
    /// given back after each run.
    pub workspace: Option<&'a Workspace>,
    /// Where the composite path runs; default: the CPU. (Feature `candle`.)
    #[cfg(feature = "candle")]
    pub device: Option<&'a candle_core::Device>,
}

impl<'a> NetworkBuild<'a> {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            conv: ConvOptions::new(Isa::detect()).with_mode(Mode::FastMath),
            path: NetPath::Auto,
            workspace: None,
            #[cfg(feature = "candle")]
            device: None,
        }
    }

    /// The same with another instruction set, mode or threads.
    #[must_use]
    pub fn with_conv(self, conv: impl Into<ConvOptions<'a>>) -> Self {
        Self { conv: conv.into(), ..self }
    }

    /// The same on another path.
    #[must_use]
    pub fn with_path(self, path: NetPath) -> Self {
        Self { path, ..self }
    }

    /// The same with memory from `workspace`, which networks of one program can share.
    #[must_use]
    pub fn with_workspace(self, workspace: &'a Workspace) -> Self {
        Self { workspace: Some(workspace), ..self }
    }

    /// The same with tensors of the composite path on `device`. (Feature `candle`.)
    #[cfg(feature = "candle")]
    #[must_use]
    pub fn with_device(self, device: &'a candle_core::Device) -> Self {
        Self { device: Some(device), ..self }
    }
}

impl Default for NetworkBuild<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Which code runs the layers of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NetPath {
    /// Kernels, which exist for every processor.
    #[default]
    Auto,
    /// The executor of `volkit-kernels`: planes that stream through a network.
    Kernel,
    /// Whole tensors through the composites of `volkit-nn3d`, which are made of candle's own operations; batch norm is
    /// not folded. Needs the feature `candle`.
    Composite,
}

impl NetPath {
    /// Every path.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Kernel, Self::Composite];

    /// Lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kernel => "kernel",
            Self::Composite => "composite",
        }
    }

    /// The path with that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|path| path.name() == name)
    }

    /// Whether this build has it.
    #[must_use]
    pub fn is_built(self) -> bool {
        self != Self::Composite || cfg!(feature = "candle")
    }

    /// Checks that this build has it.
    pub(crate) fn check(self) -> Result<(), SegError> {
        if self.is_built() {
            return Ok(());
        }
        let why = "this build does not have it (feature candle)";
        Err(SegError::Option { name: "path", value: self.name().into(), why })
    }

    /// What runs: never [`NetPath::Auto`].
    #[must_use]
    pub fn resolved(self) -> Self {
        if self == Self::Auto { Self::Kernel } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::NetPath;

    #[test]
    fn paths_have_names() {
        for path in NetPath::ALL {
            assert_eq!(NetPath::from_name(path.name()), Some(path));
            assert_eq!(path.is_built(), path.check().is_ok());
        }
        assert_eq!((NetPath::from_name("gpu"), NetPath::Auto.resolved()), (None, NetPath::Kernel));
    }
}
