//! Marks that say "later": what is not done belongs into an issue, not into the source.

use std::fs;

use anyhow::{Context, Result};

use super::Finding;
use super::lengths::is_generated;
use crate::repository::Repository;

// Split, so that this file does not find itself.
const MARKS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];
const EXTENSIONS: &[&str] = &[
    "rs", "md", "proto", "py", "mjs", "sh", "toml", "yaml", "yml",
];

pub(super) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in repository.files(EXTENSIONS)? {
        if is_generated(&path) {
            continue;
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        for (index, line) in text.lines().enumerate() {
            if let Some(mark) = mark_in(line) {
                findings.push(Finding::in_line(
                    repository,
                    &path,
                    index,
                    format!("a {mark}"),
                ));
            }
        }
    }
    Ok(findings)
}

/// A mark that stands alone, not as a part of a longer word.
fn mark_in(line: &str) -> Option<&'static str> {
    let words = || line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    MARKS
        .iter()
        .copied()
        .find(|mark| words().any(|word| word == *mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_only_as_a_word() {
        assert_eq!(
            mark_in(concat!("// TO", "DO: later")),
            Some(concat!("TO", "DO"))
        );
        assert_eq!(mark_in(concat!("TO", "DOS and prefix_", "FIX", "ME")), None);
    }
}
