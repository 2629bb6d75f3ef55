//! The repository: its root, its files and its packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::manifest::Manifest;
use crate::process;

/// A checkout of the workspace.
pub(crate) struct Repo {
    /// Absolute path of the folder that holds the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
}

/// One member of the workspace.
pub(crate) struct Package {
    /// Folder, relative to the root, with `/`: `crates/core`.
    pub(crate) folder: String,
    /// What its `Cargo.toml` says.
    pub(crate) manifest: Manifest,
}

impl Package {
    /// The name in `[package]`; empty when there is none.
    pub(crate) fn name(&self) -> &str {
        self.manifest.string("package", "name").unwrap_or_default()
    }

    /// Whether it may go to a registry.
    pub(crate) fn is_publishable(&self) -> bool {
        self.manifest.value("package", "publish") != Some("false")
    }

    /// Path of a file of the package, relative to the root.
    pub(crate) fn file(&self, path: &str) -> String {
        format!("{}/{path}", self.folder)
    }
}

impl Repo {
    /// The workspace that this program was built from, or the one around the current folder.
    pub(crate) fn find() -> Outcome<Self> {
        let cwd = std::env::current_dir().map_err(|e| Failure::failed(format!("current folder: {e}")))?;
        cwd.ancestors()
            .find(|dir| dir.join("xtask/Cargo.toml").is_file() && dir.join("crates").is_dir())
            .map(|root| Self { root: root.to_path_buf() })
            .ok_or_else(|| Failure::failed(format!("{}: not inside the volkit repository", cwd.display())))
    }

    /// An absolute path from one relative to the root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A text file of the repository.
    pub(crate) fn read(&self, relative: &str) -> Outcome<String> {
        let path = self.path(relative);
        std::fs::read_to_string(&path).map_err(|e| Failure::io(&path, &e))
    }

    /// A `cargo` command in the root.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.current_dir(&self.root).args(args);
        command
    }

    /// Where cargo builds to.
    pub(crate) fn target_dir(&self) -> Outcome<PathBuf> {
        let manifest = self.path("Cargo.toml");
        let args = ["metadata", "--no-deps", "--format-version", "1", "--manifest-path", &*manifest.to_string_lossy()];
        let metadata = process::output_of("cargo", &args).unwrap_or_default();
        let folder = metadata.split_once("\"target_directory\":\"").and_then(|(_, rest)| rest.split_once('"'));
        folder.map(|(path, _)| path.into()).ok_or_else(|| Failure::failed("`cargo metadata` tells no target directory"))
    }

    /// Every file that is, or would be, under version control; relative, sorted.
    pub(crate) fn files(&self) -> Outcome<Vec<String>> {
        let root = self.root.to_string_lossy();
        let args = ["-C", &*root, "ls-files", "--cached", "--others", "--exclude-standard"];
        let mut files: Vec<String> = match process::output_of("git", &args) {
            Some(list) => list.lines().map(str::to_owned).filter(|f| self.path(f).is_file()).collect(),
            None => self.walk()?,
        };
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The fallback for an unpacked archive: all files but build output.
    fn walk(&self) -> Outcome<Vec<String>> {
        let mut files = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(|e| Failure::io(&folder, &e))? {
                let path = entry.map_err(|e| Failure::io(&folder, &e))?.path();
                let relative = slashed(path.strip_prefix(&self.root).unwrap_or(&path));
                if path.is_file() {
                    files.push(relative);
                } else if !matches!(relative.as_str(), ".git" | "target" | "out") {
                    folders.push(path);
                }
            }
        }
        Ok(files)
    }

    /// The members of the workspace, by folder.
    pub(crate) fn packages(&self) -> Outcome<Vec<Package>> {
        let mut folders = vec!["xtask".to_owned()];
        for group in ["crates", "bins", "benches"] {
            let path = self.path(group);
            for entry in std::fs::read_dir(&path).map_err(|e| Failure::io(&path, &e))? {
                let entry = entry.map_err(|e| Failure::io(&path, &e))?;
                folders.push(format!("{group}/{}", entry.file_name().to_string_lossy()));
            }
        }
        folders.sort();
        folders
            .into_iter()
            .filter(|folder| self.path(&format!("{folder}/Cargo.toml")).is_file())
            .map(|folder| {
                let manifest = Manifest::parse(&self.read(&format!("{folder}/Cargo.toml"))?);
                Ok(Package { folder, manifest })
            })
            .collect()
    }
}

/// A relative path with `/` on every system.
pub(crate) fn slashed(path: &Path) -> String {
    path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_found_and_lists_its_packages() {
        let repo = Repo::find().unwrap();
        let packages = repo.packages().unwrap();
        let core = packages.iter().find(|p| p.folder == "crates/core").unwrap();
        assert_eq!(core.name(), "volkit-core");
        assert!(core.is_publishable());
        assert!(!packages.iter().find(|p| p.folder == "xtask").unwrap().is_publishable());
        let files = repo.files().unwrap();
        assert!(files.contains(&core.file("Cargo.toml")));
        assert!(!files.iter().any(|f| f.starts_with("target/")));
    }

    #[test]
    fn cargo_tells_where_it_builds_to() {
        assert!(Repo::find().unwrap().target_dir().unwrap().is_absolute());
    }

    #[test]
    fn the_walk_of_an_archive_leaves_build_output_out() {
        let repo = Repo::find().unwrap();
        let files = repo.walk().unwrap();
        assert!(files.contains(&"Cargo.toml".to_owned()));
        assert!(!files.iter().any(|f| f.starts_with("target/") || f.starts_with(".git/")));
    }
}
