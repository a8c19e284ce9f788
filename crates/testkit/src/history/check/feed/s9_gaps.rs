//! S9: a gap is declared, never silent; and, of S4, none is declared where there is none: within
//! retention a token works.

use super::session::{Placement, Session, Start};
use crate::history::check::facts::Facts;
use crate::history::model::{Got, Name, Received};
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
            | Got::Ended { expired: true } => {
                let pin = pin(facts, session, received);
                let is_withheld = facts.is_withheld(collection(facts, session), *position, pin);
                position + 1 >= facts.history.dump.kept && !is_withheld
            }
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

fn collection(facts: &Facts<'_>, session: &Session<'_>) -> Name {
    let view = facts.history.views.get(session.opened.view);
    view.map_or(Name::MAX, |view| view.collection)
}

/// What was visible when a session started over: what it was pinned at, if it began so. Later it is
/// not known.
fn pin(facts: &Facts<'_>, session: &Session<'_>, received: &Received) -> u64 {
    let first = session.events.first().map(|(first, _)| first.idx);
    let is_first = first == Some(received.idx) && session.opened.how == How::Snapshot;
    if is_first {
        session.opened.seq
    } else {
        facts.history.dump.head
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
            let oldest = facts.history.dump.kept;
            let is_floor = facts.is_floor(collection(facts, session), seq);
            (seq >= oldest && !is_floor).then(|| {
                let fault = format!("begins after {seq}, and the log with {oldest}");
                (Rule::S9, fault)
            })
        }
        _ => None,
    }
}
