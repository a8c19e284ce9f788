//! A small cache with a budget: what was used longest ago makes room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use wellspring_types::Sequence;

/// Values by the first commit of their segment. There are few of them, so that a scan finds them
/// faster than anything cleverer.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    entries: Mutex<VecDeque<Entry<V>>>,
    budget: usize,
}

#[derive(Debug)]
struct Entry<V> {
    segment: Sequence,
    value: Arc<V>,
    cost: usize,
}

impl<V> Cache<V> {
    /// A cache whose values cost at most `budget` together; one alone may cost more.
    pub(crate) fn new(budget: usize) -> Cache<V> {
        Cache {
            entries: Mutex::new(VecDeque::new()),
            budget,
        }
    }

    pub(crate) fn get(&self, segment: Sequence) -> Option<Arc<V>> {
        // Nothing panics while it holds this lock; the entries are whole whatever happened.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let place = entries.iter().position(|entry| entry.segment == segment)?;
        let entry = entries.remove(place)?;
        let value = Arc::clone(&entry.value);
        entries.push_front(entry);
        Some(value)
    }

    pub(crate) fn put(&self, segment: Sequence, value: Arc<V>, cost: usize) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.segment != segment);
        entries.push_front(Entry {
            segment,
            value,
            cost,
        });
        while entries.len() > 1
            && entries.iter().map(|entry| entry.cost).sum::<usize>() > self.budget
        {
            entries.pop_back();
        }
    }

    /// Forgets the values of segments before the one that begins with `first`.
    pub(crate) fn forget_before(&self, first: Sequence) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.segment >= first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let cache = Cache::new(2);
        for segment in [1, 2] {
            cache.put(Sequence(segment), Arc::new(segment), 1);
        }
        assert_eq!(cache.get(Sequence(1)).as_deref(), Some(&1));
        cache.put(Sequence(3), Arc::new(3), 1);
        assert_eq!(cache.get(Sequence(2)), None);
        assert_eq!(cache.get(Sequence(1)).as_deref(), Some(&1));
        assert_eq!(cache.get(Sequence(3)).as_deref(), Some(&3));
    }

    #[test]
    fn one_that_costs_more_than_the_budget_is_alone() {
        let cache = Cache::new(2);
        cache.put(Sequence(1), Arc::new(1), 1);
        cache.put(Sequence(2), Arc::new(2), 9);
        assert_eq!(cache.get(Sequence(1)), None);
        assert_eq!(cache.get(Sequence(2)).as_deref(), Some(&2));
    }
}
