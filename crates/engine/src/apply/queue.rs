//! Groups on their way into the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use wellspring_types::Sequence;

use crate::commit::Group;
use crate::executor::{Next, Patience};

/// Changes that one batch takes, of more than one group.
const BATCH_CHANGES: usize = 256;
/// Bytes of groups from which on they are a batch, however few.
const BATCH_BYTES: usize = 1 << 20;
/// How long a group waits for others to share a batch with. A small batch costs the store far more
/// than what is in it does: sled wakes all threads of its pool for each. Nobody waits meanwhile: who
/// needs the store to be further says so.
const GATHER_MAX: Duration = Duration::from_millis(20);

/// Groups that wait to be applied. Its bound is the overlay's, which holds the same groups.
pub(crate) struct ApplyQueue {
    queue: Mutex<Queue>,
    changed: Condvar,
    gather_max: Duration,
}

impl Default for ApplyQueue {
    fn default() -> ApplyQueue {
        ApplyQueue::gathering(GATHER_MAX)
    }
}

#[derive(Default)]
struct Queue {
    groups: VecDeque<(Arc<Group>, Instant)>,
    changes: usize,
    bytes: usize,
    /// Somebody waits until the store has everything up to here.
    wanted: Sequence,
    closed: bool,
}

impl Queue {
    /// Whether more would not make a better batch, or somebody does not want to wait for it.
    fn is_due(&self) -> bool {
        let is_wanted = |(group, _): &(Arc<Group>, Instant)| group.first() <= self.wanted;
        self.closed
            || self.changes >= BATCH_CHANGES
            || self.bytes >= BATCH_BYTES
            || self.groups.front().is_some_and(is_wanted)
    }

    /// The groups of the next batch: one, and what fits beside it.
    fn take(&mut self) -> Vec<Arc<Group>> {
        let mut taken = Vec::new();
        let (mut changes, mut bytes) = (0, 0);
        while let Some((group, _)) = self.groups.front() {
            changes += group.changes;
            bytes += group.bytes;
            if !taken.is_empty() && (changes > BATCH_CHANGES || bytes > BATCH_BYTES) {
                break;
            }
            self.changes -= group.changes;
            self.bytes -= group.bytes;
            taken.extend(self.groups.pop_front().map(|(group, _)| group));
        }
        taken
    }
}

impl ApplyQueue {
    fn gathering(gather_max: Duration) -> ApplyQueue {
        ApplyQueue {
            queue: Mutex::default(),
            changed: Condvar::new(),
            gather_max,
        }
    }

    pub(crate) fn push(&self, group: Arc<Group>) {
        let mut queue = self.queue.lock();
        let was_empty = queue.groups.is_empty();
        queue.changes += group.changes;
        queue.bytes += group.bytes;
        queue.groups.push_back((group, Instant::now()));
        // Whoever gathers sleeps on until it is worth while.
        if was_empty || queue.is_due() {
            self.changed.notify_one();
        }
    }

    /// Somebody waits until the store has everything up to `seq`: what it lacks is not held back
    /// to gather more.
    pub(crate) fn hurry(&self, seq: Sequence) {
        let mut queue = self.queue.lock();
        if queue.wanted < seq {
            queue.wanted = seq;
            self.changed.notify_one();
        }
    }

    /// Nothing more will be pushed: the thread ends once everything is applied.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.changed.notify_one();
    }

    /// The next groups for one batch, until it is closed and drained. With patience it gathers.
    pub(super) fn next(&self, patience: Patience) -> Next<Vec<Arc<Group>>> {
        let mut queue = self.queue.lock();
        loop {
            let Some((_, since)) = queue.groups.front() else {
                match patience {
                    _ if queue.closed => return Next::Over,
                    Patience::None => return Next::Nothing,
                    Patience::Wait => self.changed.wait(&mut queue),
                }
                continue;
            };
            let until = *since + self.gather_max;
            let is_due = patience == Patience::None || queue.is_due();
            if is_due || self.changed.wait_until(&mut queue, until).timed_out() {
                return Next::Found(queue.take());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wellspring_types::{CollectionId, Data, Timestamp};

    use super::*;
    use crate::commit::{Commit, DocumentChange};

    /// A queue that would gather for longer than any test takes.
    fn patient() -> ApplyQueue {
        ApplyQueue::gathering(Duration::from_hours(1))
    }

    /// One commit, of as many changes with as many bytes of data each.
    fn group(seq: u64, changes: usize, bytes: usize) -> Arc<Group> {
        let text = format!(r#"{{"s":"{}"}}"#, "x".repeat(bytes));
        let change = DocumentChange {
            collection: CollectionId(1),
            path: "rooms/1".parse().unwrap(),
            created_at: Timestamp::from_millis(0),
            before: None,
            after: Some(Data::parse(text.as_bytes()).unwrap()),
        };
        let commit = Commit {
            seq: Sequence(seq),
            time: Timestamp::from_millis(0),
            principal: None,
            mutation: None,
            new_collections: Vec::new(),
            changes: vec![change; changes],
        };
        Arc::new(Group::new(vec![Arc::new(commit)]))
    }

    fn taken(queue: &ApplyQueue, patience: Patience) -> Vec<u64> {
        match queue.next(patience) {
            Next::Found(groups) => groups.iter().map(|group| group.last().0).collect(),
            Next::Nothing | Next::Over => Vec::new(),
        }
    }

    #[test]
    fn a_batch_is_made_of_groups_until_it_is_large_enough() {
        let queue = patient();
        for seq in 1..=3 {
            queue.push(group(seq, 100, 10));
        }
        assert_eq!(taken(&queue, Patience::Wait), [1, 2]);
        for seq in 4..=5 {
            queue.push(group(seq, 1, 400_000));
        }
        queue.push(group(6, 1, 400_000));
        assert_eq!(taken(&queue, Patience::Wait), [3, 4, 5]);
        // A group that is larger than a batch is one.
        queue.push(group(7, 1000, 10));
        assert_eq!(taken(&queue, Patience::Wait), [6]);
        assert_eq!(taken(&queue, Patience::Wait), [7]);
    }

    #[test]
    fn who_needs_the_store_to_be_further_has_nothing_held_back() {
        let queue = patient();
        queue.push(group(1, 1, 10));
        queue.push(group(2, 1, 10));
        queue.hurry(Sequence(1));
        assert_eq!(taken(&queue, Patience::Wait), [1, 2]);
        // Asked for before it is there, as a group is visible before it is pushed.
        queue.hurry(Sequence(3));
        queue.push(group(3, 1, 10));
        assert_eq!(taken(&queue, Patience::Wait), [3]);
        // And while somebody gathers already.
        queue.push(group(4, 1, 10));
        std::thread::scope(|scope| {
            let gathers = scope.spawn(|| taken(&queue, Patience::Wait));
            queue.hurry(Sequence(4));
            assert_eq!(gathers.join().unwrap(), [4]);
        });
    }

    #[test]
    fn without_patience_and_when_it_is_closed_nothing_is_gathered() {
        let queue = patient();
        queue.push(group(1, 1, 10));
        assert_eq!(taken(&queue, Patience::None), [1]);
        assert!(matches!(queue.next(Patience::None), Next::Nothing));
        queue.push(group(2, 1, 10));
        queue.close();
        assert_eq!(taken(&queue, Patience::Wait), [2]);
        assert!(matches!(queue.next(Patience::Wait), Next::Over));
    }

    #[test]
    fn nobody_has_to_ask_for_what_has_waited_long_enough() {
        let queue = ApplyQueue::gathering(Duration::from_millis(1));
        queue.push(group(1, 1, 10));
        assert_eq!(taken(&queue, Patience::Wait), [1]);
    }
}
