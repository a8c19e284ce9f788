//! JSON objects.

use std::hash::{Hash, Hasher};

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::{JsonError, Value, check_depth, write_string};

/// A JSON object: unique keys, in the order they were written. Equality and hash do not look at
/// that order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object(Box<IndexMap<Box<str>, Value>>);

// The map is boxed for the sake of every value that is not an object: a request of many small
// values must not become many times as large in memory.
const _: () = assert!(size_of::<Value>() <= 3 * size_of::<usize>());

impl Object {
    /// An empty object.
    #[must_use]
    pub fn new() -> Object {
        Object::default()
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.get_mut(key)
    }

    /// Sets `key`, and returns what it was before: in its old place if it was there, else as the
    /// last.
    pub fn insert(&mut self, key: impl Into<Box<str>>, value: impl Into<Value>) -> Option<Value> {
        self.0.insert(key.into(), value.into())
    }

    /// Adds `key` unless it is there; then it is given back.
    pub(super) fn insert_new(&mut self, key: Box<str>, value: Value) -> Result<(), Box<str>> {
        match self.0.entry(key) {
            Entry::Occupied(entry) => Err(entry.key().clone()),
            Entry::Vacant(entry) => {
                entry.insert(value);
                Ok(())
            }
        }
    }

    /// Gives up memory for further members.
    pub(super) fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Removes `key`; the others keep their order, which takes time in proportion to their number.
    /// To remove many, see [`Object::retain`].
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.shift_remove(key)
    }

    /// Keeps the members that `keep` says, in their order, in one pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.0.retain(|key, value| keep(key, value));
    }

    /// The members in their order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }

    /// The keys in their order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.values()
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has the member `key`.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The place of `key` in the order of keys.
    pub(crate) fn position(&self, key: &str) -> Option<usize> {
        self.0.get_index_of(key)
    }

    /// The member at a place in the order of keys.
    pub(crate) fn member(&self, position: usize) -> Option<(&str, &Value)> {
        self.0
            .get_index(position)
            .map(|(key, value)| (key.as_ref(), value))
    }

    /// The members by the bytes of their keys.
    pub(super) fn sorted(&self) -> Vec<(&str, &Value)> {
        let mut members: Vec<_> = self.iter().collect();
        members.sort_unstable_by_key(|(key, _)| *key);
        members
    }

    /// Appends the object as JSON; see [`Value::write`].
    pub fn write(&self, out: &mut String) {
        out.push('{');
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_string(out, key);
            out.push(':');
            value.write(out);
        }
        out.push('}');
    }

    /// Checks that it is not nested more deeply than a document may be.
    ///
    /// # Errors
    /// If it has more than [`crate::limits::DEPTH_MAX`] levels, itself being the first.
    pub fn check_depth(&self) -> Result<(), JsonError> {
        check_depth(self.values(), crate::limits::DEPTH_MAX)
    }
}

impl Hash for Object {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sorted().hash(state);
    }
}

/// The members of an [`Object`] in their order.
#[derive(Clone, Debug)]
pub struct Iter<'a>(indexmap::map::Iter<'a, Box<str>, Value>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_ref(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Object {
    type Item = (&'a str, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for Object {
    type Item = (Box<str>, Value);
    type IntoIter = indexmap::map::IntoIter<Box<str>, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Into<Box<str>>, V: Into<Value>> FromIterator<(K, V)> for Object {
    /// Of a key that comes again, the last value counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Object {
        let members = members
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()));
        Object(Box::new(members.collect()))
    }
}
