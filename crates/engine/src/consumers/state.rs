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

use super::Generations;
use super::record::{Positions, lowest};
use super::slots::{Slots, shared_out};

/// Tells the subscriptions of a consumer apart, in the order in which they came.
pub(super) type MemberId = u64;

/// Numbers a subscription's shares. Never used again, by any consumer of any opening of the database:
/// the token of one is never taken for that of another.
pub(super) type Generation = u64;

pub(super) struct State {
    generations: Arc<Generations>,
    next_member: MemberId,
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

impl Member {
    /// Whether its share changes as soon as nothing is due.
    fn is_giving(&self) -> bool {
        self.held != self.wanted && !self.unacked.is_empty()
    }
}

/// What a subscription is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToDo {
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
    pub(super) fn new(positions: Positions, generations: Arc<Generations>) -> State {
        State {
            generations,
            next_member: 0,
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
        lowest(&self.positions)
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.deleted
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

    /// `changed` tells the subscription that there is something else for it to do.
    pub(super) fn join(&mut self, changed: Arc<Notify>) -> MemberId {
        let id = self.next_member;
        self.next_member += 1;
        let member = Member {
            held: Slots::NONE,
            wanted: Slots::NONE,
            generation: self.generations.next(),
            sent: self.position(),
            unacked: VecDeque::new(),
            heard: Instant::now(),
            changed,
        };
        self.members.insert(id, member);
        self.share_out();
        id
    }

    /// What it was sent and has not acknowledged is sent again, to others.
    pub(super) fn leave(&mut self, id: MemberId) {
        if self.members.remove(&id).is_some() {
            self.share_out();
        }
    }

    fn share_out(&mut self) {
        let held: Vec<Slots> = self.members.values().map(|member| member.held).collect();
        let shared = shared_out(&held);
        for (member, wanted) in self.members.values_mut().zip(shared) {
            member.wanted = wanted;
        }
        self.settle();
    }

    /// Moves the slots that can be moved now.
    fn settle(&mut self) {
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
            let first = self.lowest_of(id);
            if let Some(member) = self.members.get_mut(&id) {
                member.generation = self.generations.next();
                member.sent = first;
                member.changed.notify_one();
            }
        }
    }

    /// The lowest position of a subscription's slots.
    fn lowest_of(&self, id: MemberId) -> Sequence {
        let held = self
            .members
            .get(&id)
            .map_or(Slots::NONE, |member| member.held);
        let positions = held.iter().map(|slot| self.positions[slot]);
        positions.min().unwrap_or_else(|| self.position())
    }

    /// What a subscription whose share is that of `generation` is to do, if it may be sent
    /// `unacked_max` commits without acknowledgements; and since when one is due.
    pub(super) fn to_do(
        &self,
        id: MemberId,
        generation: Option<Generation>,
        unacked_max: usize,
    ) -> (ToDo, Option<Instant>) {
        let Some(member) = self.members.get(&id).filter(|_| !self.deleted) else {
            return (ToDo::Over, None);
        };
        let due = (!member.unacked.is_empty()).then_some(member.heard);
        let to_do = if generation != Some(member.generation) {
            ToDo::Begin
        } else if member.held.is_empty()
            || member.is_giving()
            || member.unacked.len() >= unacked_max
        {
            ToDo::Wait
        } else {
            ToDo::Go
        };
        (to_do, due)
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
        if member.generation != generation || member.is_giving() || self.deleted {
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
    pub(super) fn ack(&mut self, of: Generation, through: Sequence) -> Option<Acked> {
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
        self.settle();
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
