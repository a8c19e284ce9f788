//! The hub: matches what became visible to the live subscriptions, in the one order.
//!
//! Its thread takes groups from the ring, asks the filter index of each collection which views a
//! commit may concern, and makes one shared [`FeedCommit`](wellspring_types::feed::FeedCommit) for
//! each distinct form of it. *Going live* is one step in its order: [`Hub::insert`] says the last
//! sequence that was handed out, and the queue holds exactly what comes after it;
//! [`Held::take_over`] lets that go on where a pass over the log has come to.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use wellspring_types::feed::View;
use wellspring_types::{CollectionSet, Sequence};

use super::audience::{Audience, HandedOut, Member};
use super::forms::{Forms, Memory};
use super::queue::{Pushed, Queue};
use super::ring::Ring;
use super::several::Several;
use crate::commit::{Commit, DocumentChange};
use crate::executor::{Next, Patience, Turn, Worker};
use crate::floors::{self, Concerned, FloorMove};
use crate::health::{Condition, ReadOnlyReason};
use crate::read::{ReadError, Sources};

/// The live subscriptions of a database.
pub(crate) struct Hub {
    live: Mutex<Live>,
    released: Condvar,
    handed_out: watch::Sender<Sequence>,
    next_id: AtomicU64,
    /// The highest floor of anything that is about to be moved.
    announced: AtomicU64,
}

#[derive(Default)]
struct Live {
    /// Those of one collection each.
    collections: HashMap<Box<str>, Audience>,
    several: Several,
    /// Everything up to here is in the queues.
    handed_out: Sequence,
    closed: bool,
    /// Nothing is handed out for the moment.
    is_held: bool,
}

/// A hub that stands still.
pub(super) struct Held<'a> {
    hub: &'a Hub,
    /// What it has handed out.
    pub(super) handed_out: Sequence,
}

impl Held<'_> {
    /// Takes over subscriptions whose queues have everything through `read`, which is at least what
    /// was handed out.
    pub(super) fn take_over(
        &self,
        collections: &CollectionSet,
        read: Sequence,
        members: impl IntoIterator<Item = (Member, Arc<Queue>)>,
    ) {
        let mut to_wake = Vec::new();
        let mut live = self.hub.live.lock();
        let is_closed = live.closed;
        let audience = live.audience(collections);
        for (member, queue) in members {
            if is_closed {
                // It finds that out once it has taken what it has.
                queue.leave(read);
            } else if queue.go_live(read) {
                audience.insert(&member, Arc::clone(&queue));
                to_wake.push(queue);
            }
        }
        live.forget_empty(collections);
        drop(live);
        for queue in to_wake {
            queue.wake();
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.hub.live.lock().is_held = false;
        self.hub.released.notify_one();
    }
}

impl Hub {
    /// Everything up to `visible` counts as handed out.
    pub(crate) fn new(visible: Sequence) -> Hub {
        let live = Live {
            handed_out: visible,
            ..Live::default()
        };
        Hub {
            live: Mutex::new(live),
            released: Condvar::new(),
            handed_out: watch::Sender::new(visible),
            next_id: AtomicU64::new(0),
            announced: AtomicU64::new(0),
        }
    }

    /// Tells the last sequence that is in the queues of all live subscriptions.
    pub(crate) fn handed_out_through(&self) -> Sequence {
        *self.handed_out.borrow()
    }

    /// The same, to be waited for.
    pub(crate) fn handed_out(&self) -> watch::Receiver<Sequence> {
        self.handed_out.subscribe()
    }

    /// A name for a subscription, in the hub and on its way there.
    pub(super) fn member(&self, view: &Arc<View>) -> Member {
        Member {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            view: Arc::clone(view),
        }
    }

    /// From now on the commits that a subscription sees go into `queue`: those after the sequence
    /// that is returned.
    pub(super) fn insert(
        &self,
        collections: &CollectionSet,
        member: &Member,
        queue: &Arc<Queue>,
    ) -> Sequence {
        let mut live = self.live.lock();
        live.audience(collections).insert(member, Arc::clone(queue));
        if live.closed {
            queue.close();
        }
        live.handed_out
    }

    /// Has nothing handed out while what is returned is there. Only for one at a time, and for a
    /// moment: live subscriptions wait, and commits gather in the ring.
    pub(super) fn hold(&self) -> Held<'_> {
        let mut live = self.live.lock();
        live.is_held = true;
        Held {
            handed_out: live.handed_out,
            hub: self,
        }
    }

    /// Forgets a subscription.
    pub(super) fn remove(&self, collections: &CollectionSet, member: &Member) {
        self.live.lock().remove(collections, member);
    }

    /// Puts a checkpoint behind everything that was handed out into `queue`, which the hub fills:
    /// a value read beside the queue could overtake it.
    pub(super) fn checkpoint(&self, queue: &Queue) {
        let live = self.live.lock();
        let pushed = queue.push_checkpoint(live.handed_out);
        drop(live);
        if pushed == Pushed::Wake {
            queue.wake();
        }
    }

    /// Hands out what waits in the ring.
    ///
    /// # Errors
    /// If what fell off the ring cannot be read from the log: the live subscriptions must be ended
    /// then, as their order has a gap.
    fn turn(&self, ring: &Ring, sources: &Sources, patience: Patience) -> Result<Turn, ReadError> {
        // Who has patience waits when it comes to handing out.
        if patience == Patience::None && self.live.lock().is_held {
            return Ok(Turn::Idle);
        }
        let groups = match ring.take(patience) {
            Next::Found(groups) => groups,
            Next::Nothing => return Ok(Turn::Idle),
            Next::Over => return Ok(Turn::Over),
        };
        for group in groups {
            let Some(first) = group.commits.first().map(|commit| commit.seq) else {
                continue;
            };
            self.bridge(first, sources)?;
            self.hand_out(&group.commits);
        }
        Ok(Turn::Done)
    }

    /// Hands out what fell off the ring before `next`.
    fn bridge(&self, next: Sequence, sources: &Sources) -> Result<(), ReadError> {
        let after = self.live.lock().handed_out;
        if after.next() == next {
            return Ok(());
        }
        for commit in sources.commits(after, Sequence(next.0 - 1), None) {
            let mut commit = commit?;
            commit.detach();
            self.hand_out(&[Arc::new(commit)]);
        }
        Ok(())
    }

    /// Puts commits into the queues of all whose views see them, then says that it has.
    fn hand_out(&self, commits: &[Arc<Commit>]) {
        let mut handed_out = HandedOut::default();
        let mut live = self.live.lock();
        while live.is_held {
            self.released.wait(&mut live);
        }
        for commit in commits {
            debug_assert_eq!(
                live.handed_out.next(),
                commit.seq,
                "in order, without a gap"
            );
            live.hand_out(commit, &mut handed_out);
            live.handed_out = commit.seq;
            // A position before a floor is of no use to a client that comes back.
            for concerned in floors::concerned(commit) {
                live.checkpoint(&concerned, &mut handed_out.to_wake);
            }
        }
        let seq = live.handed_out;
        drop(live);
        // The sequence first: whoever is woken may wait for it next.
        self.handed_out.send_replace(seq);
        for queue in handed_out.to_wake {
            queue.wake();
        }
    }

    /// Puts a checkpoint behind everything that was handed out into the queue of everyone whom
    /// these moves of floors concern, before they are made.
    pub(crate) fn checkpoint_before(&self, moves: &[FloorMove]) {
        let mut to_wake = Vec::new();
        let highest = moves.iter().map(|one| one.through).max();
        self.announced
            .fetch_max(highest.unwrap_or_default().0, Ordering::Relaxed);
        let live = self.live.lock();
        for one in moves {
            let collection = one.collection.as_ref();
            let concerned = collection.map_or(Concerned::Everybody, |collection| {
                Concerned::Collection(collection.clone())
            });
            live.checkpoint(&concerned, &mut to_wake);
        }
        drop(live);
        for queue in to_wake {
            queue.wake();
        }
    }

    /// The highest floor of anything that was announced: positions up to it are about to be of no
    /// use to whoever comes back.
    pub(crate) fn announced(&self) -> Sequence {
        Sequence(self.announced.load(Ordering::Relaxed))
    }

    /// Ends every live subscription.
    pub(crate) fn close(&self) {
        let mut live = self.live.lock();
        live.closed = true;
        for queue in live.audiences().flat_map(Audience::queues) {
            queue.close();
        }
        // As when it hands out: the watch has a lock of its own, which is never waited for with
        // this one held.
        drop(live);
        // Nobody is to wait for what will not be handed out any more.
        self.handed_out.send_replace(Sequence(u64::MAX));
    }
}

/// Runs a hub until the ring is closed and drained. However it ends, live subscriptions end with
/// it: one that waited for a hub that is gone would wait in silence.
pub(crate) struct HubWorker {
    pub(crate) hub: Arc<Hub>,
    pub(crate) ring: Arc<Ring>,
    pub(crate) sources: Sources,
    pub(crate) condition: Arc<Condition>,
}

impl Worker for HubWorker {
    fn turn(&mut self, patience: Patience) -> Turn {
        let turn = || self.hub.turn(&self.ring, &self.sources, patience);
        let turn = match catch_unwind(AssertUnwindSafe(turn)) {
            Ok(Ok(turn)) => turn,
            Ok(Err(error)) => {
                tracing::error!(%error, "the hub cannot go on; live subscriptions end");
                self.condition.fail(ReadOnlyReason::FeedFailed);
                Turn::Over
            }
            Err(_panic) => {
                tracing::error!("the hub panicked; live subscriptions end");
                self.condition.fail(ReadOnlyReason::FeedFailed);
                Turn::Over
            }
        };
        if turn == Turn::Over {
            self.hub.close();
        }
        turn
    }
}

impl Live {
    fn audience(&mut self, collections: &CollectionSet) -> &mut Audience {
        match collections.only() {
            Some(only) => self.collections.entry(only.as_str().into()).or_default(),
            None => self.several.audience(collections),
        }
    }

    fn audiences(&self) -> impl Iterator<Item = &Audience> {
        self.collections.values().chain(self.several.audiences())
    }

    fn remove(&mut self, collections: &CollectionSet, member: &Member) {
        match collections.only() {
            Some(only) => {
                if let Some(audience) = self.collections.get_mut(only.as_str()) {
                    audience.remove(member);
                }
            }
            None => self.several.remove(collections, member),
        }
        self.forget_empty(collections);
    }

    /// Forgets the audience of these collections, if there is nobody in it.
    fn forget_empty(&mut self, collections: &CollectionSet) {
        let Some(only) = collections.only() else {
            return self.several.forget_empty(collections);
        };
        let audience = self.collections.get(only.as_str());
        if audience.is_some_and(Audience::is_empty) {
            self.collections.remove(only.as_str());
        }
    }

    fn checkpoint(&self, concerned: &Concerned, to_wake: &mut Vec<Arc<Queue>>) {
        let audiences: Vec<&Audience> = match concerned {
            Concerned::Everybody => self.audiences().collect(),
            Concerned::Collection(collection) => {
                let of_one = self.collections.get(collection.as_str());
                let of_one = of_one.into_iter();
                of_one.chain(self.several.concerned(collection)).collect()
            }
        };
        for queue in audiences.into_iter().flat_map(Audience::queues) {
            if queue.push_checkpoint(self.handed_out) == Pushed::Wake {
                to_wake.push(Arc::clone(queue));
            }
        }
    }

    fn hand_out(&mut self, commit: &Commit, handed_out: &mut HandedOut) {
        let mut changes: Vec<&DocumentChange> = commit.changes.iter().collect();
        // Stable: within a collection the order of the commit stays.
        changes.sort_by_key(|change| change.collection);
        let forms = |changes| Forms::new(commit, changes, Memory::Own);
        for of_one in changes.chunk_by(|one, other| one.collection == other.collection) {
            let collection = of_one[0].path.collection_str();
            if let Some(audience) = self.collections.get(collection) {
                audience.hand_out(forms(of_one), handed_out);
            }
        }
        self.several.hand_out(commit, |audience, changes| {
            audience.hand_out(Forms::new(commit, changes, Memory::Own), handed_out);
        });
    }
}
