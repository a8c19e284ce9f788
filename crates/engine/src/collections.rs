//! Which number each collection has.

use std::collections::HashMap;
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
        let known = self.known.read();
        let members = known.by_id.values().filter(|path| set.contains(path));
        let mut members: Vec<CollectionPath> = members.cloned().collect();
        drop(known);
        members.sort_unstable();
        members
    }

    pub(crate) fn add(&self, id: CollectionId, path: CollectionPath) {
        let mut known = self.known.write();
        known.by_path.insert(path.as_str().into(), id);
        known.by_id.insert(id, path);
    }

    /// All that clients can name, in the order of their paths.
    pub(crate) fn named(&self) -> Vec<CollectionPath> {
        let known = self.known.read();
        // The database's own are no paths to a client.
        let is_named = |path: &&CollectionPath| path.as_str().parse::<CollectionPath>().is_ok();
        let mut named: Vec<_> = known.by_id.values().filter(is_named).cloned().collect();
        named.sort_unstable();
        named
    }

    /// The id that the next new collection takes.
    pub(crate) fn next_id(&self) -> CollectionId {
        let highest = self.known.read().by_id.keys().map(|id| id.0).max();
        CollectionId(highest.unwrap_or(0) + 1)
    }
}
