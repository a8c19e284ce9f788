//! A2, of a consumer's position: everything through it is acknowledged. And, of S7, the log reaches it.

use std::collections::HashMap;

use super::Consumer;
use super::acks::Acked;
use crate::history::check::facts::Facts;
use crate::history::check::view::Shown;
use crate::history::model::{Name, Position};
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, consumer: &Consumer<'_>, report: &mut Report) {
    let positions = facts.history.positions.iter();
    let mut positions: Vec<&Position> = positions
        .filter(|of| of.consumer == consumer.name)
        .collect();
    positions.sort_by_key(|position| position.seq);
    let mut changes = consumer
        .view
        .between(consumer.start, u64::MAX)
        .iter()
        .peekable();
    let acked = acked(consumer);
    let name = facts.text(consumer.name);
    // Of the changes so far, the one that was acknowledged last.
    let mut latest = (0, None);
    for position in positions {
        if position.seq > facts.history.dump.head {
            let sentence = format!(
                "the consumer {name} was at {}, beyond the log",
                position.seq
            );
            report.add(Rule::S7, &[position.place], sentence);
        }
        while let Some(change) = changes.next_if(|change| change.seq <= position.seq) {
            if change.shown != Shown::Sent {
                continue;
            }
            let since = acked
                .get(&(change.path, change.seq))
                .map_or(u64::MAX, |of| of.may);
            if since >= latest.0 {
                latest = (since, Some(change));
            }
        }
        let (since, Some(change)) = latest else {
            continue;
        };
        if since >= position.t_ret {
            let sentence = format!(
                "the consumer {name} was at {}, and the change of {} at {} was not acknowledged",
                position.seq,
                facts.text(change.path),
                change.seq
            );
            report.add(Rule::A2, &[position.place, change.place], sentence);
        }
    }
}

fn acked(consumer: &Consumer<'_>) -> HashMap<(Name, u64), Acked> {
    let mut acked: HashMap<(Name, u64), Acked> = HashMap::new();
    for delivery in &consumer.taken.deliveries {
        let share = &consumer.taken.shares[delivery.share];
        let since = share.acks.of(delivery.received.idx);
        let known = acked
            .entry((delivery.seen.path, delivery.seen.seq))
            .or_insert(Acked::NEVER);
        *known = known.or(since);
    }
    acked
}
