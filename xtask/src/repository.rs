//! Where the repository is, and which files belong to it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Directories that hold nothing that was written by hand.
const FOREIGN_DIRECTORIES: &[&str] = &[
    "target",
    ".git",
    "node_modules",
    "wellspring-data",
    "__pycache__",
    "corpus",
    "artifacts",
];

/// The checkout that xtask was built from.
pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    pub(crate) fn find() -> Result<Repository> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in the repository")?
            .to_path_buf();
        Ok(Repository { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The path as it is written in messages: relative to the root.
    pub(crate) fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    /// Every file with one of these extensions, sorted, whether committed already or not.
    pub(crate) fn files(&self, extensions: &[&str]) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut directories = vec![self.root.clone()];
        while let Some(directory) = directories.pop() {
            let entries = fs::read_dir(&directory)
                .with_context(|| format!("reading {}", directory.display()))?;
            for entry in entries {
                let entry = entry?;
                let (path, name) = (entry.path(), entry.file_name());
                if entry.file_type()?.is_dir() {
                    if !FOREIGN_DIRECTORIES.iter().any(|foreign| name == *foreign) {
                        directories.push(path);
                    }
                } else if has_extension(&path, extensions) {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(files)
    }
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .is_some_and(|found| extensions.iter().any(|wanted| found == *wanted))
}
