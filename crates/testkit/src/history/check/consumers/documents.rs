//! A1 to A5, document by document, in the order of time: what was sent of it, to whom.

use std::collections::HashMap;

use super::Consumer;
use super::acks::Acked;
use super::shares::Delivery;
use crate::history::check::facts::Facts;
use crate::history::check::feed::s8_content;
use crate::history::model::Place;
use crate::history::verdict::{Report, Rule};

/// Returns the number of changes that were sent once more.
pub(super) fn check(facts: &Facts<'_>, consumer: &Consumer<'_>, report: &mut Report) -> u64 {
    let taken = &consumer.taken;
    let mut deliveries: Vec<&Delivery<'_>> = taken.deliveries.iter().collect();
    deliveries.sort_by_key(|of| {
        let (sent, received) = (taken.sent(of), of.received);
        (of.seen.path, sent, received.t_recv, of.share, received.idx)
    });
    let mut repeats = 0;
    for deliveries in deliveries.chunk_by(|a, b| a.seen.path == b.seen.path) {
        let mut acked: HashMap<u64, Acked> = HashMap::new();
        for delivery in deliveries {
            let of_it = acked.entry(delivery.seen.seq).or_insert(Acked::NEVER);
            *of_it = of_it.or(acked_of(consumer, delivery));
        }
        let mut document = Document {
            facts,
            consumer,
            acked,
            holders: Vec::new(),
            sent: HashMap::new(),
            report,
        };
        for delivery in deliveries {
            document.content(delivery);
            repeats += document.deliver(delivery);
        }
    }
    repeats
}

/// Who has been sent anything of a document.
struct Holder<'c, 'h> {
    share: usize,
    last: &'c Delivery<'h>,
    /// Whether another has been sent something of it since.
    is_past: bool,
}

struct Document<'c, 'h> {
    facts: &'c Facts<'h>,
    consumer: &'c Consumer<'h>,
    /// By sequence, whoever acknowledged it.
    acked: HashMap<u64, Acked>,
    holders: Vec<Holder<'c, 'h>>,
    /// By sequence: everything that was sent so far.
    sent: HashMap<u64, Vec<&'c Delivery<'h>>>,
    report: &'c mut Report,
}

impl<'c, 'h> Document<'c, 'h> {
    /// S8, and S7.
    fn content(&mut self, delivery: &Delivery<'_>) {
        let (seen, received) = (delivery.seen, delivery.received);
        if !self.facts.is_kept(seen.seq) {
            return;
        }
        let Some(change) = self.consumer.view.find(seen.seq, seen.path) else {
            let told = (seen, received);
            return s8_content::unexpected(self.facts, delivery.feed, told, self.report);
        };
        let opened = self.consumer.taken.shares[delivery.share].opened;
        if let Some(fault) = s8_content::difference(opened, seen, change) {
            self.tell(Rule::S8, delivery, None, &format!("with {fault}"));
        }
    }

    fn deliver(&mut self, delivery: &'c Delivery<'h>) -> u64 {
        let seq = delivery.seen.seq;
        let began = self.consumer.taken.shares[delivery.share].opened.seq;
        if seq <= began {
            let fault = format!("though it was to be sent what is after {began}");
            self.tell(Rule::S4, delivery, None, &fault);
        }
        let holder = self
            .holders
            .iter()
            .position(|of| of.share == delivery.share);
        match holder {
            Some(index) => self.goes_on(index, delivery),
            None => self.begins(delivery),
        }
        let is_alone = self.is_alone(delivery);
        let is_repeated = self.repeats(delivery, is_alone);
        match holder {
            Some(index) => self.holders[index].last = delivery,
            None => {
                // Those who are gone will not come back to it.
                let taken = &self.consumer.taken;
                let sent = taken.sent(delivery);
                self.holders
                    .retain(|of| !of.is_past || taken.session_of(of.share).gone > sent);
                self.holders.push(Holder {
                    share: delivery.share,
                    last: delivery,
                    is_past: false,
                });
            }
        }
        self.sent.entry(seq).or_default().push(delivery);
        u64::from(is_repeated)
    }

    /// The same share has been sent of it before.
    fn goes_on(&mut self, index: usize, delivery: &Delivery<'_>) {
        let holder = &self.holders[index];
        let (last, is_past) = (holder.last, holder.is_past);
        let (before, seq) = (last.seen.seq, delivery.seen.seq);
        if is_past {
            let fault = "though another was sent changes of it since";
            self.tell(Rule::A4, delivery, Some(last.received.place), fault);
        } else if seq == before {
            self.tell(Rule::A5, delivery, Some(last.received.place), "again");
        } else if seq < before {
            let fault = format!("after that at {before}");
            self.tell(Rule::A3, delivery, Some(last.received.place), &fault);
        } else if let Some(skipped) = self.between(delivery, before) {
            let fault = format!("and not that at {skipped}, which is before it");
            self.tell(Rule::A2, delivery, Some(last.received.place), &fault);
        }
    }

    /// The newest change of the document between one and the one that is sent.
    fn between(&self, delivery: &Delivery<'_>, after: u64) -> Option<u64> {
        let expected = self.consumer.expected.get(&delivery.seen.path)?;
        let until = expected.partition_point(|seq| *seq < delivery.seen.seq);
        let before = expected[..until].last()?;
        (*before > after).then_some(*before)
    }

    /// The share is sent something of it for the first time: what is before that is acknowledged.
    fn begins(&mut self, delivery: &Delivery<'_>) {
        let Some(before) = self.between(delivery, self.consumer.start) else {
            return;
        };
        let acked = self.acked.get(&before);
        if acked.is_some_and(|acked| acked.may < delivery.received.t_recv) {
            return;
        }
        let (sent, taken) = (self.sent.get(&before), &self.consumer.taken);
        let is_with_another = sent.into_iter().flatten().any(|of| {
            of.share != delivery.share && taken.session_of(of.share).gone > delivery.received.t_recv
        });
        if !is_with_another {
            let first = sent
                .and_then(|sent| sent.first())
                .map(|of| of.received.place);
            let fault = format!("though that at {before} was not acknowledged");
            self.tell(Rule::A2, delivery, first, &fault);
        } // Else it is A4's.
    }

    /// A4: whoever has the document besides is gone, or has acknowledged what it was sent.
    fn is_alone(&mut self, delivery: &Delivery<'_>) -> bool {
        let (taken, now) = (&self.consumer.taken, delivery.received.t_recv);
        let mut with = None;
        for holder in &mut self.holders {
            if holder.share == delivery.share || std::mem::replace(&mut holder.is_past, true) {
                continue;
            }
            let is_gone = taken.session_of(holder.share).gone <= now;
            if !is_gone && acked_of(self.consumer, holder.last).may >= now {
                with = Some(holder.last);
            }
        }
        if let Some(holder) = self
            .holders
            .iter_mut()
            .find(|of| of.share == delivery.share)
        {
            holder.is_past = false;
        }
        if let Some(other) = with {
            let fault = format!(
                "while {} had not acknowledged that at {}",
                self.facts.text(other.feed),
                other.seen.seq
            );
            self.tell(Rule::A4, delivery, Some(other.received.place), &fault);
        }
        with.is_none()
    }

    /// A1 and A5: why it is sent again, if it is.
    fn repeats(&mut self, delivery: &Delivery<'_>, is_alone: bool) -> bool {
        let (taken, now) = (&self.consumer.taken, delivery.received.t_recv);
        let sent = self.sent.get(&delivery.seen.seq);
        let mut others = sent
            .into_iter()
            .flatten()
            .filter(|of| of.share != delivery.share);
        let began = taken.began(delivery.share);
        let acknowledged = others
            .clone()
            .find(|of| acked_of(self.consumer, of).is < began);
        let held = others
            .clone()
            .find(|of| taken.session_of(of.share).gone > now);
        let is_repeated = others.next().is_some();
        if let Some(first) = acknowledged {
            let fault = "though it was acknowledged before";
            self.tell(Rule::A1, delivery, Some(first.received.place), fault);
        } else if let Some(first) = held.filter(|_| is_alone) {
            let fault = format!("again, though {} has it", self.facts.text(first.feed));
            self.tell(Rule::A5, delivery, Some(first.received.place), &fault);
        }
        is_repeated
    }

    fn tell(&mut self, rule: Rule, delivery: &Delivery<'_>, other: Option<Place>, fault: &str) {
        let sentence = format!(
            "{} was sent the change of {} at {}, {fault}",
            self.facts.text(delivery.feed),
            self.facts.text(delivery.seen.path),
            delivery.seen.seq
        );
        let records: Vec<Place> = [delivery.received.place].into_iter().chain(other).collect();
        self.report.add(rule, &records, sentence);
    }
}

fn acked_of(consumer: &Consumer<'_>, delivery: &Delivery<'_>) -> Acked {
    consumer.taken.shares[delivery.share]
        .acks
        .of(delivery.received.idx)
}
