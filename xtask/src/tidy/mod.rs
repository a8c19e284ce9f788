//! What the compiler and clippy cannot see but the repository promises. The same checks run as
//! tests of this crate.

mod edges;
mod leftovers;
mod lengths;
mod links;
mod manifests;
mod seeded;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::repository::Repository;

/// Something to mend, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    place: String,
    what: String,
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding {
            place: place.into(),
            what: what.into(),
        }
    }

    fn in_file(repository: &Repository, path: &Path, what: impl Into<String>) -> Finding {
        Finding::new(repository.shown(path).to_string(), what)
    }

    fn in_line(
        repository: &Repository,
        path: &Path,
        line_index: usize,
        what: impl Into<String>,
    ) -> Finding {
        Finding::new(
            format!("{}:{}", repository.shown(path), line_index + 1),
            what,
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Everything that any check finds.
pub(crate) fn findings(repository: &Repository) -> Result<Vec<Finding>> {
    let mut findings = lengths::check(repository)?;
    findings.extend(edges::check(repository)?);
    findings.extend(links::check(repository)?);
    findings.extend(leftovers::check(repository)?);
    findings.extend(manifests::check(repository)?);
    findings.extend(seeded::check(repository)?);
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_nothing_found(check: fn(&Repository) -> Result<Vec<Finding>>) {
        let repository = Repository::find().expect("the repository");
        let findings = check(&repository).expect("the check runs");
        let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "\n{}\n", list.join("\n"));
    }

    #[test]
    fn no_file_is_too_long_to_read() {
        assert_nothing_found(lengths::check);
    }

    #[test]
    fn crates_depend_only_downwards() {
        assert_nothing_found(edges::check);
    }

    #[test]
    fn links_of_the_docs_lead_somewhere() {
        assert_nothing_found(links::check);
    }

    #[test]
    fn nothing_is_left_to_be_done_later() {
        assert_nothing_found(leftovers::check);
    }

    #[test]
    fn generated_code_is_what_the_protobuf_files_say() {
        let repository = Repository::find().expect("the repository");
        crate::codegen::run(&repository, crate::codegen::Mode::Check).expect("no drift");
    }

    #[test]
    fn no_build_of_the_workspace_has_bugs_put_in() {
        assert_nothing_found(seeded::check);
    }

    #[test]
    fn every_manifest_takes_lints_and_versions_from_the_workspace() {
        assert_nothing_found(manifests::check);
    }
}
