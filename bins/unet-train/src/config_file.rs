//! Files of settings.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use serde::de::DeserializeOwned;

/// Reads a TOML file of settings; a key that is not known, or has another type, is an error with file, line and key.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: can not read", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        let name = path.display();
        let Some(span) = error.span() else { return anyhow!("{name}: {}", error.message()) };
        let before = text.get(..span.start).unwrap_or_default();
        let number = before.matches('\n').count();
        let line = text.lines().nth(number).unwrap_or_default().trim();
        anyhow!("{name}:{}: '{line}': {}", number + 1, error.message().trim())
    })
}
