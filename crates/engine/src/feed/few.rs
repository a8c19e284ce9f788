//! Maps that mostly have one entry.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// At least one entry, by keys without order. There are very many of these, and one entry takes
/// no memory of its own.
#[derive(Debug)]
pub(super) enum Few<K, V> {
    One(K, V),
    /// At least two.
    #[expect(
        clippy::box_collection,
        reason = "a map is three times as large as one entry"
    )]
    Many(Box<HashMap<K, V>>),
}

impl<K: Copy + Eq + Hash, V> Few<K, V> {
    pub(super) fn len(&self) -> usize {
        match self {
            Few::One(..) => 1,
            Few::Many(entries) => entries.len(),
        }
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        match self {
            Few::One(only, its) => (*only == key).then_some(its),
            Few::Many(entries) => entries.get(&key),
        }
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        match self {
            Few::One(only, its) if *only == key => *its = value,
            Few::One(..) => {
                let added = Few::Many(Box::new(HashMap::from([(key, value)])));
                if let Few::One(only, its) = mem::replace(self, added) {
                    self.insert(only, its);
                }
            }
            Few::Many(entries) => {
                entries.insert(key, value);
            }
        }
    }

    /// Removes an entry. The last cannot be: then the answer is false, and the whole must go.
    #[must_use]
    pub(super) fn remove(&mut self, key: K) -> bool {
        match self {
            Few::One(only, _) => *only != key,
            Few::Many(entries) => {
                entries.remove(&key);
                if entries.len() > 1 {
                    return true;
                }
                let last = entries.drain().next();
                if let Some((last, its)) = last {
                    *self = Few::One(last, its);
                }
                true
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        let (one, many) = match self {
            Few::One(key, value) => (Some((*key, value)), None),
            Few::Many(entries) => (None, Some(entries.iter())),
        };
        let many = many.into_iter().flatten();
        one.into_iter()
            .chain(many.map(|(key, value)| (*key, value)))
    }
}
