//! S9: a gap is declared, never silent; and, of S4, none is declared where there is none: within
//! retention a token works.

use super::session::{Placement, Session, Start};
use crate::history::check::facts::Facts;
use crate::history::model::Got;
use crate::history::record::{How, Origin, ResetReason};
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, session: &Session<'_>, report: &mut Report) {
    let starts_over = session.events.first().is_some_and(|(received, _)| {
        matches!(
            received.got,
            Got::Reset { .. } | Got::Ended { expired: true }
        )
    });
    if !starts_over && let Some((rule, fault)) = start(facts, session) {
        let sentence = format!("{} {fault}", facts.text(session.feed.name));
        report.add(rule, &[session.first.place], sentence);
    }
    for (received, placement) in &session.events {
        let Placement::StartsOver(Some(position)) = placement else {
            continue;
        };
        let is_needless = match received.got {
            Got::Reset {
                reason: ResetReason::Retention,
                ..
            }
            | Got::Ended { expired: true } => facts.is_kept(position + 1),
            Got::Reset {
                reason: ResetReason::Epoch,
                ..
            } => {
                let mut restores = facts.history.faults.iter();
                !restores.any(|x| &*x.fault == "restore" && x.t <= received.t_recv)
            }
            _ => false,
        };
        if is_needless && session.start != Start::Foreign {
            let name = facts.text(session.feed.name);
            let sentence =
                format!("{name} had to start over at {position}, and the log has all after it");
            report.add(Rule::S4, &[received.place, session.first.place], sentence);
        }
    }
}

fn start(facts: &Facts<'_>, session: &Session<'_>) -> Option<(Rule, String)> {
    let (seq, how) = (session.opened.seq, session.opened.how);
    let is_over = session.events.is_empty();
    match session.start {
        Start::Foreign if !is_over => Some((
            Rule::S9,
            "goes on after a token of another history".to_owned(),
        )),
        Start::Position(position) | Start::AtLeast(position) if how == How::Snapshot => (!is_over)
            .then(|| {
                let fault = "is sent a snapshot, and was not told that its token is of no use";
                (Rule::S9, format!("{fault}, {position}"))
            }),
        Start::Position(position) if seq > position => Some((
            Rule::S9,
            format!("resumes after {seq}, with a token of {position}"),
        )),
        Start::Position(position) | Start::AtLeast(position) if seq < position => Some((
            Rule::S4,
            format!("resumes after {seq}, with a token of {position}"),
        )),
        Start::Fresh if session.opened.from == Origin::Beginning => {
            // The oldest kept then was not after the oldest kept now.
            let oldest = facts.history.dump.oldest;
            (seq >= oldest).then(|| {
                let fault = format!("begins after {seq}, and the log with {oldest}");
                (Rule::S9, fault)
            })
        }
        _ => None,
    }
}
