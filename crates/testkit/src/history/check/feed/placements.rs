//! What an event's place says by itself: S1 (only rising), S2 (once), S4 (begins where it ended), S5
//! (a checkpoint after what it stands for), S6 (whole).

use super::session::{Placement, Session};
use crate::history::check::facts::Facts;
use crate::history::model::{Got, Received};
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, session: &Session<'_>, report: &mut Report) {
    for (received, placement) in &session.events {
        let Some((rule, fault)) = fault(*placement) else {
            continue;
        };
        let what = describe(facts, received);
        let sentence = format!("{} received {what} {fault}", facts.text(session.feed.name));
        report.add(rule, &[received.place, session.first.place], sentence);
    }
}

fn fault(placement: Placement) -> Option<(Rule, &'static str)> {
    Some(match placement {
        Placement::Fine | Placement::StartsOver(_) => return None,
        Placement::Late => (Rule::S1, "after a later change"),
        Placement::Fell => (Rule::S1, "though it was already further"),
        Placement::Repeated => (Rule::S2, "again"),
        Placement::BeforeStart => (Rule::S4, "though its session began after it"),
        Placement::DuringSnapshot => (Rule::S4, "before its snapshot was whole"),
        Placement::LateAfterCheckpoint => (Rule::S5, "after a checkpoint that stands for it"),
        Placement::Split => (Rule::S6, "after the end of the commit, or something else"),
        Placement::Interrupts => (Rule::S6, "before the end of the commit before it"),
    })
}

fn describe(facts: &Facts<'_>, received: &Received) -> String {
    match &received.got {
        Got::Change(seen) => format!("the change of {} at {}", facts.text(seen.path), seen.seq),
        Got::Checkpoint(seq) => format!("a checkpoint at {seq}"),
        Got::Current(seq) => format!("the end of a snapshot at {seq}"),
        _ => "something".to_owned(),
    }
}
