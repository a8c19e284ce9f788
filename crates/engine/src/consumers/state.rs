//! Who has which slots of a consumer, what is sent and not acknowledged, and through where all is.
//!
//! A subscription's share changes only while nothing that it was sent is due: it is sent nothing
//! more until then. So a slot is never with two at a time, and whoever takes it over begins where
//! everything is acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;
use wellspring_types::Sequence;

use super::record::Positions;
use super::slots::{Slots, shared_out};

/// Tells the subscriptions of a consumer apart, in the order in which they came.
pub(super) type MemberId = u64;

/// Numbers a subscription's shares. Never used again, by any consumer of any opening of the database:
/// the token of one is never taken for that of another.
pub(super) type Generation = u64;

pub(super) struct State {
    /// Through where each slot is acknowledged, or was not for the consumer.
    positions: Positions,
    members: BTreeMap<MemberId, Member>,
    deleted: bool,
}

/// A subscription that takes part.
struct Member {
    /// Its slots now.
    held: Slots,
    /// Those that it is to have.
    wanted: Slots,
    generation: Generation,
    /// Everything for it up to here was sent.
    sent: Sequence,
    /// Commits that were sent and are not acknowledged, oldest first.
    unacked: VecDeque<Sequence>,
    /// When it acknowledged last, or was sent the oldest that is due.
    heard: Instant,
    changed: Arc<Notify>,
}

/// What a subscription is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Begin again with another share, at the lowest of its positions.
    Begin,
    /// Wait for acknowledgements, or for a share.
    Wait,
    /// Go on.
    Go,
    /// The consumer is no more.
    Over,
}

/// The share of a subscription.
pub(super) struct Share {
    pub(super) generation: Generation,
    pub(super) slots: Slots,
    pub(super) positions: Positions,
}

/// What an acknowledgement covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acked {
    pub(super) slots: Slots,
    pub(super) through: Sequence,
}

impl State {
    pub(super) fn new(positions: Positions) -> State {
        State {
            positions,
            members: BTreeMap::new(),
            deleted: false,
        }
    }

    pub(super) fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Everything up to here is acknowledged.
    pub(super) fn position(&self) -> Sequence {
        self.positions.iter().copied().min().unwrap_or_default()
    }

    /// Subscriptions, and commits that they were sent and have not acknowledged.
    pub(super) fn counts(&self) -> (usize, usize) {
        let unacked = self.members.values().map(|member| member.unacked.len());
        (self.members.len(), unacked.sum())
    }

    /// Commits that a subscription was sent and has not acknowledged.
    pub(super) fn unacked(&self, id: MemberId) -> usize {
        self.members
            .get(&id)
            .map_or(0, |member| member.unacked.len())
    }

    /// Ends all subscriptions.
    pub(super) fn delete(&mut self) {
        self.deleted = true;
        self.members
            .values()
            .for_each(|member| member.changed.notify_one());
    }

    /// `generation` gives new ones; `changed` tells the subscription that it has another order.
    pub(super) fn join(
        &mut self,
        id: MemberId,
        changed: Arc<Notify>,
        generation: &mut dyn FnMut() -> Generation,
    ) {
        let member = Member {
            held: Slots::NONE,
            wanted: Slots::NONE,
            generation: generation(),
            sent: self.position(),
            unacked: VecDeque::new(),
            heard: Instant::now(),
            changed,
        };
        self.members.insert(id, member);
        self.share_out(generation);
    }

    /// What it was sent and has not acknowledged is sent again, to others.
    pub(super) fn leave(&mut self, id: MemberId, generation: &mut dyn FnMut() -> Generation) {
        if self.members.remove(&id).is_some() {
            self.share_out(generation);
        }
    }

    fn share_out(&mut self, generation: &mut dyn FnMut() -> Generation) {
        let held: Vec<Slots> = self.members.values().map(|member| member.held).collect();
        let shared = shared_out(&held);
        for (member, wanted) in self.members.values_mut().zip(shared) {
            member.wanted = wanted;
        }
        self.settle(generation);
    }

    /// Moves the slots that can be moved now.
    fn settle(&mut self, generation: &mut dyn FnMut() -> Generation) {
        let mut free = Slots::ALL;
        let mut moved = Vec::new();
        for (id, member) in &mut self.members {
            let given = member.held.without(member.wanted);
            if member.unacked.is_empty() && !given.is_empty() {
                member.held = member.held.without(given);
                moved.push(*id);
            }
            free = free.without(member.held);
        }
        for (id, member) in &mut self.members {
            let taken = member.wanted.and(free);
            if member.unacked.is_empty() && !taken.is_empty() {
                member.held = member.held.or(taken);
                free = free.without(taken);
                moved.push(*id);
            }
        }
        for id in moved {
            let lowest = self.lowest(id);
            if let Some(member) = self.members.get_mut(&id) {
                member.generation = generation();
                member.sent = lowest;
                member.changed.notify_one();
            }
        }
    }

    /// The lowest position of a subscription's slots.
    fn lowest(&self, id: MemberId) -> Sequence {
        let held = self
            .members
            .get(&id)
            .map_or(Slots::NONE, |member| member.held);
        let positions = held.iter().map(|slot| self.positions[slot]);
        positions.min().unwrap_or_else(|| self.position())
    }

    /// What a subscription whose share is that of `generation` is to do, if it may be sent
    /// `unacked_max` commits without acknowledgements; and since when one is due.
    pub(super) fn order(
        &self,
        id: MemberId,
        generation: Option<Generation>,
        unacked_max: usize,
    ) -> (Order, Option<Instant>) {
        let Some(member) = self.members.get(&id).filter(|_| !self.deleted) else {
            return (Order::Over, None);
        };
        let due = (!member.unacked.is_empty()).then_some(member.heard);
        let order = if generation != Some(member.generation) {
            Order::Begin
        } else if member.held.is_empty()
            || member.held != member.wanted && !member.unacked.is_empty()
            || member.unacked.len() >= unacked_max
        {
            Order::Wait
        } else {
            Order::Go
        };
        (order, due)
    }

    pub(super) fn share(&self, id: MemberId) -> Option<Share> {
        self.members.get(&id).map(|member| Share {
            generation: member.generation,
            slots: member.held,
            positions: self.positions,
        })
    }

    /// Notes that a subscription is sent these commits, and everything for it through `through`.
    /// False if it must not be: its share is another by now, or is to become another first.
    pub(super) fn send(
        &mut self,
        id: MemberId,
        generation: Generation,
        commits: impl Iterator<Item = Sequence>,
        through: Sequence,
    ) -> bool {
        let Some(member) = self.members.get_mut(&id) else {
            return false;
        };
        let is_giving = member.held != member.wanted && !member.unacked.is_empty();
        if member.generation != generation || is_giving || self.deleted {
            return false;
        }
        if member.unacked.is_empty() {
            member.heard = Instant::now();
        }
        member.unacked.extend(commits);
        member.sent = member.sent.max(through);
        self.advance(id, Sequence::ZERO);
        true
    }

    /// Acknowledges what a subscription was sent through `through`; `None` if there is none of
    /// this generation.
    pub(super) fn ack(
        &mut self,
        of: Generation,
        through: Sequence,
        generation: &mut dyn FnMut() -> Generation,
    ) -> Option<Acked> {
        let mut members = self.members.iter_mut();
        let (&id, member) = members.find(|(_, member)| member.generation == of)?;
        let through = through.min(member.sent);
        let due = member.unacked.len();
        while member.unacked.front().is_some_and(|seq| *seq <= through) {
            member.unacked.pop_front();
        }
        if member.unacked.len() < due {
            member.heard = Instant::now();
            member.changed.notify_one();
        }
        let slots = member.held;
        self.advance(id, through);
        self.settle(generation);
        Some(Acked { slots, through })
    }

    /// Moves the positions of a subscription's slots up to `acked`, and where nothing is due up to
    /// what it was sent.
    fn advance(&mut self, id: MemberId, acked: Sequence) {
        let Some(member) = self.members.get(&id) else {
            return;
        };
        let through = if member.unacked.is_empty() {
            member.sent
        } else {
            acked
        };
        for slot in member.held.iter() {
            self.positions[slot] = self.positions[slot].max(through);
        }
    }
}
