//! Ids that a store surely does not have, known without looking.
//!
//! The writer asks what each `set` and `insert` replaces, and mostly it is nothing. sled walks from
//! the root to a leaf to find that out; a Bloom filter (B. H. Bloom, *Space/time trade-offs in hash
//! coding with allowable errors*, 1970) says it without that walk, and where it does not know sled is
//! asked as ever. It is in memory only: an empty store knows all of its ids, and one that
//! was there before has learned them when it was scrubbed.

use std::hash::RandomState;
use std::sync::{PoisonError, RwLock};

use fastbloom::BloomFilter;
use wellspring_types::CollectionId;

/// Ids of each filter. One that is full stays as it is and the next is begun, which has room for
/// four times as many: what they take is within a few times of what so many ids need. All of them
/// take 27 MB, and hold 22 million ids.
const IDS: [usize; 6] = [1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24];
/// How often a filter that is full is wrong about an id that is absent.
const FALSE_POSITIVES: f64 = 0.01;

/// A document's collection and id.
type Place<'id> = (CollectionId, &'id str);

/// Ids that are or were in a store. Those that were deleted stay until it is opened again.
pub(super) struct Ids(RwLock<State>);

struct State {
    /// Ids that each filter has room for.
    room: &'static [usize],
    filters: Vec<BloomFilter<RandomState>>,
    /// Ids in the last of the filters.
    newest: usize,
    knows: Knows,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Knows {
    /// All that are there.
    All,
    /// Those that were added since it was opened.
    Some,
    /// There are too many.
    Nothing,
}

impl Ids {
    /// Of a store that is empty.
    pub(super) fn of_empty() -> Ids {
        Ids::new(Knows::All, &IDS)
    }

    /// Of a store that has not been read yet.
    pub(super) fn of_unread() -> Ids {
        Ids::new(Knows::Some, &IDS)
    }

    fn new(knows: Knows, room: &'static [usize]) -> Ids {
        Ids(RwLock::new(State {
            room,
            filters: Vec::new(),
            newest: 0,
            knows,
        }))
    }

    /// Notes an id, before it is written or as it is read.
    pub(super) fn add(&self, place: Place<'_>) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.knows != Knows::Nothing && !state.may_have(place) {
            state.add(place);
        }
    }

    /// Every document of the store was read and [added](Ids::add), and all that were written meanwhile;
    /// and they are those that were applied.
    pub(super) fn know_all(&self) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.knows == Knows::Some {
            state.knows = Knows::All;
        }
    }

    /// Whether the store has no such document. `false` says nothing.
    pub(super) fn surely_lack(&self, place: Place<'_>) -> bool {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.knows == Knows::All && !state.may_have(place)
    }
}

impl State {
    fn add(&mut self, place: Place<'_>) {
        let last = self.filters.len().checked_sub(1);
        let room = last.and_then(|last| self.room.get(last));
        if room.is_none_or(|room| self.newest == *room) {
            let Some(room) = self.room.get(self.filters.len()) else {
                self.knows = Knows::Nothing;
                self.filters = Vec::new();
                return;
            };
            let filter = BloomFilter::with_false_pos(FALSE_POSITIVES).hasher(RandomState::new());
            self.filters.push(filter.expected_items(*room));
            self.newest = 0;
        }
        if let Some(filter) = self.filters.last_mut() {
            filter.insert(&place);
            self.newest += 1;
        }
    }

    fn may_have(&self, place: Place<'_>) -> bool {
        // Most are in the last, which is the largest.
        let mut filters = self.filters.iter().rev();
        filters.any(|filter| filter.contains(&place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLLECTION: CollectionId = CollectionId(7);

    fn add(ids: &Ids, numbers: std::ops::Range<u32>) {
        for number in numbers {
            ids.add((COLLECTION, &number.to_string()));
        }
    }

    fn lacked(ids: &Ids, numbers: std::ops::Range<u32>) -> usize {
        let lacks = |number: &u32| ids.surely_lack((COLLECTION, &number.to_string()));
        numbers.filter(lacks).count()
    }

    #[test]
    fn an_id_that_is_there_is_never_said_to_lack_and_one_that_is_not_mostly_is() {
        let ids = Ids::of_empty();
        assert_eq!(lacked(&ids, 0..1000), 1000);
        // Over two of the bounds.
        add(&ids, 0..100_000);
        assert_eq!(lacked(&ids, 0..100_000), 0);
        let absent = lacked(&ids, 100_000..200_000);
        assert!(absent > 95_000, "{absent}");
        assert!(ids.surely_lack((CollectionId(8), "1")) || ids.surely_lack((CollectionId(8), "2")));
    }

    #[test]
    fn who_has_not_read_all_says_nothing() {
        let ids = Ids::of_unread();
        add(&ids, 0..10);
        assert_eq!(lacked(&ids, 0..1000), 0);
        ids.know_all();
        assert_eq!(lacked(&ids, 0..10), 0);
        assert!(lacked(&ids, 10..1000) > 900);
    }

    #[test]
    fn who_has_seen_too_many_says_nothing_ever_again() {
        let ids = Ids::new(Knows::All, &[4, 16]);
        add(&ids, 0..4 + 16);
        assert!(lacked(&ids, 100..200) > 50);
        add(&ids, 20..1000);
        ids.know_all();
        assert_eq!(lacked(&ids, 0..10_000), 0);
    }

    #[test]
    fn an_id_that_comes_again_takes_no_room() {
        let ids = Ids::new(Knows::All, &[64]);
        for _ in 0..100 {
            add(&ids, 0..10);
        }
        assert!(lacked(&ids, 10..1000) > 900);
    }
}
