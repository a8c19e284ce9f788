//! C6: what a write demanded of its document was true just before it: `if_version`, and that an
//! insert finds nothing, an update and a delete something.

use crate::history::check::facts::Facts;
use crate::history::model::{AttemptedWrite, LoggedCommit, Name};
use crate::history::record::WriteKind;
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    for operation in &facts.operations {
        let Some(commit) = facts.commit_of(operation.op) else {
            continue;
        };
        for write in operation.writes {
            let Some(before) = version_before(facts, commit, write.document.path) else {
                continue;
            };
            if let Some(demand) = broken(write, before) {
                let sentence = format!(
                    "commit {} at {} demanded of {} {demand}, and it was {}",
                    facts.text(operation.op),
                    commit.seq,
                    facts.text(write.document.path),
                    in_words(before)
                );
                report.add(Rule::C6, &[operation.place, commit.place], sentence);
            }
        }
    }
}

/// The document's version before a commit that changes it, by the log's other commits where they
/// reach so far back.
fn version_before(facts: &Facts<'_>, commit: &LoggedCommit, path: Name) -> Option<u64> {
    let change = commit.changes.iter().find(|c| c.document.path == path)?;
    let touches = facts.touches_of(path);
    let before = touches.partition_point(|touch| touch.seq < commit.seq);
    Some(match before.checked_sub(1).map(|index| touches[index]) {
        Some(touch) if facts.touched(touch).new.is_some() => touch.seq,
        Some(_deleted) => 0,
        None => change.prev_version,
    })
}

fn broken(write: &AttemptedWrite, before: u64) -> Option<String> {
    match (write.if_version, write.kind) {
        (Some(version), _) if version != before => Some(format!("to be {}", in_words(version))),
        (_, WriteKind::Insert) if before > 0 => Some("to be absent".to_owned()),
        (_, WriteKind::Update | WriteKind::Delete) if before == 0 => Some("to exist".to_owned()),
        _ => None,
    }
}

fn in_words(version: u64) -> String {
    match version {
        0 => "absent".to_owned(),
        version => format!("at version {version}"),
    }
}
