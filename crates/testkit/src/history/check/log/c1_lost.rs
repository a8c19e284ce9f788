//! C1: each acknowledged write has exactly one change in the log, at its sequence.

use crate::history::check::facts::{Acknowledged, Facts, Operation};
use crate::history::model::{AttemptedWrite, LoggedCommit};
use crate::history::record::WriteKind;
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    for operation in &facts.operations {
        let Some(acknowledged) = operation.acknowledged else {
            continue;
        };
        match facts.commit_of(operation.op) {
            // At another sequence: C3 has a word on it.
            Some(commit) if commit.seq != acknowledged.seq => {}
            Some(commit) => check_writes(facts, operation, commit, report),
            None if facts.is_kept(acknowledged.seq) => lost(facts, operation, acknowledged, report),
            None => {}
        }
    }
}

fn lost(facts: &Facts<'_>, operation: &Operation<'_>, known: Acknowledged, report: &mut Report) {
    let sentence = format!(
        "commit {} was acknowledged at {}, and the log, which ends at {}, does not have it",
        facts.text(operation.op),
        known.seq,
        facts.history.dump.head
    );
    report.add(Rule::C1, &[known.place], sentence);
}

fn check_writes(
    facts: &Facts<'_>,
    operation: &Operation<'_>,
    commit: &LoggedCommit,
    report: &mut Report,
) {
    for write in operation.writes {
        let path = write.document.path;
        let changes = commit.changes.iter().filter(|c| c.document.path == path);
        let changes: Vec<_> = changes.collect();
        let fault = match changes.as_slice() {
            [change] if is_of(write, change.new.as_ref().map(|image| image.hash)) => continue,
            [_other] => "has another content in the log".to_owned(),
            found => format!("has {} changes in the log", found.len()),
        };
        let sentence = format!(
            "commit {} was acknowledged at {}, and its write of {} {fault}",
            facts.text(operation.op),
            commit.seq,
            facts.text(path)
        );
        report.add(Rule::C1, &[operation.place, commit.place], sentence);
    }
}

/// Whether the log has after a write what was written.
pub(super) fn is_of(write: &AttemptedWrite, after: Option<crate::history::DocumentHash>) -> bool {
    match (write.kind, after) {
        (WriteKind::Delete, after) => after.is_none(),
        (_, Some(after)) => write.hash.is_none_or(|hash| hash == after),
        (_, None) => false,
    }
}
