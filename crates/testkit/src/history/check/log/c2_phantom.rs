//! C2: each change in the log comes from a write that was acknowledged or of unknown outcome. (And
//! of S6, where nobody was told the outcome: what is in the log of a commit is all of it.)

use super::c1_lost::is_of;
use crate::history::check::facts::{Facts, Operation};
use crate::history::model::LoggedCommit;
use crate::history::record::Outcome;
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    for commit in &facts.history.commits {
        let operation = commit.op.and_then(|op| facts.operation(op));
        let Some(operation) = operation else {
            if facts.is_own(commit) {
                continue;
            }
            let sentence = format!("commit {} of the log was asked for by nobody", commit.seq);
            report.add(Rule::C2, &[commit.place], sentence);
            continue;
        };
        if operation.outcome == Outcome::Fail {
            let name = facts.text(operation.op);
            let sentence = format!(
                "commit {name} was refused, and is in the log at {}",
                commit.seq
            );
            report.add(Rule::C2, &[operation.place, commit.place], sentence);
            continue;
        }
        check_changes(facts, operation, commit, report);
        if operation.outcome == Outcome::Unknown {
            check_whole(facts, operation, commit, report);
        }
    }
}

fn check_changes(
    facts: &Facts<'_>,
    operation: &Operation<'_>,
    commit: &LoggedCommit,
    report: &mut Report,
) {
    for change in &commit.changes {
        let path = change.document.path;
        let after = change.new.as_ref().map(|image| image.hash);
        let write = operation.writes.iter().find(|w| w.document.path == path);
        let fault = match write {
            None => "did not write it",
            // For acknowledged ones C1 says so.
            Some(write) if operation.outcome == Outcome::Unknown && !is_of(write, after) => {
                "wrote something else"
            }
            Some(_) => continue,
        };
        let sentence = format!(
            "{} changes in the log at {}, and commit {} {fault}",
            facts.text(path),
            commit.seq,
            facts.text(operation.op)
        );
        report.add(Rule::C2, &[commit.place, operation.place], sentence);
    }
}

fn check_whole(
    facts: &Facts<'_>,
    operation: &Operation<'_>,
    commit: &LoggedCommit,
    report: &mut Report,
) {
    let is_there = |path| commit.changes.iter().any(|c| c.document.path == path);
    let missing = operation
        .writes
        .iter()
        .filter(|w| !is_there(w.document.path))
        .count();
    if missing > 0 {
        let sentence = format!(
            "commit {} is in the log at {} without {missing} of its {} writes",
            facts.text(operation.op),
            commit.seq,
            operation.writes.len()
        );
        report.add(Rule::S6, &[operation.place, commit.place], sentence);
    }
}
