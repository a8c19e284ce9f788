//! The checker. Each rule is a file; all of it is sorting, and merging what is sorted: near-linear
//! in the number of records, and for views also in the changes of their collection.

mod consumers;
mod facts;
mod feed;
mod log;
mod view;

use facts::Facts;

use super::load::InputError;
use super::model::{Got, History};
use super::record::Outcome;
use super::verdict::{Report, Summary};

/// Holds a history against everything that is promised.
///
/// # Errors
/// If a subscription filters or selects in a collection whose documents the dump does not have.
pub fn check(history: &History) -> Result<Report, InputError> {
    let facts = Facts::new(history);
    let views = view::evaluate(history)?;
    let mut report = Report::default();
    log::check(&facts, &mut report);
    let mut claims = log::c7_reads::claims(&facts, &mut report);
    let sessions = feed::check(&facts, &views, &mut claims, &mut report);
    let of_consumers = consumers::check(&facts, &views, &mut report);
    report.summary = summary(history, sessions + of_consumers.sessions);
    report.summary.repeats = of_consumers.repeats;
    report.summary.snapshots = u64::try_from(claims.len()).unwrap_or(u64::MAX);
    view::check_claims(history, &views, claims, &mut report);
    report
        .verdicts
        .sort_by_key(|verdict| (verdict.rule, verdict.records.first().copied()));
    Ok(report)
}

fn summary(history: &History, sessions: u64) -> Summary {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let outcomes = |outcome: Outcome| {
        let attempts = history.attempts.iter();
        count(
            attempts
                .filter(|attempt| attempt.outcome == outcome)
                .count(),
        )
    };
    let receptions = history.feeds.iter().flat_map(|feed| &feed.receptions);
    let changes = receptions.filter_map(|r| match &r.got {
        Got::Change(seen) => Some(seen),
        _ => None,
    });
    let conflated = changes
        .clone()
        .filter(|seen| seen.conflated && seen.last_of_commit);
    let acks = history.acks.iter().filter(|ack| ack.outcome == Outcome::Ok);
    Summary {
        records: history.records,
        acknowledged: outcomes(Outcome::Ok),
        refused: outcomes(Outcome::Fail),
        unknown: outcomes(Outcome::Unknown),
        commits: count(history.commits.len()),
        subscriptions: count(history.feeds.len()),
        sessions,
        changes: count(changes.count()),
        conflated: count(conflated.count()),
        acks: count(acks.count()),
        repeats: 0,
        snapshots: 0,
        reads: count(history.reads.len()),
        faults: count(history.faults.len()),
    }
}
