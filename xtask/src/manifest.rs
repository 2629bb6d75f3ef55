//! The part of TOML that our manifests use: tables, `key = value` on one line, dotted keys.

/// A parsed `Cargo.toml`.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    entries: Vec<Entry>,
}

/// One `key = value` line.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The table it stands in: `package`, `dependencies`, `target.'cfg(unix)'.dependencies`.
    pub(crate) table: String,
    /// The key as written: `name`, `volkit-core.workspace`.
    pub(crate) key: String,
    /// The value as written, comment removed.
    pub(crate) value: String,
    /// Line in the file, from 1.
    pub(crate) line: usize,
}

impl Manifest {
    /// Reads the lines it knows; others are left out.
    pub(crate) fn parse(text: &str) -> Self {
        let mut entries = Vec::new();
        let mut table = String::new();
        for (index, raw) in text.lines().enumerate() {
            let line = without_comment(raw).trim();
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                table = name.trim_matches(['[', ']']).to_owned();
            } else if let Some((key, value)) = line.split_once('=') {
                entries.push(Entry {
                    table: table.clone(),
                    key: key.trim().trim_matches('"').to_owned(),
                    value: value.trim().to_owned(),
                    line: index + 1,
                });
            }
        }
        Self { entries }
    }

    /// The raw value of a key.
    pub(crate) fn value(&self, table: &str, key: &str) -> Option<&str> {
        self.entries.iter().find(|e| e.table == table && e.key == key).map(|e| e.value.as_str())
    }

    /// The value of a string key, without its quotes.
    pub(crate) fn string(&self, table: &str, key: &str) -> Option<&str> {
        self.value(table, key)?.strip_prefix('"')?.strip_suffix('"')
    }

    /// Whether a key is given here or inherited from the workspace.
    pub(crate) fn has(&self, table: &str, key: &str) -> bool {
        self.value(table, key).is_some() || self.value(table, &format!("{key}.workspace")) == Some("true")
    }

    /// The names of its features.
    pub(crate) fn features(&self) -> Vec<&str> {
        self.entries.iter().filter(|e| e.table == "features").map(|e| e.key.as_str()).collect()
    }

    /// The packages that it needs to be built, with the line of each; what only tests need is left out.
    pub(crate) fn dependencies(&self) -> Vec<(&str, usize)> {
        let mut found = Vec::new();
        for entry in &self.entries {
            let table = entry.table.as_str();
            let kinds = ["dependencies", "build-dependencies"];
            if kinds.iter().any(|k| table == *k || (table.starts_with("target.") && table.ends_with(&format!(".{k}"))))
            {
                found.push((entry.key.split('.').next().unwrap_or_default(), entry.line));
            } else if let Some(name) = kinds.iter().find_map(|k| table.strip_prefix(&format!("{k}."))) {
                found.push((name, entry.line));
            }
        }
        found.dedup_by_key(|(name, _)| *name);
        found
    }
}

fn without_comment(line: &str) -> &str {
    let mut in_string = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => in_string = !in_string,
            '#' if !in_string => return &line[..at],
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[package]
name = "a-b" # the name
description = "uses # signs"
license.workspace = true

[features]
default = ["one"]
one = [
    "half/x",
]
[dependencies]
volkit-core.workspace = true
half = { version = "2", features = ["x"] }
[dependencies.nifti]
optional = true
version = "1"
[target.'cfg(unix)'.dependencies]
nix = "1"
[dev-dependencies]
volkit-io.workspace = true
"#;

    #[test]
    fn keys_strings_and_inheritance() {
        let m = Manifest::parse(TEXT);
        assert_eq!(m.string("package", "name"), Some("a-b"));
        assert_eq!(m.string("package", "description"), Some("uses # signs"));
        assert!(m.has("package", "license"));
        assert!(!m.has("package", "keywords"));
    }

    #[test]
    fn features_on_one_line_and_on_several() {
        assert_eq!(Manifest::parse(TEXT).features(), ["default", "one"]);
    }

    #[test]
    fn dependencies_of_every_form_but_those_of_tests() {
        let m = Manifest::parse(TEXT);
        let names: Vec<&str> = m.dependencies().iter().map(|d| d.0).collect();
        assert_eq!(names, ["volkit-core", "half", "nifti", "nix"]);
        assert_eq!(m.dependencies()[0].1, 13);
    }
}
