//! S7: nobody is told of a position that the log does not reach, or hears of a commit before it was
//! sent. (And of C7: a new view is not older than what was acknowledged before it was asked for.)

use super::session::Session;
use crate::history::check::facts::Facts;
use crate::history::model::{Got, Name, Received};
use crate::history::record::{How, Origin};
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, session: &Session<'_>, report: &mut Report) {
    let opened = session.opened;
    // The position of a time that is yet to come is after everything.
    if opened.from != Origin::Time && opened.from != Origin::Foreign {
        position(facts, session, (session.first, opened.seq), report);
    }
    for (received, _) in &session.events {
        match &received.got {
            Got::Current(seq) | Got::Checkpoint(seq) => {
                position(facts, session, (received, *seq), report);
            }
            // Whether it is in the log at all is S8's first question.
            Got::Change(seen) if seen.seq <= facts.history.dump.head => {
                position(facts, session, (received, seen.seq), report);
            }
            _ => {}
        }
    }
    let is_new = opened.how != How::Resumed;
    if let Some(t_inv) = opened.t_inv.filter(|_| is_new) {
        let known = facts.acknowledged_before(t_inv);
        if opened.seq < known {
            let name = facts.text(session.feed.name);
            let seq = opened.seq;
            let sentence =
                format!("{name} was pinned at {seq}, though {known} was acknowledged before");
            report.add(Rule::C7, &[session.first.place], sentence);
        }
    }
}

fn position(
    facts: &Facts<'_>,
    session: &Session<'_>,
    (received, seq): (&Received, u64),
    report: &mut Report,
) {
    told(facts, session.feed.name, (received, seq), report);
}

/// A subscription was told of a position.
pub(in crate::history::check) fn told(
    facts: &Facts<'_>,
    feed: Name,
    (received, seq): (&Received, u64),
    report: &mut Report,
) {
    let head = facts.history.dump.head;
    let fault = if seq > head {
        format!("the log ends at {head}")
    } else if facts.invoked_through(seq) > received.t_recv {
        "a commit up to there was sent only later".to_owned()
    } else {
        return;
    };
    let name = facts.text(feed);
    let sentence = format!("{name} was told of position {seq}, but {fault}");
    report.add(Rule::S7, &[received.place], sentence);
}
