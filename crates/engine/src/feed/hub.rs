//! The hub: matches what became visible to the live subscriptions, in the one order.
//!
//! Its thread takes groups from the ring, and for each distinct view of a collection makes one
//! shared [`FeedCommit`]. *Going live* is one step in its order: [`Hub::register`] says the last
//! sequence that was handed out, and the queue holds exactly what comes after it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use wellspring_log::LogReader;
use wellspring_types::feed::View;
use wellspring_types::{CollectionPath, Sequence};

use super::queue::{Pushed, Queue};
use super::ring::Ring;
use super::view::{feed_commit_bytes, see};
use crate::collections::Collections;
use crate::commit::Commit;
use crate::read::ReadError;

/// The live subscriptions of a database.
pub(crate) struct Hub {
    live: Mutex<Live>,
    handed_out: watch::Sender<Sequence>,
}

#[derive(Default)]
struct Live {
    collections: HashMap<Box<str>, Views>,
    /// Everything up to here is in the queues.
    handed_out: Sequence,
    next_id: u64,
    closed: bool,
}

/// Subscriptions of one collection, those with equal views together.
type Views = HashMap<View, HashMap<u64, Arc<Queue>>>;

/// A live subscription's place in the hub, given up when it is dropped.
pub(crate) struct Registration {
    hub: Arc<Hub>,
    collection: CollectionPath,
    view: View,
    id: u64,
    pub(crate) queue: Arc<Queue>,
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
            handed_out: watch::Sender::new(visible),
        }
    }

    /// Tells the last sequence that is in the queues of all live subscriptions.
    pub(crate) fn handed_out(&self) -> watch::Receiver<Sequence> {
        self.handed_out.subscribe()
    }

    /// From now on the commits that `view` sees go into the registration's queue: those after the
    /// sequence that is returned.
    pub(crate) fn register(
        self: &Arc<Hub>,
        collection: CollectionPath,
        view: View,
        queue_bytes_max: usize,
    ) -> (Registration, Sequence) {
        let queue = Arc::new(Queue::new(queue_bytes_max));
        let mut live = self.live.lock();
        let id = live.next_id;
        live.next_id += 1;
        let views = live
            .collections
            .entry(collection.as_str().into())
            .or_default();
        views
            .entry(view.clone())
            .or_default()
            .insert(id, Arc::clone(&queue));
        if live.closed {
            queue.close();
        }
        let handed_out = live.handed_out;
        drop(live);
        (
            Registration {
                hub: Arc::clone(self),
                collection,
                view,
                id,
                queue,
            },
            handed_out,
        )
    }

    /// The hub's thread: until the ring is closed and drained.
    ///
    /// # Errors
    /// If what fell off the ring cannot be read from the log: the live subscriptions must be ended
    /// then, as their order has a gap.
    pub(crate) fn run(
        &self,
        ring: &Ring,
        log: &LogReader,
        collections: &Collections,
    ) -> Result<(), ReadError> {
        loop {
            let groups = ring.take();
            if groups.is_empty() {
                return Ok(());
            }
            for group in groups {
                let Some(first) = group.commits.first().map(|commit| commit.seq) else {
                    continue;
                };
                self.bridge(first, log, collections)?;
                self.hand_out(&group.commits);
            }
        }
    }

    /// Hands out what fell off the ring before `next`.
    fn bridge(
        &self,
        next: Sequence,
        log: &LogReader,
        collections: &Collections,
    ) -> Result<(), ReadError> {
        let after = self.live.lock().handed_out;
        if after.next() == next {
            return Ok(());
        }
        for record in log.read(after, Sequence(next.0 - 1), None) {
            let record = record?;
            let seq = record.sequence;
            let commit = Commit::from_record(record, collections);
            let mut commit = commit.ok_or(ReadError::UnknownCollection { seq })?;
            commit.detach();
            self.hand_out(&[Arc::new(commit)]);
        }
        Ok(())
    }

    /// Puts commits into the queues of all whose views see them, then says that it has.
    fn hand_out(&self, commits: &[Arc<Commit>]) {
        let mut to_wake = Vec::new();
        let mut live = self.live.lock();
        for commit in commits {
            debug_assert_eq!(
                live.handed_out.next(),
                commit.seq,
                "in order, without a gap"
            );
            live.hand_out(commit, &mut to_wake);
            live.handed_out = commit.seq;
        }
        let handed_out = live.handed_out;
        drop(live);
        // The sequence first: whoever is woken may wait for it next.
        self.handed_out.send_replace(handed_out);
        for queue in to_wake {
            queue.wake();
        }
    }

    /// Ends every live subscription.
    pub(crate) fn close(&self) {
        let mut live = self.live.lock();
        live.closed = true;
        for queue in live
            .collections
            .values()
            .flat_map(HashMap::values)
            .flat_map(HashMap::values)
        {
            queue.close();
        }
        // Nobody is to wait for what will not be handed out any more.
        self.handed_out.send_replace(Sequence(u64::MAX));
    }
}

impl Live {
    fn hand_out(&self, commit: &Commit, to_wake: &mut Vec<Arc<Queue>>) {
        let mut done: Vec<&str> = Vec::new();
        for change in &commit.changes {
            let collection = change.path.collection_str();
            if done.contains(&collection) {
                continue;
            }
            done.push(collection);
            let Some(views) = self.collections.get(collection) else {
                continue;
            };
            for (view, subscribers) in views {
                let of_it = commit.changes.iter();
                let of_it = of_it.filter(|change| change.path.collection_str() == collection);
                let Some(seen) = see(view, commit, of_it) else {
                    continue;
                };
                let (bytes, seen) = (feed_commit_bytes(&seen), Arc::new(seen));
                for queue in subscribers.values() {
                    if queue.push(&seen, bytes) == Pushed::Wake {
                        to_wake.push(Arc::clone(queue));
                    }
                }
            }
        }
    }
}

impl Registration {
    /// Puts a checkpoint behind everything that was handed out, in the same queue: a value read
    /// beside the queue could overtake it.
    pub(crate) fn request_checkpoint(&self) {
        let live = self.hub.live.lock();
        let pushed = self.queue.push_checkpoint(live.handed_out);
        drop(live);
        if pushed == Pushed::Wake {
            self.queue.wake();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut live = self.hub.live.lock();
        let Entry::Occupied(mut views) = live.collections.entry(self.collection.as_str().into())
        else {
            return;
        };
        if let Some(subscribers) = views.get_mut().get_mut(&self.view) {
            subscribers.remove(&self.id);
            if subscribers.is_empty() {
                views.get_mut().remove(&self.view);
            }
        }
        if views.get().is_empty() {
            views.remove();
        }
    }
}
