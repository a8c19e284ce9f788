//! C5: each change's image before is the image after the change before it, and all of them add up
//! to the state. (Snapshots and queries at their sequence: in [`super::super::view`].)

use std::collections::HashMap;

use crate::history::check::facts::Facts;
use crate::history::model::{Held, Image, LoggedChange, LoggedCommit, Name, Place};
use crate::history::verdict::{Report, Rule};

/// A document as the log leaves it: absent, or what and since when.
type Fold = HashMap<Name, (Option<Held>, Place)>;

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    let mut fold = Fold::new();
    for commit in &facts.history.commits {
        for change in &commit.changes {
            step(facts, &mut fold, (commit, change), report);
        }
    }
    check_state(facts, &mut fold, report);
    let mut left: Vec<_> = fold
        .into_iter()
        .filter(|(_, (held, _))| held.is_some())
        .collect();
    left.sort_unstable_by_key(|(_, (_, place))| *place);
    for (path, (_, place)) in left {
        let path = facts.text(path);
        let sentence = format!("{path} is there by the log, and not in the state");
        report.add(Rule::C5, &[place], sentence);
    }
}

fn step(
    facts: &Facts<'_>,
    fold: &mut Fold,
    (commit, change): (&LoggedCommit, &LoggedChange),
    report: &mut Report,
) {
    let before = held(change.prev_version, change.old.as_ref());
    let after = held(commit.seq, change.new.as_ref());
    let path = change.document.path;
    let previous = fold.insert(path, (after, commit.place));
    // Where the log begins later than the database, its first image before is taken as it is.
    let is_first = previous.is_none() && facts.history.dump.oldest > 1;
    let (expected, place) = previous.unwrap_or((None, commit.place));
    if expected != before && !is_first {
        let sentence = format!(
            "{} was {} before commit {}, which has {}",
            facts.text(path),
            in_words(expected),
            commit.seq,
            in_words(before)
        );
        report.add(Rule::C5, &[commit.place, place], sentence);
    }
}

fn check_state(facts: &Facts<'_>, fold: &mut Fold, report: &mut Report) {
    let oldest = facts.history.dump.oldest;
    for state in &facts.history.states {
        let path = facts.text(state.document.path);
        let hash = state.image.hash;
        let version = state.version;
        let found = Some(Held { version, hash });
        match fold.remove(&state.document.path) {
            Some((expected, _)) if expected == found => {}
            Some((expected, place)) => {
                let (found, expected) = (in_words(found), in_words(expected));
                let sentence = format!("{path} is {found} in the state, and {expected} by the log");
                report.add(Rule::C5, &[state.place, place], sentence);
            }
            None if version < oldest => {}
            None => {
                let sentence = format!("{path} is in the state, and the log has never written it");
                report.add(Rule::C5, &[state.place], sentence);
            }
        }
    }
}

fn held(version: u64, image: Option<&Image>) -> Option<Held> {
    let hash = image?.hash;
    Some(Held { version, hash })
}

fn in_words(held: Option<Held>) -> String {
    held.map_or_else(
        || "absent".to_owned(),
        |held| format!("at version {} ({})", held.version, held.hash),
    )
}
