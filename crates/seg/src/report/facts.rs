//! What was run, and how.

/// A file of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportModel {
    /// Its name.
    pub name: String,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
}

/// Time of one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportStage {
    /// Name of the stage.
    pub name: String,
    /// Seconds that passed.
    pub wall_secs: f64,
}

/// What was run, and how. Everything but the software is left out of the page where it is not known.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RunFacts {
    /// Program and version, as `synthseg 0.1.0`.
    pub software: String,
    /// Weights that were used.
    pub models: Vec<ReportModel>,
    /// How sums are computed, as `exact`.
    pub mode: Option<String>,
    /// How the network ran, as `kernel`.
    pub path: Option<String>,
    /// Where it ran, as `cpu (avx512)`.
    pub device: Option<String>,
    /// Threads.
    pub threads: Option<usize>,
    /// Stages in order, with the time that each took.
    pub stages: Vec<ReportStage>,
    /// Seconds of CPU time of all threads.
    pub cpu_secs: Option<f64>,
    /// Largest resident memory, in bytes.
    pub peak_bytes: Option<u64>,
    /// Further facts: name and text.
    pub others: Vec<(String, String)>,
}

impl RunFacts {
    /// Of a program, as `synthseg 0.1.0`.
    #[must_use]
    pub fn new(software: impl Into<String>) -> Self {
        Self { software: software.into(), ..Self::default() }
    }

    /// With one more file of weights.
    #[must_use]
    pub fn with_model(mut self, name: impl Into<String>, sha256: impl Into<String>) -> Self {
        self.models.push(ReportModel { name: name.into(), sha256: sha256.into() });
        self
    }

    /// With the way sums are computed.
    #[must_use]
    pub fn with_mode(self, mode: impl Into<String>) -> Self {
        Self { mode: Some(mode.into()), ..self }
    }

    /// With the way the network ran.
    #[must_use]
    pub fn with_path(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// With the device.
    #[must_use]
    pub fn with_device(self, device: impl Into<String>) -> Self {
        Self { device: Some(device.into()), ..self }
    }

    /// With the number of threads.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: Some(threads), ..self }
    }

    /// With one more stage and the seconds it took.
    #[must_use]
    pub fn with_stage(mut self, name: impl Into<String>, wall_secs: f64) -> Self {
        self.stages.push(ReportStage { name: name.into(), wall_secs });
        self
    }

    /// With the CPU time of all threads, in seconds.
    #[must_use]
    pub fn with_cpu_secs(self, cpu_secs: f64) -> Self {
        Self { cpu_secs: Some(cpu_secs), ..self }
    }

    /// With the largest resident memory, in bytes.
    #[must_use]
    pub fn with_peak_bytes(self, peak_bytes: u64) -> Self {
        Self { peak_bytes: Some(peak_bytes), ..self }
    }

    /// With one more fact.
    #[must_use]
    pub fn with_fact(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.others.push((name.into(), text.into()));
        self
    }
}
