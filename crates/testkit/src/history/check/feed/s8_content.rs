//! S8: a change is the same on every transport: what the log says that it is to the view. One that
//! the log does not have at all is S7's.

use std::collections::HashMap;

use super::session::Session;
use crate::history::DocumentHash;
use crate::history::check::facts::Facts;
use crate::history::check::view::{ViewChange, ViewLog};
use crate::history::model::{Name, Opened, Place, Received, Seen};
use crate::history::record::Op;
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, session: &Session<'_>, view: &ViewLog, report: &mut Report) {
    for (seen, received) in session.stretches.iter().flat_map(|s| &s.changes) {
        if !facts.is_kept(seen.seq) {
            continue;
        }
        let Some(change) = view.find(seen.seq, seen.path) else {
            unexpected(facts, session.feed.name, (seen, received), report);
            continue;
        };
        if let Some(fault) = difference(session.opened, seen, change) {
            let sentence = format!(
                "{} received the change of {} at {} with {fault}",
                facts.text(session.feed.name),
                facts.text(seen.path),
                seen.seq
            );
            report.add(Rule::S8, &[received.place, change.place], sentence);
        }
    }
}

pub(in crate::history::check) fn unexpected(
    facts: &Facts<'_>,
    feed: Name,
    (seen, received): (&Seen, &Received),
    report: &mut Report,
) {
    let commit = facts.commit_at(seen.seq);
    let mut changes = commit.iter().flat_map(|commit| &commit.changes);
    let is_logged = changes.any(|change| change.document.path == seen.path);
    let (rule, fault) = if is_logged {
        (Rule::S8, "which its view does not show")
    } else {
        (Rule::S7, "which the log does not have")
    };
    let name = facts.text(feed);
    let (path, seq) = (facts.text(seen.path), seen.seq);
    let sentence = format!("{name} received a change of {path} at {seq}, {fault}");
    report.add(rule, &[received.place], sentence);
}

/// How a change differs from what it is to the view.
pub(in crate::history::check) fn difference(
    opened: &Opened,
    seen: &Seen,
    change: &ViewChange,
) -> Option<&'static str> {
    if seen.version != seen.seq || seen.conflated {
        return Some("another version than its commit's");
    }
    if seen.op != change.op {
        return Some("another effect on its view than the log says");
    }
    if seen.new != change.new {
        return Some("another content than the log has");
    }
    let old = opened.old.then_some(change.old).flatten();
    (seen.old != old).then_some("another document before than the log has")
}

/// Changes that the log does not keep any more: all who received them agree.
#[derive(Default)]
pub(super) struct Unkept(HashMap<(usize, u64, Name), (Content, Place)>);

type Content = (Op, Option<DocumentHash>);

impl Unkept {
    pub(super) fn check(&mut self, facts: &Facts<'_>, session: &Session<'_>, report: &mut Report) {
        for (seen, received) in session.stretches.iter().flat_map(|s| &s.changes) {
            if facts.is_kept(seen.seq) {
                continue;
            }
            let key = (session.opened.view, seen.seq, seen.path);
            let content = (seen.op, seen.new);
            let (first, place) = *self.0.entry(key).or_insert((content, received.place));
            if first != content {
                let sentence = format!(
                    "the change of {} at {} was received with two contents",
                    facts.text(seen.path),
                    seen.seq
                );
                report.add(Rule::S8, &[received.place, place], sentence);
            }
        }
    }
}
