//! The program, run as its users run it.
#![allow(clippy::unwrap_used)]

mod psi;
mod psi_bad_input;
mod psi_resume;
mod synthseg;

use volkit_bench::{ProgramFolder, ProgramRun};

/// A folder with a file of settings, in which the program runs.
pub(crate) struct Folder(pub(crate) ProgramFolder);

impl Folder {
    pub(crate) fn new(settings: &str) -> Self {
        let folder = ProgramFolder::new(env!("CARGO_BIN_EXE_unet-train")).unwrap();
        std::fs::write(folder.path("psi.toml"), settings).unwrap();
        Self(folder)
    }

    pub(crate) fn run(&self, arguments: &str) -> ProgramRun {
        ProgramRun::of(&mut self.0.command(arguments)).unwrap()
    }

    pub(crate) fn done(&self, arguments: &str) -> ProgramRun {
        self.run(arguments).succeeded().unwrap()
    }
}
