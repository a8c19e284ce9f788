//! Each crate takes its lints, its version and its dependencies' versions from the workspace, so
//! that one place decides them.

use std::fs;

use anyhow::{Context, Result};

use super::Finding;
use crate::repository::Repository;
use crate::seeded;

/// Packages that are workspaces of their own.
const OUTSIDE: &[&str] = &["fuzz", seeded::DIRECTORY];

pub(super) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let root = repository.root().join("Cargo.toml");
    for path in repository.files(&["toml"])? {
        let is_outside = OUTSIDE
            .iter()
            .any(|dir| path.starts_with(repository.root().join(dir)));
        if path == root || !path.ends_with("Cargo.toml") || is_outside {
            continue;
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let faults = faults(&text).into_iter();
        findings.extend(faults.map(|what| Finding::in_file(repository, &path, what)));
    }
    Ok(findings)
}

fn faults(manifest: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !section(manifest, "[lints]").any(|line| line == "workspace = true") {
        faults.push("does not inherit the workspace's lints".to_owned());
    }
    for key in ["version", "edition", "license"] {
        let inherited = format!("{key}.workspace = true");
        if !section(manifest, "[package]").any(|line| line == inherited) {
            faults.push(format!("does not inherit the workspace's {key}"));
        }
    }
    for heading in [
        "[dependencies]",
        "[dev-dependencies]",
        "[build-dependencies]",
    ] {
        for line in section(manifest, heading) {
            let foreign = line.contains('=') && !line.contains("workspace = true");
            if foreign && !line.starts_with('#') {
                faults.push(format!("a version of its own: {line}"));
            }
        }
    }
    faults
}

/// The lines between a heading and the next one.
fn section<'a>(manifest: &'a str, heading: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = manifest.lines().map(str::trim);
    lines
        .skip_while(move |line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nversion.workspace = true\nedition.workspace = true\n\
                        license.workspace = true\n[lints]\nworkspace = true\n[dependencies]\n\
                        bytes.workspace = true\n";

    #[test]
    fn a_manifest_that_inherits_has_no_fault() {
        assert_eq!(faults(GOOD), [""; 0]);
    }

    #[test]
    fn forgotten_lints_are_found() {
        assert_eq!(faults(&GOOD.replace("[lints]", "[other]")).len(), 1);
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        let manifest = GOOD.replace("bytes.workspace = true", "bytes = \"1\"");
        assert_eq!(faults(&manifest), ["a version of its own: bytes = \"1\""]);
    }
}
