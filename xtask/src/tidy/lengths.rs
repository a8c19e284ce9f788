//! A file that no longer fits into a reader's head is split.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;
use crate::repository::Repository;

const LINES_MAX: usize = 600;
const EXTENSIONS: &[&str] = &["rs", "md", "proto", "py", "mjs", "sh", "toml"];

pub(super) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in repository.files(EXTENSIONS)? {
        if is_generated(&path) {
            continue;
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let lines = text.lines().count();
        if lines > LINES_MAX {
            let what = format!("{lines} lines, {LINES_MAX} at most: split it");
            findings.push(Finding::in_file(repository, &path, what));
        }
    }
    Ok(findings)
}

pub(super) fn is_generated(path: &Path) -> bool {
    path.components()
        .any(|component| component.as_os_str() == "generated")
}
