//! Arrows between crates: each against the table of docs/ARCHITECTURE.md.

use super::Finding;
use crate::arrows;
use crate::repo::Package;

/// One row of the table: `| 2 | volkit-io | volkit-core |`.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    layer: u32,
    member: String,
    may: Vec<String>,
}

/// Checks each `[dependencies]` line that names one of our packages.
pub(super) fn check(packages: &[Package], architecture: &str, findings: &mut Vec<Finding>) {
    let rows = table(architecture);
    for package in packages {
        let manifest = package.file("Cargo.toml");
        let Some(row) = row_of(&rows, package) else {
            let advice =
                format!("`{}` has no row in the table of {}: add it with its layer", package.name(), arrows::PAGE);
            findings.push(Finding::new(&manifest, 1, "arrows", advice));
            continue;
        };
        for (name, line) in package.manifest.dependencies() {
            let Some(target) = packages.iter().find(|p| p.name() == name) else { continue };
            if !is_allowed(row, row_of(&rows, target), name) {
                let advice = format!(
                    "`{}` (layer {}) may not depend on `{name}`: {} has the table and says how an arrow is added",
                    package.name(),
                    row.layer,
                    arrows::PAGE
                );
                findings.push(Finding::new(&manifest, line, "arrows", advice));
            }
        }
    }
}

fn is_allowed(from: &Row, to: Option<&Row>, name: &str) -> bool {
    let lower = to.is_some_and(|t| t.layer < from.layer);
    from.may.iter().any(|m| m == name || (m == "all below" && lower))
}

fn row_of<'a>(rows: &'a [Row], package: &Package) -> Option<&'a Row> {
    rows.iter().find(|r| r.member == package.name()).or_else(|| {
        let group = package.folder.split('/').next().unwrap_or_default();
        rows.iter().find(|r| r.member == format!("{group}/*"))
    })
}

fn table(architecture: &str) -> Vec<Row> {
    architecture
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> =
                line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
            let [layer, member, may] = cells[..] else { return None };
            let names = may.split(',').map(|m| m.trim().trim_matches('`').to_owned()).filter(|m| m != "-");
            Some(Row { layer: layer.parse().ok()?, member: member.trim_matches('`').to_owned(), may: names.collect() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    const TABLE: &str = "| layer | member | may depend on |\n|---|---|---|\n| 4 | `bins/*` | all below |\n\
        | 2 | `volkit-io` | `volkit-core` |\n| 2 | `volkit-geom` | `volkit-core` |\n| 1 | `volkit-core` | - |\n";

    fn package(folder: &str, name: &str, dependencies: &[&str]) -> Package {
        let mut text = format!("[package]\nname = \"{name}\"\n[dependencies]\n");
        for d in dependencies {
            text.push_str(&format!("{d}.workspace = true\n"));
        }
        Package { folder: folder.into(), manifest: Manifest::parse(&text) }
    }

    fn found(packages: &[Package]) -> Vec<(String, usize)> {
        let mut findings = Vec::new();
        check(packages, TABLE, &mut findings);
        findings.into_iter().map(|f| (f.file, f.line)).collect()
    }

    #[test]
    fn arrows_of_the_table_pass() {
        let packages = [
            package("crates/core", "volkit-core", &["thiserror"]),
            package("crates/io", "volkit-io", &["volkit-core"]),
            package("bins/a", "a", &["volkit-io", "volkit-core"]),
        ];
        assert_eq!(found(&packages), []);
    }

    #[test]
    fn arrows_upwards_sideways_and_unlisted_members_are_found() {
        let packages = [
            package("crates/core", "volkit-core", &["volkit-io"]),
            package("crates/geom", "volkit-geom", &["volkit-core", "volkit-io"]),
            package("crates/io", "volkit-io", &[]),
            package("crates/new", "volkit-new", &[]),
            package("bins/a", "a", &["b"]),
            package("bins/b", "b", &[]),
        ];
        let expected = [("crates/core", 4), ("crates/geom", 5), ("crates/new", 1), ("bins/a", 4)];
        assert_eq!(found(&packages), expected.map(|(f, l)| (format!("{f}/Cargo.toml"), l)));
    }
}
