//! The command line as it is typed.

use clap::{Parser, Subcommand};

use crate::psi::PsiArgs;
use crate::synthseg::SynthSegArgs;

/// Trains networks.
#[derive(Clone, Debug, Parser)]
#[command(name = "unet-train", version)]
pub(crate) struct Args {
    /// What is trained for.
    #[command(subcommand)]
    pub(crate) field: Field,
}

/// What is trained for.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Field {
    /// Height of a surface from the images of a phase-shifting interferometer
    Psi(Box<PsiArgs>),
    /// Labels of a brain scan of any contrast, from label maps alone
    Synthseg(SynthSegArgs),
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
