//! Passes over the log, each for all subscriptions of the same collections that are about as far
//! behind.
//!
//! A subscription that is behind takes a seat: a queue that a pass fills with what it finds. Those
//! who are from 4<sup>n</sup> to 4<sup>n+1</sup> commits behind wait for each other, so that nobody
//! waits for a reading that is much longer than its own, and all together read little more than
//! the one furthest behind. A pass begins where the first of its passengers does, takes in the
//! others as it comes to their places, finds who sees a change by a filter index, as the hub does,
//! and hands its passengers over to the hub once it is level with that. Who came too late to be
//! taken in waits for the next pass; once more wait than ride, this one turns back for them.
//!
//! Nobody is waited for. A passenger whose queue is full is put down, and reads the log on its own
//! from there ([`catch_up`](super::catch_up)) for as long as it is sent much of what it reads: then
//! reading for it alone is a small part of what it costs. So is, after a chunk, one that rides alone and
//! is sent much of it: nobody shares that reading.
//!
//! One worker drives all passes, a chunk at a time, the nearest to its end first, and rests while commits come
//! ([`pace`]).

mod pace;
mod pass;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use wellspring_types::{CollectionSet, Sequence};

use super::audience::Member;
use super::hub::Hub;
use super::queue::Queue;
use crate::executor::{Next, Patience, Turn, Worker};
use crate::read::Sources;
use crate::statistics::Tracker;

use pace::Pace;
use pass::{Pass, Route};

/// How far behind: the power of four of a number of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stretch(u32);

/// A subscription that takes part in a pass.
pub(super) struct Passenger {
    pub(super) member: Member,
    /// It wants what comes behind this.
    pub(super) after: Sequence,
    pub(super) queue: Arc<Queue>,
    /// Whether it is to be told how far it is, once it has come on.
    pub(super) asks: bool,
}

/// Where subscriptions that are behind wait for a pass.
pub(crate) struct Passes {
    // Held for a few operations on maps and lists, never while the log is read.
    lines: Mutex<Lines>,
    changed: Condvar,
    hub: Arc<Hub>,
    read: Sources,
    tracker: Arc<Tracker>,
}

#[derive(Default)]
struct Lines {
    all: HashMap<Key, Line>,
    /// The keys of `all`, each once, but for the one that the worker is busy with.
    turns: Turns,
    is_closed: bool,
}

type Key = (CollectionSet, Stretch);

/// Passes that wait for their turn. There may be as many as there are collections, and who joins waits
/// for the lock that they are under: nothing here looks at all of them.
#[derive(Default)]
struct Turns {
    /// By when they began to wait, with their places.
    waiting: BTreeMap<u64, (Sequence, Key)>,
    /// The same by their places.
    places: BTreeSet<(Sequence, u64)>,
    /// How many have begun to wait.
    tickets: u64,
    /// Turns so far.
    taken: u64,
}

/// Those who go the same way.
#[derive(Default)]
struct Line {
    /// What they want, in the order in which they said so.
    wishes: Vec<Wish>,
    /// Who wants that there be a pass; `None` while the worker is busy with it.
    pass: Option<Box<Pass>>,
}

/// What a subscription wants of its pass.
enum Wish {
    Join(Passenger),
    /// The word how far it is by now.
    Checkpoint(Passenger),
    Leave(Passenger),
}

/// One turn of so many goes to each pass in turn, however near the others are to their ends.
const NEAREST_FIRST: u64 = 4;

impl Turns {
    fn push(&mut self, place: Sequence, key: Key) {
        self.tickets += 1;
        self.waiting.insert(self.tickets, (place, key));
        self.places.insert((place, self.tickets));
    }

    /// The pass that is nearest to its end: so that as few as can be go after commits that come at
    /// the same time, and nobody waits for who is further behind.
    fn next(&mut self) -> Option<Key> {
        self.taken += 1;
        let ticket = if self.taken.is_multiple_of(NEAREST_FIRST) {
            *self.waiting.first_key_value()?.0
        } else {
            self.places.last()?.1
        };
        let (place, key) = self.waiting.remove(&ticket)?;
        self.places.remove(&(place, ticket));
        Some(key)
    }
}

impl Stretch {
    fn of(commits: u64) -> Stretch {
        Stretch(commits.max(1).ilog2() / 2)
    }
}

impl Passes {
    pub(crate) fn new(hub: Arc<Hub>, read: Sources, tracker: Arc<Tracker>) -> Passes {
        Passes {
            lines: Mutex::default(),
            changed: Condvar::new(),
            hub,
            read,
            tracker,
        }
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Has a pass fill the queue of a passenger; says which one, for later wishes.
    pub(super) fn join(&self, collections: &CollectionSet, passenger: Passenger) -> Stretch {
        let visible = self.read.visible.sequence();
        let stretch = Stretch::of(visible.0.saturating_sub(passenger.after.0));
        let mut lines = self.lines.lock();
        if lines.is_closed {
            drop(lines);
            passenger.put_down();
            return stretch;
        }
        let (key, after) = ((collections.clone(), stretch), passenger.after);
        if let Some(line) = lines.all.get_mut(&key) {
            line.wishes.push(Wish::Join(passenger));
        } else {
            let line = Line {
                wishes: vec![Wish::Join(passenger)],
                pass: Some(Box::new(Pass::new(collections.clone()))),
            };
            lines.all.insert(key.clone(), line);
            lines.turns.push(after, key);
            self.changed.notify_one();
        }
        stretch
    }

    /// Puts a checkpoint into the passenger's queue, behind all that is in it, once the pass has
    /// come on with it.
    pub(super) fn checkpoint(&self, place: (&CollectionSet, Stretch), passenger: Passenger) {
        self.wish(place, Wish::Checkpoint(passenger));
    }

    /// Goes on without a passenger whose queue was abandoned.
    pub(super) fn leave(&self, place: (&CollectionSet, Stretch), passenger: Passenger) {
        self.wish(place, Wish::Leave(passenger));
    }

    fn wish(&self, (collections, stretch): (&CollectionSet, Stretch), wish: Wish) {
        let mut lines = self.lines.lock();
        // Without a line the pass has come to its end, and with it the wish.
        if let Some(line) = lines.all.get_mut(&(collections.clone(), stretch)) {
            line.wishes.push(wish);
        }
    }

    /// Puts down all passengers, and all who come later: each reads for itself.
    pub(crate) fn close(&self) {
        let mut lines = self.lines.lock();
        lines.is_closed = true;
        let over = std::mem::take(&mut lines.all);
        lines.turns = Turns::default();
        drop(lines);
        self.changed.notify_all();
        // Passes put down theirs when they are dropped.
        for wish in over.into_values().flat_map(|line| line.wishes) {
            if let Wish::Join(passenger) = wish {
                passenger.put_down();
            }
        }
    }

    /// The pass whose turn it is, with what is wished of it.
    fn take(&self, patience: Patience) -> Next<(Key, Box<Pass>, Vec<Wish>)> {
        let mut lines = self.lines.lock();
        loop {
            if lines.is_closed {
                return Next::Over;
            }
            if let Some(key) = lines.turns.next()
                && let Some(line) = lines.all.get_mut(&key)
                && let Some(pass) = line.pass.take()
            {
                let wishes = std::mem::take(&mut line.wishes);
                return Next::Found((key, pass, wishes));
            }
            if patience == Patience::None {
                return Next::Nothing;
            }
            self.changed.wait(&mut lines);
        }
    }

    /// Puts a pass that had its turn behind the others, unless nobody wants it any more.
    fn put_back(&self, key: Key, pass: Box<Pass>) {
        let mut lines = self.lines.lock();
        let Some(line) = lines.all.get_mut(&key) else {
            return drop(lines); // Closed meanwhile: the pass is dropped, without the lock.
        };
        if pass.is_over() && line.wishes.is_empty() {
            lines.all.remove(&key);
            return;
        }
        let position = pass.place();
        line.pass = Some(pass);
        lines.turns.push(position, key);
    }

    fn rest(&self, duration: Duration) {
        let until = Instant::now() + duration;
        let mut lines = self.lines.lock();
        while !lines.is_closed && !self.changed.wait_until(&mut lines, until).timed_out() {}
    }

    fn turn(&self, pace: &mut Pace, patience: Patience) -> Turn {
        let (key, mut pass, wishes) = match self.take(patience) {
            Next::Found(found) => found,
            Next::Nothing => return Turn::Idle,
            Next::Over => return Turn::Over,
        };
        let began = Instant::now();
        for wish in wishes {
            pass.wish(wish);
        }
        let came = pass.turn(&Route {
            read: &self.read,
            hub: &self.hub,
            tracker: &self.tracker,
        });
        self.put_back(key, pass);
        if patience == Patience::Wait {
            let now = (Instant::now(), self.read.visible.sequence());
            let rest = pace.rest(began.elapsed(), now, came);
            if !rest.is_zero() {
                self.rest(rest);
            }
        }
        Turn::Done
    }
}

/// Drives passes until they are closed. However it ends, nobody waits for them any more.
pub(crate) struct PassesWorker {
    passes: Arc<Passes>,
    pace: Pace,
}

impl PassesWorker {
    pub(crate) fn new(passes: Arc<Passes>) -> PassesWorker {
        PassesWorker {
            passes,
            pace: Pace::default(),
        }
    }
}

impl Worker for PassesWorker {
    fn turn(&mut self, patience: Patience) -> Turn {
        let turn = || self.passes.turn(&mut self.pace, patience);
        catch_unwind(AssertUnwindSafe(turn)).unwrap_or_else(|_panic| {
            tracing::error!("a pass over the log panicked; who catches up reads for itself now");
            self.passes.close();
            Turn::Over
        })
    }
}

impl Passenger {
    /// Has it read on for itself from where it came in.
    fn put_down(&self) {
        self.queue.leave(self.after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        let pattern = name.parse().unwrap();
        (CollectionSet::matching([pattern]).unwrap(), Stretch(0))
    }

    #[test]
    fn turns_go_to_who_is_nearest_to_its_end_and_now_and_then_to_who_has_waited_longest() {
        let mut turns = Turns::default();
        let places = [("far", 1), ("near", 9), ("middle", 5)];
        for (name, place) in places {
            turns.push(Sequence(place), key(name));
        }
        let mut taken = Vec::new();
        for _turn in 0..8 {
            let next = turns.next().unwrap();
            let name = *places.iter().find(|(name, _)| key(name) == next).unwrap();
            turns.push(Sequence(name.1), next);
            taken.push(name.0);
        }
        let far = ["near", "near", "near", "far"];
        let middle = ["near", "near", "near", "middle"];
        assert_eq!(taken, [far, middle].concat());
        for name in ["near", "middle", "far"] {
            turns.taken = 0;
            assert_eq!(turns.next(), Some(key(name)));
        }
        assert_eq!(turns.next(), None);
        assert!(turns.places.is_empty() && turns.waiting.is_empty());
    }
}
