//! The `S` rules, and the `F` rules of conflated feeds: what subscriptions were sent, against what
//! their views should have shown.

mod net;
mod placements;
mod s10_end;
mod s3_missing;
mod s5_quiet;
pub(super) mod s7_early;
pub(super) mod s8_content;
mod s9_gaps;
mod session;
mod walk;

use super::facts::Facts;
use super::view::{Claim, ViewLog};
use crate::history::verdict::Report;

/// Returns the number of sessions.
pub(super) fn check(
    facts: &Facts<'_>,
    views: &[ViewLog],
    claims: &mut Vec<Claim>,
    report: &mut Report,
) -> u64 {
    let mut count = 0;
    let mut unkept = s8_content::Unkept::default();
    for feed in &facts.history.feeds {
        if feed.consumer().is_some() {
            continue; // What it is sent depends on what others have acknowledged.
        }
        let (sessions, snapshots) = walk::walk(feed);
        claims.extend(snapshots);
        for session in &sessions {
            count += 1;
            placements::check(facts, session, report);
            s5_quiet::check(facts, session, report);
            s7_early::check(facts, session, report);
            s9_gaps::check(facts, session, report);
            let Some(view) = views.get(session.opened.view) else {
                continue;
            };
            s10_end::check(facts, session, view, report);
            if session.opened.conflate {
                net::check(facts, session, view, report);
                continue;
            }
            s3_missing::check(facts, session, view, report);
            s8_content::check(facts, session, view, report);
            unkept.check(facts, session, report);
        }
    }
    count
}
