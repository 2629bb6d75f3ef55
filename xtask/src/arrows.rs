//! `cargo xtask arrows`: which crate uses which, read from the manifests.

use crate::failure::{Failure, Outcome};
use crate::repo::{Package, Repo};

pub(crate) const HELP: &str = "\
cargo xtask arrows [--write]

Prints the crate map: each package, what it depends on of ours (tests aside).

  --write   put it into docs/ARCHITECTURE.md, between the marks `arrows:begin` and `arrows:end`";

/// The page that holds the map and the table of allowed arrows.
pub(crate) const PAGE: &str = "docs/ARCHITECTURE.md";

const BEGIN: &str = "<!-- arrows:begin -->\n```text\n";
const END: &str = "```\n<!-- arrows:end -->";

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    let map = map(&repo.packages()?);
    match args {
        [] => print!("{map}"),
        [flag] if flag == "--write" => {
            let page = repo.read(PAGE)?;
            let (start, end) = bounds(&page)
                .ok_or_else(|| Failure::failed(format!("{PAGE}: the marks arrows:begin and arrows:end are missing")))?;
            let text = format!("{}{map}{}", &page[..start], &page[end..]);
            let path = repo.path(PAGE);
            std::fs::write(&path, text).map_err(|e| Failure::io(&path, &e))?;
        }
        _ => return Err(Failure::Usage(format!("arrows: unknown option `{}`", args.join(" ")))),
    }
    Ok(())
}

/// The map as text, one package a line.
pub(crate) fn map(packages: &[Package]) -> String {
    let width = packages.iter().map(|p| p.name().len()).max().unwrap_or(0);
    let mut lines: Vec<String> = packages
        .iter()
        .map(|package| {
            let mut ours: Vec<&str> = package
                .manifest
                .dependencies()
                .iter()
                .map(|d| d.0)
                .filter(|d| packages.iter().any(|p| p.name() == *d))
                .collect();
            ours.sort_unstable();
            let list = if ours.is_empty() { "nothing of ours".to_owned() } else { ours.join(", ") };
            format!("{:<width$} -> {list}\n", package.name())
        })
        .collect();
    lines.sort();
    lines.concat()
}

/// The map that the page holds now.
pub(crate) fn committed(page: &str) -> Option<&str> {
    bounds(page).map(|(start, end)| &page[start..end])
}

fn bounds(page: &str) -> Option<(usize, usize)> {
    let start = page.find(BEGIN)? + BEGIN.len();
    Some((start, start + page[start..].find(END)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    #[test]
    fn the_map_lists_arrows_between_our_packages_only() {
        let package = |name: &str, rest: &str| Package {
            folder: format!("crates/{name}"),
            manifest: Manifest::parse(&format!("[package]\nname = \"{name}\"\n{rest}")),
        };
        let packages = [
            package(
                "v-io",
                "[dependencies]\nv-core.workspace = true\nhalf = \"2\"\n[dev-dependencies]\nv-test = \"1\"\n",
            ),
            package("v-core", ""),
            package("v-test", ""),
        ];
        assert_eq!(map(&packages), "v-core -> nothing of ours\nv-io   -> v-core\nv-test -> nothing of ours\n");
    }

    #[test]
    fn the_committed_map_stands_between_the_marks() {
        let page = format!("text\n{BEGIN}a -> b\n{END}\nmore\n");
        assert_eq!(committed(&page), Some("a -> b\n"));
        assert_eq!(committed("no marks"), None);
    }
}
