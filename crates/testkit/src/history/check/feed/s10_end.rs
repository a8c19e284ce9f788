//! S10: who follows to the end is sent all that there was when it asked last.

use super::net::net;
use super::session::Session;
use crate::history::check::facts::Facts;
use crate::history::check::view::{Shown, ViewChange, ViewLog};
use crate::history::model::Got;
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, session: &Session<'_>, view: &ViewLog, report: &mut Report) {
    let mut events = session.events.iter();
    let Some((drained, _)) = events.find(|(event, _)| matches!(event.got, Got::Drained)) else {
        return;
    };
    let name = facts.text(session.feed.name);
    let asked = session.opened.t_inv.unwrap_or(session.first.t_recv);
    let known = facts.acknowledged_before(asked);
    let Some(stretch) = session.stretches.last() else {
        let sentence = format!("{name} has come to the end inside a snapshot");
        report.add(Rule::S10, &[drained.place], sentence);
        return;
    };
    let rest = view.between(stretch.to, known);
    let first: Option<ViewChange> = if session.opened.conflate {
        net(rest).into_values().min_by_key(|change| change.seq)
    } else {
        rest.iter()
            .find(|change| change.shown == Shown::Sent)
            .copied()
    };
    if let Some(first) = first {
        let sentence = format!(
            "{name} has followed to the end, which is {} for it, and was not sent the change of {} at {}",
            stretch.to,
            facts.text(first.path),
            first.seq
        );
        report.add(Rule::S10, &[drained.place, first.place], sentence);
    }
}
