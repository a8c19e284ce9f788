//! C4: what was acknowledged before another commit was sent is before it in the order.

use crate::history::check::facts::{Acknowledged, Facts};
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    let mut sent: Vec<_> = facts
        .operations
        .iter()
        .filter_map(|operation| {
            let logged = || Some(facts.commit_of(operation.op)?.seq);
            let seq = operation
                .acknowledged
                .map(|known| known.seq)
                .or_else(logged)?;
            Some((operation.t_inv, seq, operation))
        })
        .collect();
    sent.sort_by_key(|(t_inv, ..)| *t_inv);
    let mut returned: Vec<_> = facts
        .operations
        .iter()
        .filter_map(|o| o.acknowledged)
        .collect();
    returned.sort_by_key(|known| known.t_ret);
    let mut returned = returned.into_iter().peekable();
    let mut highest: Option<Acknowledged> = None;
    for (t_inv, seq, operation) in sent {
        while let Some(known) = returned.next_if(|known| known.t_ret < t_inv) {
            if highest.is_none_or(|highest| highest.seq < known.seq) {
                highest = Some(known);
            }
        }
        // An acknowledgement of the same sequence is C3's.
        if let Some(before) = highest.filter(|highest| highest.seq > seq) {
            let sentence = format!(
                "commit {} has sequence {seq}, and {} was acknowledged {} ns before it was sent",
                facts.text(operation.op),
                before.seq,
                t_inv - before.t_ret
            );
            report.add(Rule::C4, &[before.place, operation.place], sentence);
        }
    }
}
