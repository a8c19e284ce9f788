//! Links between the documents of the repository lead somewhere.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;
use crate::repository::Repository;

pub(super) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in repository.files(&["md"])? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        for (index, target) in targets(&text) {
            if let Some(what) = broken(&path, &text, target) {
                findings.push(Finding::in_line(repository, &path, index, what));
            }
        }
    }
    Ok(findings)
}

/// Every `](target)`, `src="target"` and `href="target"` outside code, with its line's index.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_fence = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence || line.starts_with("    ") {
            continue;
        }
        for (open, close) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            let parts = line.split(open).skip(1);
            found.extend(parts.filter_map(|rest| Some((index, rest.split_once(close)?.0))));
        }
    }
    found
}

/// Why a target of a link in `path`, whose text is `text`, leads nowhere.
fn broken(path: &Path, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    if file.is_empty() {
        return missing_anchor(text, anchor).then(|| format!("no heading for #{anchor}"));
    }
    let there = path.parent()?.join(file);
    if !there.exists() {
        return Some(format!("a link to {file}, which is not there"));
    }
    if anchor.is_empty() || there.extension().is_none_or(|extension| extension != "md") {
        return None;
    }
    let other = fs::read_to_string(&there).ok()?;
    missing_anchor(&other, anchor).then(|| format!("{file} has no heading for #{anchor}"))
}

fn missing_anchor(text: &str, anchor: &str) -> bool {
    let is_heading = |line: &&str| line.starts_with('#');
    !text
        .lines()
        .filter(is_heading)
        .any(|line| slug(line) == anchor)
}

/// A heading's anchor, as renderers of Markdown make it.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# The picture, drawn\nSee [here](#the-picture-drawn).\n\
                        ```\n[code](nowhere.md)\n```\n<img src=\"lost.svg\">\n";

    #[test]
    fn targets_are_found_outside_code() {
        assert_eq!(targets(TEXT), [(1, "#the-picture-drawn"), (5, "lost.svg")]);
    }

    #[test]
    fn a_heading_answers_to_its_anchor_only() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("absent.md");
        assert_eq!(broken(&path, TEXT, "#the-picture-drawn"), None);
        assert!(broken(&path, TEXT, "#the-picture").is_some());
    }

    #[test]
    fn a_missing_file_is_found_and_a_web_page_is_not_visited() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("absent.md");
        assert!(broken(&path, TEXT, "lost.svg").is_some());
        assert_eq!(broken(&path, TEXT, "Cargo.toml"), None);
        assert_eq!(broken(&path, TEXT, "https://example.com/x"), None);
    }
}
