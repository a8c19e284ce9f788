//! Which number each collection has.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;
use wellspring_types::{CollectionId, CollectionPath, CollectionSet};

/// The collections that have been written to, by path and by id. Ids are assigned by the writer,
/// in the order of the commits; the rest of the engine only looks them up.
#[derive(Default)]
pub(crate) struct Collections {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    by_path: HashMap<Arc<str>, CollectionId>,
    by_id: HashMap<CollectionId, CollectionPath>,
    /// Those that clients can name, in the order of their paths: for them the database's own are none.
    named: BTreeMap<Arc<str>, CollectionPath>,
}

impl Collections {
    /// The id of the collection at `path`; `None` where nothing was ever written to it.
    pub(crate) fn id(&self, path: &str) -> Option<CollectionId> {
        self.known.read().by_path.get(path).copied()
    }

    /// The path of a collection that the log or the store names.
    pub(crate) fn path(&self, id: CollectionId) -> Option<CollectionPath> {
        self.known.read().by_id.get(&id).cloned()
    }

    /// Those of a set that were written to, in the order of their paths. A set of one collection
    /// has that one, even if nothing was.
    pub(crate) fn of_set(&self, set: &CollectionSet) -> Vec<CollectionPath> {
        if let Some(only) = set.only() {
            return vec![only.clone()];
        }
        // Patterns stand for nothing that clients cannot name.
        let known = self.known.read();
        let members = known.named.values().filter(|path| set.contains(path));
        members.cloned().collect()
    }

    pub(crate) fn add(&self, id: CollectionId, path: CollectionPath) {
        let mut known = self.known.write();
        let text: Arc<str> = path.as_str().into();
        known.by_path.insert(Arc::clone(&text), id);
        if !path.is_reserved() {
            known.named.insert(text, path.clone());
        }
        known.by_id.insert(id, path);
    }

    /// Those that clients can name and whose paths begin with `prefix`, in the order of their paths,
    /// `count` of them at most. `from` is where to begin, not before the first with that prefix.
    pub(crate) fn named(
        &self,
        prefix: &str,
        from: Bound<&str>,
        count: usize,
    ) -> Vec<CollectionPath> {
        let known = self.known.read();
        let found = known.named.range::<str, _>((from, Bound::Unbounded));
        found
            .take_while(|(text, _)| text.starts_with(prefix))
            .take(count)
            .map(|(_, path)| path.clone())
            .collect()
    }

    /// The id that the next new collection takes.
    pub(crate) fn next_id(&self) -> CollectionId {
        let highest = self.known.read().by_id.keys().map(|id| id.0).max();
        CollectionId(highest.unwrap_or(0) + 1)
    }
}
