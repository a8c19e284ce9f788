//! What is acknowledged since when; and A6: the answer covers what was sent.

use super::Consumer;
use crate::history::check::facts::Facts;
use crate::history::model::Ack;
use crate::history::record::Outcome;
use crate::history::verdict::{Report, Rule};

/// The acknowledgements of one share.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// By event, each with the earliest of those for it or a later one.
    by_idx: Vec<(u64, Acked)>,
}

/// Since when something is acknowledged; `u64::MAX`: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acked {
    /// Since when it may be: somebody asked for it, and was not refused.
    pub(super) may: u64,
    /// Since when it is: somebody was told so.
    pub(super) is: u64,
}

impl Acked {
    pub(super) const NEVER: Acked = Acked {
        may: u64::MAX,
        is: u64::MAX,
    };

    pub(super) fn or(self, other: Acked) -> Acked {
        Acked {
            may: self.may.min(other.may),
            is: self.is.min(other.is),
        }
    }
}

impl Acks {
    pub(super) fn new(acks: &[&Ack]) -> Acks {
        let mut by_idx: Vec<(u64, Acked)> = Vec::with_capacity(acks.len());
        for ack in acks.iter().filter(|ack| ack.outcome != Outcome::Fail) {
            let is = ack.t_ret.filter(|_| ack.outcome == Outcome::Ok);
            let acked = Acked {
                may: ack.t_inv,
                is: is.unwrap_or(u64::MAX),
            };
            by_idx.push((ack.at_idx, acked));
        }
        by_idx.sort_unstable_by_key(|(idx, _)| *idx);
        let mut earliest = Acked::NEVER;
        for (_, acked) in by_idx.iter_mut().rev() {
            earliest = earliest.or(*acked);
            *acked = earliest;
        }
        Acks { by_idx }
    }

    /// Since when what came as event `idx` is acknowledged.
    pub(super) fn of(&self, idx: u64) -> Acked {
        let after = self.by_idx.partition_point(|(at, _)| *at < idx);
        self.by_idx
            .get(after)
            .map_or(Acked::NEVER, |(_, acked)| *acked)
    }
}

pub(super) fn check(facts: &Facts<'_>, consumer: &Consumer<'_>, report: &mut Report) {
    for (ack, share) in &consumer.taken.acks {
        let Some(seq) = ack.seq else { continue };
        let sent = consumer.taken.sent_of(*share);
        let through = sent.partition_point(|of| of.received.idx <= ack.at_idx);
        let Some(last) = sent[..through].last() else {
            continue;
        };
        if seq < last.seen.seq {
            let sentence = format!(
                "{} was answered that {seq} is acknowledged, though it has acknowledged {}",
                facts.text(ack.feed),
                last.seen.seq
            );
            report.add(Rule::A6, &[ack.place, last.received.place], sentence);
        }
    }
}
