//! The filter index: which views may see a change, without asking each of them.
//!
//! A view is found by the equalities of its filter: by field and value, looked up in the document
//! before and after a change. The index only finds *candidates*, whose whole filters are then
//! evaluated; a view whose filter has no usable equality is a candidate always.

mod keys;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use wellspring_types::{Data, FieldPath, Filter, Value};

use super::few::Few;
use crate::commit::DocumentChange;

/// Names a view in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ViewId(pub(super) u64);

/// The index of one collection's views.
#[derive(Default)]
pub(super) struct FilterIndex {
    /// The fields that views are found by.
    fields: HashMap<Arc<FieldPath>, Values>,
    /// Views that are candidates always.
    residual: HashSet<ViewId>,
    /// Random, so that nobody can choose values that collide.
    hasher: RandomState,
}

/// Views by the hash of a value, which goes by meaning: 1 is 1.0. Values that collide cost an
/// evaluation, so the values themselves need not be kept.
type Values = HashMap<u64, Few<ViewId, ()>>;

/// Where a view is in an index: what takes it out again.
#[derive(Debug)]
pub(super) enum Place {
    /// Under one field and hash of a value.
    One(Key),
    /// Under several; under none, if the filter matches nothing.
    Several(Box<[Key]>),
    /// Among those that are candidates always.
    Residual,
}

/// A field, and the hash of a value.
type Key = (Arc<FieldPath>, u64);

impl FilterIndex {
    /// Adds a view by its filter.
    pub(super) fn insert(&mut self, view: ViewId, filter: Option<&Filter>) -> Place {
        let keys = filter.and_then(|filter| {
            keys::keys_of(filter.node(), &|field, value| self.cost(field, value))
        });
        let Some(keys) = keys else {
            self.residual.insert(view);
            return Place::Residual;
        };
        let places = keys.pairs.into_iter().map(|(field, value)| {
            let hash = self.hasher.hash_one(value);
            let field = self.insert_key(view, field, hash);
            (field, hash)
        });
        let mut places: Vec<Key> = places.collect();
        match places.pop() {
            Some(only) if places.is_empty() => Place::One(only),
            last => Place::Several(places.into_iter().chain(last).collect()),
        }
    }

    fn insert_key(&mut self, view: ViewId, field: &FieldPath, hash: u64) -> Arc<FieldPath> {
        let field = match self.fields.get_key_value(field) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::new(field.clone()),
        };
        let values = self.fields.entry(Arc::clone(&field)).or_default();
        values
            .entry(hash)
            .and_modify(|views| views.insert(view, ()))
            .or_insert(Few::One(view, ()));
        field
    }

    /// How many evaluations a key is expected to cost, in an arbitrary unit: the views that share
    /// it, if documents are spread evenly over the field's values. So `{"kind":"message","to":X}`
    /// is soon found by `to`.
    fn cost(&self, field: &FieldPath, value: &Value) -> u64 {
        const UNIT: u64 = 1 << 32;
        let (shared, values) = self.fields.get(field).map_or((0, 0), |values| {
            let views = values.get(&self.hasher.hash_one(value));
            (views.map_or(0, Few::len), values.len())
        });
        let values = values + usize::from(shared == 0);
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        wide(shared + 1).saturating_mul(UNIT / wide(values))
    }

    /// Takes a view out of where [`FilterIndex::insert`] has put it.
    pub(super) fn remove(&mut self, view: ViewId, place: &Place) {
        let keys = match place {
            Place::One(key) => std::slice::from_ref(key),
            Place::Several(keys) => keys,
            Place::Residual => {
                self.residual.remove(&view);
                return;
            }
        };
        for (field, hash) in keys {
            let Some(values) = self.fields.get_mut(field) else {
                continue;
            };
            let left = values.get_mut(hash).is_some_and(|views| views.remove(view));
            if !left {
                values.remove(hash);
            }
            if values.is_empty() {
                self.fields.remove(field);
            }
        }
    }

    /// The views that are found for some of the changes, each with the indices of those, in order.
    /// The views of [`FilterIndex::residual`] come in addition.
    pub(super) fn candidates(&self, changes: &[&DocumentChange]) -> Vec<(ViewId, usize)> {
        let mut found = Vec::new();
        // Without this, documents that nobody looks into would be parsed.
        if self.fields.is_empty() {
            return found;
        }
        for (index, change) in changes.iter().enumerate() {
            // A document that leaves a view is found by what it was.
            let before = change.before.as_ref().map(|image| &image.data);
            for data in before.into_iter().chain(&change.after) {
                self.look_up(data, |view| found.push((view, index)));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn look_up(&self, data: &Data, mut visit: impl FnMut(ViewId)) {
        let object = data.object();
        for (field, values) in &self.fields {
            let value = field.find(object);
            let views = value.and_then(|value| values.get(&self.hasher.hash_one(value)));
            let views = views.into_iter().flat_map(Few::iter);
            views.for_each(|(view, ())| visit(view));
        }
    }

    /// The views that have to be asked about every change.
    pub(super) fn residual(&self) -> impl Iterator<Item = ViewId> {
        self.residual.iter().copied()
    }
}
