//! S5: a quiet subscription gets a checkpoint at least as often as it asked for, so that its token
//! does not age out.

use super::session::Session;
use crate::history::check::facts::Facts;
use crate::history::model::Got;
use crate::history::verdict::{Report, Rule};

/// What a busy machine may add.
const GRACE_NS: u64 = 5_000_000_000;

pub(super) fn check(facts: &Facts<'_>, session: &Session<'_>, report: &mut Report) {
    let Some(interval_ms) = session.opened.checkpoint_interval_ms else {
        return;
    };
    let longest = interval_ms
        .saturating_mul(1_000_000)
        .saturating_add(GRACE_NS);
    let mut before = session.first;
    for (received, _) in &session.events {
        let quiet = received.t_recv - before.t_recv;
        // A poll's pages come when they are asked for; others are the client's own doing.
        let is_asked_for = matches!(received.got, Got::Page | Got::Left { .. } | Got::Drained);
        if quiet > longest && !is_asked_for {
            let sentence = format!(
                "{} heard nothing for {} ms, though it asked for a checkpoint every {interval_ms} ms",
                facts.text(session.feed.name),
                quiet / 1_000_000
            );
            report.add(Rule::S5, &[before.place, received.place], sentence);
        }
        before = received;
    }
}
