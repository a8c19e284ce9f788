//! What is still offered of single collections, in few numbers: where a floor may come to stand.

use std::collections::{BTreeMap, HashMap, VecDeque};

use wellspring_types::{CollectionId, CollectionPath, Sequence, Timestamp};

use crate::options::CollectionRetention;

/// A mark takes changes until it has this part of what is to be offered: so a floor moves by steps
/// of about as much.
const STEPS: u64 = 8;
/// Marks of one collection; the two oldest become one when there are more, as while floors cannot
/// be moved.
const MARKS_MAX: usize = 64;

/// Changes of the collections that have a setting of their own, fed with every commit in order.
pub(super) struct Marks {
    settings: Vec<CollectionRetention>,
    /// The setting of each collection that was met.
    setting_of: HashMap<CollectionId, Option<usize>>,
    of: BTreeMap<CollectionId, Offered>,
}

/// The changes of one collection that are above its floor.
struct Offered {
    setting: usize,
    marks: VecDeque<Mark>,
    changes: u64,
}

/// Changes in a row.
#[derive(Clone, Copy, Debug)]
struct Mark {
    first_time: Timestamp,
    last: Sequence,
    last_time: Timestamp,
    changes: u64,
}

impl Marks {
    pub(super) fn new(settings: Vec<CollectionRetention>) -> Marks {
        Marks {
            settings,
            setting_of: HashMap::new(),
            of: BTreeMap::new(),
        }
    }

    /// Whether there is nothing to do, ever.
    pub(super) fn is_idle(&self) -> bool {
        self.settings.is_empty()
    }

    /// Takes note of a change. `path` is asked once for each collection.
    pub(super) fn note(
        &mut self,
        collection: CollectionId,
        (seq, time): (Sequence, Timestamp),
        path: impl FnOnce() -> Option<CollectionPath>,
    ) {
        let settings = &self.settings;
        let setting = *self.setting_of.entry(collection).or_insert_with(|| {
            let path = path()?;
            let mut settings = settings.iter();
            settings.position(|setting| setting.collections.matches(&path))
        });
        let Some(setting) = setting else { return };
        let offered = self.of.entry(collection).or_insert_with(|| Offered {
            setting,
            marks: VecDeque::new(),
            changes: 0,
        });
        offered.note(&self.settings[setting], seq, time);
    }

    /// The collections whose floors should move, and where to, in the order of their numbers;
    /// `count` at most. `last_time` is that of the newest commit, `floor` tells where a floor is.
    pub(super) fn due(
        &mut self,
        last_time: Timestamp,
        count: usize,
        floor: impl Fn(CollectionId) -> Sequence,
    ) -> Vec<(CollectionId, Sequence)> {
        let settings = &self.settings;
        self.of.retain(|id, offered| {
            offered.forget(floor(*id));
            !offered.marks.is_empty()
        });
        let due = self.of.iter().filter_map(|(id, offered)| {
            let wanted = offered.wanted(&settings[offered.setting], last_time)?;
            Some((*id, wanted))
        });
        due.take(count).collect()
    }
}

impl Offered {
    fn note(&mut self, setting: &CollectionRetention, seq: Sequence, time: Timestamp) {
        self.changes += 1;
        if let Some(mark) = self.marks.back_mut()
            && (mark.last == seq || mark.takes(setting, time))
        {
            mark.last = seq;
            mark.last_time = time;
            mark.changes += 1;
            return;
        }
        self.marks.push_back(Mark {
            first_time: time,
            last: seq,
            last_time: time,
            changes: 1,
        });
        if self.marks.len() > MARKS_MAX
            && let (Some(oldest), Some(next)) = (self.marks.pop_front(), self.marks.front_mut())
        {
            next.first_time = oldest.first_time;
            next.changes += oldest.changes;
        }
    }

    fn forget(&mut self, floor: Sequence) {
        while let Some(mark) = self.marks.front().filter(|mark| mark.last <= floor) {
            self.changes -= mark.changes;
            self.marks.pop_front();
        }
    }

    /// The end of the last mark that is old enough, or that is not needed to offer enough.
    fn wanted(&self, setting: &CollectionRetention, last_time: Timestamp) -> Option<Sequence> {
        let mut left = self.changes;
        let mut wanted = None;
        for mark in &self.marks {
            left -= mark.changes;
            let age_ms = last_time
                .as_millis()
                .saturating_sub(mark.last_time.as_millis());
            let too_old = setting.age_ms_max.is_some_and(|most| age_ms > most);
            let too_many = setting.changes_max.is_some_and(|most| left >= most);
            if !too_old && !too_many {
                break;
            }
            wanted = Some(mark.last);
        }
        wanted
    }
}

impl Mark {
    /// Whether one more change at this time makes no more than a step.
    fn takes(&self, setting: &CollectionRetention, time: Timestamp) -> bool {
        let span_ms = time.as_millis().saturating_sub(self.first_time.as_millis());
        let short = setting
            .age_ms_max
            .is_none_or(|most| span_ms <= most / STEPS);
        let few = setting
            .changes_max
            .is_none_or(|most| self.changes < most / STEPS);
        short && few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: CollectionId = CollectionId(3);

    fn marks(age_ms_max: Option<u64>, changes_max: Option<u64>) -> Marks {
        let collections = "rooms/*/messages".parse().unwrap();
        Marks::new(vec![CollectionRetention {
            collections,
            age_ms_max,
            changes_max,
        }])
    }

    fn note(marks: &mut Marks, seq: u64, time: u64) {
        let path = || Some("rooms/42/messages".parse().unwrap());
        marks.note(ROOMS, (Sequence(seq), Timestamp::from_millis(time)), path);
    }

    fn due(marks: &mut Marks, last_time: u64, floor: u64) -> Option<u64> {
        let last_time = Timestamp::from_millis(last_time);
        let due = marks.due(last_time, 500, |_| Sequence(floor));
        assert!(due.len() <= 1 && due.iter().all(|(id, _)| *id == ROOMS));
        due.first().map(|(_, seq)| seq.0)
    }

    #[test]
    fn changes_go_by_their_age_against_the_newest_commit() {
        let mut marks = marks(Some(800), None);
        for n in 0..10 {
            note(&mut marks, n + 1, n * 200);
        }
        assert_eq!(due(&mut marks, 800, 0), None, "just as old as allowed");
        assert_eq!(due(&mut marks, 801, 0), Some(1));
        assert_eq!(due(&mut marks, 1800, 0), Some(5));
        assert_eq!(due(&mut marks, 1800, 5), None, "the floor is there");
        assert_eq!(due(&mut marks, 9000, 5), Some(10));
    }

    #[test]
    fn at_least_as_many_changes_as_were_asked_for_are_offered() {
        let mut marks = marks(None, Some(80));
        let mut floor = 0;
        for n in 1..=10_000 {
            note(&mut marks, n, 0);
            if let Some(wanted) = due(&mut marks, 0, floor) {
                assert!(wanted - floor >= 10, "a step that is worth a commit");
                floor = wanted;
            }
            assert!(n < 80 || n - floor >= 80, "{n}: {floor}");
            assert!(n - floor <= 90, "{n}: {floor}");
        }
    }

    #[test]
    fn a_database_at_rest_comes_to_rest() {
        for (age, changes) in [
            (Some(0), None),
            (Some(70), None),
            (None, Some(0)),
            (None, Some(9)),
        ] {
            let mut marks = marks(age, changes);
            for n in 1..=100 {
                note(&mut marks, n, n * 10);
            }
            // The commits that move the floor have the time of the last, and no change of it.
            let mut floor = 0;
            for _ in 0..3 {
                floor = due(&mut marks, 1000, floor).unwrap_or(floor);
            }
            assert_eq!(due(&mut marks, 1000, floor), None);
            assert!(floor > 80);
        }
    }

    #[test]
    fn whatever_happens_memory_is_bounded() {
        let mut marks = marks(Some(8), Some(8));
        for n in 1..=100_000 {
            note(&mut marks, n, n * 1000);
        }
        assert!(marks.of[&ROOMS].marks.len() <= MARKS_MAX);
        assert_eq!(marks.of[&ROOMS].changes, 100_000);
        assert_eq!(due(&mut marks, 100_000_000, 0), Some(99_999));
    }

    #[test]
    fn a_commit_is_never_cut() {
        let mut marks = marks(None, Some(4));
        for n in 0..60 {
            note(&mut marks, n / 20 + 1, 0);
        }
        assert_eq!(due(&mut marks, 0, 0), Some(2));
    }

    #[test]
    fn other_collections_are_left_alone() {
        let mut marks = marks(Some(0), None);
        let path = || Some("rooms".parse().unwrap());
        let at = |n| (Sequence(n), Timestamp::from_millis(n));
        marks.note(CollectionId(7), at(1), path);
        marks.note(CollectionId(8), at(2), || {
            CollectionPath::from_stored("__floors").ok()
        });
        let due = marks.due(Timestamp::from_millis(99), 500, |_| Sequence::ZERO);
        assert_eq!(due, []);
        assert!(marks.of.is_empty());
    }
}
