//! The live subscriptions to several collections, and which of them a collection concerns.

use std::collections::HashMap;

use wellspring_types::{CollectionPath, CollectionSet};

use super::audience::Audience;
use crate::commit::{Commit, DocumentChange};

/// Collections of which it is kept which sets they are in. A commit to another has to ask every
/// set that there is.
const REMEMBERED_MAX: usize = 65_536;

/// Audiences by the sets that they are subscribed to.
#[derive(Default)]
pub(super) struct Several {
    audiences: HashMap<CollectionSet, Audience>,
    /// The sets that a collection is in. Forgotten whenever a set comes or goes.
    sets_of: HashMap<Box<str>, Vec<CollectionSet>>,
}

impl Several {
    /// The audience of a set, new if there is none.
    pub(super) fn audience(&mut self, set: &CollectionSet) -> &mut Audience {
        if !self.audiences.contains_key(set) {
            self.sets_of.clear();
        }
        self.audiences.entry(set.clone()).or_default()
    }

    /// Removes a subscription by what [`Several::audience`] and its insertion have made of it.
    pub(super) fn remove(&mut self, set: &CollectionSet, remove: impl FnOnce(&mut Audience)) {
        let Some(audience) = self.audiences.get_mut(set) else {
            return;
        };
        remove(audience);
        if audience.is_empty() {
            self.audiences.remove(set);
            self.sets_of.clear();
        }
    }

    pub(super) fn audiences(&self) -> impl Iterator<Item = &Audience> {
        self.audiences.values()
    }

    /// The audiences that a collection concerns.
    pub(super) fn concerned<'a>(
        &'a self,
        collection: &'a CollectionPath,
    ) -> impl Iterator<Item = &'a Audience> {
        let audiences = self.audiences.iter();
        let concerned = audiences.filter(|(set, _)| set.contains(collection));
        concerned.map(|(_, audience)| audience)
    }

    /// Gives each audience the changes of a commit that it may see, in the commit's order.
    pub(super) fn hand_out(
        &mut self,
        commit: &Commit,
        mut give: impl FnMut(&Audience, &[&DocumentChange]),
    ) {
        if self.audiences.is_empty() {
            return;
        }
        let mut found: HashMap<&CollectionSet, Vec<&DocumentChange>> = HashMap::new();
        for change in &commit.changes {
            self.remember(change);
        }
        for change in &commit.changes {
            let sets = self.sets_of.get(change.path.collection_str());
            for set in sets.into_iter().flatten() {
                found.entry(set).or_default().push(change);
            }
        }
        for (set, changes) in found {
            if let Some(audience) = self.audiences.get(set) {
                give(audience, &changes);
            }
        }
    }

    fn remember(&mut self, change: &DocumentChange) {
        let collection = change.path.collection_str();
        if self.sets_of.contains_key(collection) {
            return;
        }
        if self.sets_of.len() >= REMEMBERED_MAX {
            self.sets_of.clear();
        }
        let path = change.path.collection();
        let sets = self.audiences.keys().filter(|set| set.contains(&path));
        let sets = sets.cloned().collect();
        self.sets_of.insert(collection.into(), sets);
    }
}
