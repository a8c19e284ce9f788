//! F1 (a document's newest state) and F2 (never an older one after a newer), of conflated feeds; and,
//! as they are of what commits come to: S1 (in the order of versions), S2 (no state twice), S3, S4
//! (nothing missing), S7 and S8 (what the log says).

use std::collections::HashMap;

use super::s8_content;
use super::session::{Seam, Session, Stretch};
use crate::history::check::facts::Facts;
use crate::history::check::view::{Shown, ViewChange, ViewLog};
use crate::history::model::{Name, Received, Seen};
use crate::history::record::Op;
use crate::history::verdict::{Report, Rule};

/// What the changes of a view come to, by document; those that came and went are not there.
pub(super) fn net(changes: &[ViewChange]) -> HashMap<Name, ViewChange> {
    let mut net = joined(changes);
    net.retain(|_, change| change.old.is_some() || change.new.is_some());
    net
}

/// The same with those that came and went, as if they had only gone.
fn joined(changes: &[ViewChange]) -> HashMap<Name, ViewChange> {
    let mut net: HashMap<Name, ViewChange> = HashMap::new();
    for change in changes.iter().filter(|c| c.shown == Shown::Sent) {
        let first = net.get(&change.path).map_or(change.old, |first| first.old);
        let joined = ViewChange {
            old: first,
            ..*change
        };
        net.insert(change.path, joined);
    }
    for change in net.values_mut() {
        change.op = match (change.old, change.new) {
            (None, Some(_)) => Op::Insert,
            (Some(_), Some(_)) => Op::Update,
            (_, None) => Op::Delete,
        };
    }
    net
}

pub(super) fn check(facts: &Facts<'_>, session: &Session<'_>, view: &ViewLog, report: &mut Report) {
    for stretch in &session.stretches {
        let mut pass = Pass {
            facts,
            session,
            view,
            stretch,
            from: stretch.from,
            newest: HashMap::new(),
        };
        let mut changes = &stretch.changes[..];
        let mut checkpoints = stretch.checkpoints.iter().peekable();
        while let Some((first, _)) = changes.first() {
            let done = stretch.changes.len() - changes.len();
            while let Some((_, seq, received)) = checkpoints.next_if(|(before, ..)| *before <= done)
            {
                pass.missing(&pass.expected(*seq), received, report);
            }
            let count = changes.iter().take_while(|(seen, _)| seen.seq == first.seq);
            let (commit, rest) = changes.split_at(count.count());
            // Where it is before that, another rule has told.
            if first.seq > pass.from {
                pass.commit(commit, report);
            }
            changes = rest;
        }
        pass.missing(&pass.expected(stretch.to), stretch.last, report);
    }
}

/// Through a stretch, from commit to commit.
struct Pass<'s, 'h> {
    facts: &'s Facts<'h>,
    session: &'s Session<'h>,
    view: &'s ViewLog,
    stretch: &'s Stretch<'h>,
    /// What is sent next comes to what has happened after this.
    from: u64,
    /// The newest version of each document that was sent.
    newest: HashMap<Name, u64>,
}

type Change<'h> = (Seen, &'h Received);

impl<'h> Pass<'_, 'h> {
    /// What leads from where it is to `seq`.
    fn expected(&self, seq: u64) -> HashMap<Name, ViewChange> {
        let changes = self.view.between(self.from, seq);
        if self.is_known() {
            net(changes)
        } else {
            // What came and went may have come, or gone, before what the log keeps.
            joined(changes)
        }
    }

    /// Whether the log has all that has happened after where it is.
    fn is_known(&self) -> bool {
        self.facts.is_kept(self.from + 1)
    }

    fn commit(&mut self, commit: &[Change<'h>], report: &mut Report) {
        let Some((last, received)) = commit.last() else {
            return;
        };
        let seq = last.seq;
        let expected = self.expected(seq);
        let mut version = 0;
        for (seen, received) in commit {
            if seen.version < version {
                let fault = "before one of an earlier version in its commit";
                self.tell(Rule::S1, (seen, received), fault, report);
            }
            version = seen.version;
            self.change((seen, received), &expected, report);
            self.newest.insert(seen.path, seen.version);
        }
        if commit.iter().any(|(seen, _)| seen.last_of_commit) {
            let mut missing = expected;
            for (seen, _) in commit {
                missing.remove(&seen.path);
            }
            if !last.conflated {
                // It stands for itself alone.
                missing.extend(self.expected(seq - 1));
            }
            self.missing(&missing, received, report);
            self.from = seq;
        }
    }

    fn change(
        &self,
        (seen, received): (&Seen, &Received),
        expected: &HashMap<Name, ViewChange>,
        report: &mut Report,
    ) {
        let told = (seen, received);
        let is_older = self
            .newest
            .get(&seen.path)
            .map(|sent| (seen.version < *sent, *sent));
        match (expected.get(&seen.path), is_older) {
            (_, Some((true, _))) => {
                self.tell(Rule::F2, told, "after a newer one", report);
            }
            (_, Some((false, sent))) if seen.version == sent => {
                self.tell(Rule::S2, told, "again", report);
            }
            _ if !self.facts.is_kept(seen.version) => {}
            (Some(is), _) if is.seq == seen.version => {
                let knows = (self.is_known(), self.session.opened.old);
                if let Some(fault) = difference(seen, is, knows) {
                    self.tell(Rule::S8, told, fault, report);
                }
            }
            _ if self.view.find(seen.version, seen.path).is_none() => {
                let state = Seen {
                    seq: seen.version,
                    ..*seen
                };
                let feed = self.session.feed.name;
                s8_content::unexpected(self.facts, feed, (&state, received), report);
            }
            (Some(is), _) => {
                let fault = format!("which is not its newest state: that is of {}", is.seq);
                self.tell(Rule::F1, told, &fault, report);
            }
            (None, _) if seen.version > seen.seq => {
                self.tell(Rule::F1, told, "which is later than its commit", report);
            }
            (None, _) if seen.version <= self.from => {
                let fault = "which was over before what it was sent last";
                self.tell(Rule::F2, told, fault, report);
            }
            (None, _) => {
                let fault = "though it came and went again meanwhile";
                self.tell(Rule::S8, told, fault, report);
            }
        }
    }

    fn tell(
        &self,
        rule: Rule,
        (seen, received): (&Seen, &Received),
        fault: &str,
        report: &mut Report,
    ) {
        let sentence = format!(
            "{} received, by {}, the state of {} at {}, {fault}",
            self.facts.text(self.session.feed.name),
            seen.seq,
            self.facts.text(seen.path),
            seen.version
        );
        let records = [received.place, self.session.first.place];
        report.add(rule, &records, sentence);
    }

    fn missing(&self, missing: &HashMap<Name, ViewChange>, by: &Received, report: &mut Report) {
        let certain = missing
            .values()
            .filter(|c| c.new.is_some() || self.is_known());
        let Some(first) = certain.clone().min_by_key(|c| (c.seq, c.path)) else {
            return;
        };
        let mut sent = self.stretch.changes.iter().map(|(seen, _)| seen.version);
        let at_seam = self.stretch.seam != Seam::None && sent.all(|version| version > first.seq);
        let sentence = format!(
            "{} was not sent the newest states of {} documents, the first that of {} at {}{}",
            self.facts.text(self.session.feed.name),
            certain.count(),
            self.facts.text(first.path),
            first.seq,
            if at_seam {
                ", right after where it began"
            } else {
                ""
            }
        );
        let rule = if at_seam { Rule::S4 } else { Rule::S3 };
        report.add(rule, &[by.place, first.place], sentence);
    }
}

fn difference(
    seen: &Seen,
    is: &ViewChange,
    (knows_before, wants_old): (bool, bool),
) -> Option<&'static str> {
    if seen.new != is.new {
        return Some("with another content than the log has");
    }
    if !knows_before {
        return None;
    }
    if seen.op != is.op {
        return Some("with another effect than what has happened comes to");
    }
    let old = is.old.filter(|_| wants_old);
    (seen.old != old).then_some("with another document before than the client was left with")
}
