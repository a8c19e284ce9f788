//! One pass over the log, and its passengers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use wellspring_log::ReadError::BeforeOldest;
use wellspring_types::{CollectionSet, Sequence};

use super::pace::Came;
use super::{Passenger, Wish};
use crate::commit::{Commit, DocumentChange};
use crate::feed::audience::{Audience, HandedOut, Member};
use crate::feed::forms::{Forms, Memory};
use crate::feed::hub::Hub;
use crate::feed::queue::{Filler, Queue, Wakes};
use crate::feed::reading::Reading;
use crate::read::{ReadError, Sources};
use crate::seeded::SeededBug;
use crate::statistics::{Scanned, Tracker};

/// Bytes that a turn reads and puts into queues. Other passes wait so long, and so do wishes.
const TURN_BYTES: usize = 512 << 10;
/// Passengers that are handed over to the hub in a turn: the hub stands still so long.
const HANDED_OVER_MAX: usize = 512;
/// Commits that are read at most while the hub stands still.
const AHEAD_MAX: u64 = 1_000;

/// What a pass works with.
pub(super) struct Route<'a> {
    pub(super) read: &'a Sources,
    pub(super) hub: &'a Hub,
    pub(super) tracker: &'a Tracker,
}

/// One reading of the log, and again, as long as there are passengers.
pub(super) struct Pass {
    collections: CollectionSet,
    /// Everything up to here was read, and is in the queues of those on board. Before the first
    /// reading it is past everything.
    position: Sequence,
    /// Those on board, by what they see.
    audience: Audience,
    /// The same, and some who are not on board any more, in the order in which they came.
    on_board: VecDeque<Member>,
    /// Some of those on board were handed over, and the others are to be before it goes back.
    hands_over: bool,
    /// Those whose places it will come to, by these.
    ahead: Waiting,
    /// Those whose places it was past when they came, for the next.
    behind: Waiting,
    /// Those on board who are to be told at the end of the turn how far they are.
    asked: Vec<Member>,
    reading: Option<(Reading, Sequence)>,
}

/// Passengers that are not on board, by where they want to go on and by their numbers.
type Waiting = BTreeMap<(Sequence, u64), Passenger>;

impl Pass {
    /// Without a passenger it is over.
    pub(super) fn new(collections: CollectionSet) -> Pass {
        Pass {
            collections,
            position: Sequence(u64::MAX),
            audience: Audience::default(),
            on_board: VecDeque::new(),
            hands_over: false,
            ahead: Waiting::new(),
            behind: Waiting::new(),
            asked: Vec::new(),
            reading: None,
        }
    }

    /// Where it goes on from.
    pub(super) fn place(&self) -> Sequence {
        if !self.audience.is_empty() {
            return self.position;
        }
        let waiting = [&self.ahead, &self.behind].into_iter();
        let first = waiting.flat_map(Waiting::first_key_value).next();
        first.map_or(Sequence::ZERO, |(&(first, _), _)| first)
    }

    pub(super) fn is_over(&self) -> bool {
        self.audience.is_empty() && self.ahead.is_empty() && self.behind.is_empty()
    }

    pub(super) fn wish(&mut self, wish: Wish) {
        match wish {
            Wish::Join(passenger) => {
                let waiting = if passenger.after < self.position {
                    &mut self.behind
                } else {
                    &mut self.ahead
                };
                waiting.insert(passenger.place(), passenger);
            }
            Wish::Checkpoint(passenger) => match self.waiting(&passenger) {
                Some(waiting) => waiting.asks = true,
                None => self.asked.push(passenger.member),
            },
            Wish::Leave(passenger) => {
                let waiting = [&mut self.ahead, &mut self.behind];
                let was_waiting = waiting
                    .into_iter()
                    .any(|waiting| waiting.remove(&passenger.place()).is_some());
                if !was_waiting {
                    self.audience.remove(&passenger.member);
                }
            }
        }
    }

    fn waiting(&mut self, passenger: &Passenger) -> Option<&mut Passenger> {
        let place = passenger.place();
        let ahead = self.ahead.get_mut(&place);
        ahead.or_else(|| self.behind.get_mut(&place))
    }

    /// Tells those who asked how far they are. Not before the turn is over: who asks again and
    /// again, by a new subscription each time, is to come on all the same.
    fn answer(&mut self) {
        for member in self.asked.drain(..) {
            if let Some(queue) = self.audience.queue(&member) {
                queue.push_checkpoint(self.position);
                queue.wake();
            }
        }
    }

    /// Reads on for a while, and hands passengers over to the hub once it is level with that.
    pub(super) fn turn(&mut self, route: &Route<'_>) -> Came {
        let visible = route.read.visible.sequence();
        if self.audience.is_empty() {
            self.set_out(route.tracker);
        } else if !self.hands_over && self.behind.len() > self.on_board.len() {
            self.turn_back();
        }
        let began = self.position;
        if self.position < visible && !self.audience.is_empty() {
            self.read(route, visible);
        }
        self.answer();
        if self.position < visible {
            return Came::On(self.position.0.saturating_sub(began.0));
        }
        if !self.audience.is_empty() {
            self.hand_over(route);
        }
        Came::ToTheEnd
    }

    /// Goes to where the first of those who wait wants to go on.
    fn set_out(&mut self, tracker: &Tracker) {
        self.on_board.clear();
        self.hands_over = false;
        self.reading = None;
        let begins = self.ahead.is_empty();
        if begins {
            self.ahead = std::mem::take(&mut self.behind);
        }
        let Some((&(first, _), _)) = self.ahead.first_key_value() else {
            return;
        };
        if begins {
            tracker.pass_began();
        }
        self.position = first;
        self.board(first);
    }

    /// Goes back for those whose places it was past when they came, with all on board: what their
    /// queues have they do not take again. When there are more of them than on board, and nobody was
    /// handed over yet: so it comes to its end however many come one after the other, having turned
    /// back a few times, each with twice as many at least.
    fn turn_back(&mut self) {
        self.ahead.append(&mut self.behind);
        if let Some((&(first, _), _)) = self.ahead.first_key_value() {
            self.reading = None;
            self.position = first;
            self.board(first);
        }
    }

    /// Takes in those who want to go on at `place` or before.
    fn board(&mut self, place: Sequence) {
        while let Some(entry) = self.ahead.first_entry()
            && entry.key().0 <= place
        {
            let passenger = entry.remove();
            let Passenger { member, queue, .. } = passenger;
            if passenger.asks {
                self.asked.push(member.clone());
            }
            self.audience.insert(&member, queue);
            self.on_board.push_back(member);
        }
    }

    fn read(&mut self, route: &Route<'_>, visible: Sequence) {
        let mut scanned = Scanned::default();
        let mut to_wake = Vec::new();
        let was_alone = self.rides_alone();
        let read = self.read_chunk(route.read, visible, (&mut scanned, &mut to_wake));
        let read_bytes = scanned.bytes;
        route.tracker.caught_up(scanned);
        for queue in to_wake {
            queue.wake();
        }
        match read {
            Err(error) => self.put_down(&error),
            Ok(queued) => {
                let is_dense = queued >= read_bytes / 2;
                if was_alone && is_dense && self.position < visible && self.rides_alone() {
                    self.put_down_all();
                }
            }
        }
    }

    /// Whether it reads for one passenger alone, and nobody is to come on board. One who is told
    /// what all of it comes to has reason to ride on.
    fn rides_alone(&self) -> bool {
        let mut queues = self.audience.queues();
        let only = queues.next().filter(|_| queues.next().is_none());
        only.is_some_and(|queue| queue.filler() == Filler::Pass(Wakes::Soon))
            && self.ahead.is_empty()
            && self.behind.is_empty()
    }

    /// Reads a chunk; returns how many bytes went into queues.
    fn read_chunk(
        &mut self,
        sources: &Sources,
        visible: Sequence,
        (scanned, to_wake): (&mut Scanned, &mut Vec<Arc<Queue>>),
    ) -> Result<usize, ReadError> {
        let mut queued = 0;
        while scanned.bytes + queued < TURN_BYTES
            && self.position < visible
            && !self.audience.is_empty()
        {
            let reading = self.reading.take();
            let (mut reading, through) = reading.unwrap_or_else(|| {
                let range = (self.position, visible);
                (Reading::new(sources, &self.collections, range), visible)
            });
            let Some(commit) = reading.next(sources) else {
                self.position = through;
                self.board(through);
                continue;
            };
            let commit = commit?;
            scanned.add(&commit);
            self.board(Sequence(commit.seq.0 - 1));
            let changes: Vec<_> = reading.changes(&commit).collect();
            queued += self.hand_out(&commit, &changes, to_wake);
            self.position = commit.seq;
            self.reading = Some((reading, through));
        }
        Ok(queued)
    }

    /// Returns how many bytes went into queues.
    fn hand_out(
        &mut self,
        commit: &Commit,
        changes: &[&DocumentChange],
        to_wake: &mut Vec<Arc<Queue>>,
    ) -> usize {
        let mut handed_out = HandedOut::default();
        let forms = Forms::new(commit, changes, Memory::Log);
        self.audience.hand_out(forms, &mut handed_out);
        to_wake.append(&mut handed_out.to_wake);
        for full in handed_out.full {
            self.audience.remove(&full);
        }
        handed_out.bytes
    }

    /// Puts down all for whom the log cannot be read: each finds out for itself what that means to
    /// it.
    fn put_down(&mut self, error: &ReadError) {
        tracing::debug!(%error, "a pass puts down its passengers");
        if let ReadError::Log(BeforeOldest { oldest, .. }) = error {
            self.board(Sequence(oldest.0.saturating_sub(2)));
        }
        self.put_down_all();
    }

    fn put_down_all(&mut self) {
        let audience = std::mem::take(&mut self.audience);
        audience
            .queues()
            .for_each(|queue| queue.leave(self.position));
    }

    /// Reads what the hub was handed out meanwhile, while it stands still, and has it take over some
    /// passengers. Commits may come so fast that there is no other moment when both are level.
    fn hand_over(&mut self, route: &Route<'_>) {
        let held = route.hub.hold();
        let ahead = held.handed_out.0.saturating_sub(self.position.0);
        if ahead > AHEAD_MAX {
            return;
        }
        if ahead > 0 && !route.read.bugs.has(SeededBug::DropAtSwitch) {
            self.read(route, held.handed_out);
            if self.position < held.handed_out {
                return; // Too much for a moment, or the log cannot be read.
            }
        }
        self.hands_over = true;
        let count = self.on_board.len().min(HANDED_OVER_MAX);
        let leaving = self.on_board.drain(..count);
        let leaving = leaving.filter_map(|member| {
            let queue = self.audience.remove(&member)?;
            Some((member, queue))
        });
        held.take_over(&self.collections, self.position, leaving);
    }
}

impl Passenger {
    fn place(&self) -> (Sequence, u64) {
        (self.after, self.member.id)
    }
}

impl Drop for Pass {
    /// Nobody waits for what does not come any more.
    fn drop(&mut self) {
        self.put_down_all();
        let waiting = self.ahead.values().chain(self.behind.values());
        waiting.for_each(Passenger::put_down);
    }
}
