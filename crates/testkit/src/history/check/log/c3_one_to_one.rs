//! C3: commits and sequences belong to each other one to one, and no sequence is left out.

use std::collections::HashMap;

use crate::history::check::facts::Facts;
use crate::history::model::{Name, Place};
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    let taken = acknowledged(facts, report);
    logged_twice(facts, report);
    without_holes(facts, &taken, report);
}

/// No name was acknowledged at two sequences, no sequence for two names, and the log agrees.
/// Returns who was told which sequence.
fn acknowledged(facts: &Facts<'_>, report: &mut Report) -> HashMap<u64, (Name, Place)> {
    let mut taken: HashMap<u64, (Name, Place)> = HashMap::new();
    let mut told: HashMap<Name, (u64, Place)> = HashMap::new();
    for attempt in &facts.history.attempts {
        let (Some(seq), name) = (attempt.seq, facts.text(attempt.op)) else {
            continue;
        };
        let (first_seq, first) = *told.entry(attempt.op).or_insert((seq, attempt.place));
        if first_seq != seq {
            let sentence = format!("commit {name} was acknowledged at {first_seq} and at {seq}");
            report.add(Rule::C3, &[first, attempt.place], sentence);
            continue;
        }
        let (other, place) = *taken.entry(seq).or_insert((attempt.op, attempt.place));
        if other != attempt.op {
            let other = facts.text(other);
            let sentence = format!("{seq} was acknowledged to commits {other} and {name}");
            report.add(Rule::C3, &[place, attempt.place], sentence);
            continue;
        }
        let commit = facts.commit_of(attempt.op);
        if let Some(commit) = commit.filter(|commit| commit.seq != seq) {
            let at = commit.seq;
            let sentence = format!("commit {name} was acknowledged at {seq}, and is at {at}");
            report.add(Rule::C3, &[attempt.place, commit.place], sentence);
        }
    }
    taken
}

fn logged_twice(facts: &Facts<'_>, report: &mut Report) {
    for commit in &facts.history.commits {
        let Some(op) = commit.op else { continue };
        let first = facts.commit_of(op);
        if let Some(first) = first.filter(|first| first.place != commit.place) {
            let (name, at, again) = (facts.text(op), first.seq, commit.seq);
            let sentence = format!("commit {name} is in the log at {at} and at {again}");
            report.add(Rule::C3, &[first.place, commit.place], sentence);
        }
    }
}

fn without_holes(facts: &Facts<'_>, taken: &HashMap<u64, (Name, Place)>, report: &mut Report) {
    let dump = &facts.history.dump;
    let Some(place) = dump.place else { return };
    let mut expected = dump.oldest;
    for commit in &facts.history.commits {
        if commit.seq < expected || commit.seq > dump.head {
            let sentence = format!(
                "the log's commit {} is there twice, or outside of what was read ({} to {})",
                commit.seq, dump.oldest, dump.head
            );
            report.add(Rule::C3, &[place, commit.place], sentence);
            continue;
        }
        hole(taken, place, (expected, commit.seq), report);
        expected = commit.seq + 1;
    }
    hole(
        taken,
        place,
        (expected, dump.head.saturating_add(1)),
        report,
    );
}

/// Sequences from `start`, before `end`, that the log does not have. Of one that was acknowledged
/// C1 says more.
fn hole(
    taken: &HashMap<u64, (Name, Place)>,
    place: Place,
    (start, end): (u64, u64),
    report: &mut Report,
) {
    // A log without a commit of an hour would be a long list.
    let unknown = (start..end).find(|seq| !taken.contains_key(seq));
    if let Some(first) = unknown {
        let sentence = format!(
            "no commit in the log has sequence {first} ({} missing)",
            end - start
        );
        report.add(Rule::C3, &[place], sentence);
    }
}
