//! The live subscriptions to several collections, and which of them a collection concerns.

use std::collections::HashMap;

use wellspring_types::{CollectionPath, CollectionSet};

use super::audience::{Audience, Member};
use crate::commit::{Commit, DocumentChange};

/// Collections of which it is kept which sets they are in, and these sets, together; a commit more
/// than that. A commit to another collection has to ask every set that there is.
const REMEMBERED_MAX: usize = 65_536;

/// Audiences by the sets that they are subscribed to.
#[derive(Default)]
pub(super) struct Several {
    audiences: HashMap<CollectionSet, Audience>,
    /// The sets that a collection is in. Forgotten whenever a set comes or goes.
    sets_of: HashMap<Box<str>, Vec<CollectionSet>>,
    /// Collections and sets in `sets_of`.
    remembered: usize,
}

impl Several {
    /// The audience of a set, new if there is none.
    pub(super) fn audience(&mut self, set: &CollectionSet) -> &mut Audience {
        if !self.audiences.contains_key(set) {
            self.forget();
        }
        self.audiences.entry(set.clone()).or_default()
    }

    /// Removes a subscription.
    pub(super) fn remove(&mut self, set: &CollectionSet, member: &Member) {
        if let Some(audience) = self.audiences.get_mut(set) {
            audience.remove(member);
        }
    }

    /// Forgets the audience of a set, if there is nobody in it.
    pub(super) fn forget_empty(&mut self, set: &CollectionSet) {
        if self.audiences.get(set).is_some_and(Audience::is_empty) {
            self.audiences.remove(set);
            self.forget();
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
        // Only between commits: all collections of one are looked up below.
        if self.remembered >= REMEMBERED_MAX {
            self.forget();
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
        let path = change.path.collection();
        let sets = self.audiences.keys().filter(|set| set.contains(&path));
        let sets: Vec<CollectionSet> = sets.cloned().collect();
        self.remembered += 1 + sets.len();
        self.sets_of.insert(collection.into(), sets);
    }

    fn forget(&mut self) {
        self.sets_of.clear();
        self.remembered = 0;
    }
}

#[cfg(test)]
mod tests {
    use wellspring_types::{CollectionId, Data, Sequence, Timestamp};

    use super::*;

    fn commit(collections: &[String]) -> Commit {
        let time = Timestamp::from_millis(1);
        let changes = collections.iter().map(|collection| DocumentChange {
            collection: CollectionId(7),
            path: format!("{collection}/1").parse().unwrap(),
            created_at: time,
            before: None,
            after: Some(Data::parse(b"{}").unwrap()),
        });
        Commit {
            seq: Sequence(1),
            time,
            principal: None,
            mutation: None,
            new_collections: Vec::new(),
            changes: changes.collect(),
        }
    }

    fn handed_out(several: &mut Several, commit: &Commit) -> usize {
        let mut count = 0;
        several.hand_out(commit, |_audience, changes| count += changes.len());
        count
    }

    #[test]
    fn no_change_of_a_commit_is_missed_however_many_collections_there_are() {
        let mut several = Several::default();
        let pattern = "rooms/*/messages".parse().unwrap();
        let set = CollectionSet::matching([pattern, "users".parse().unwrap()]).unwrap();
        several.audience(&set);
        let name = |n: usize| format!("rooms/{n}/messages");
        for n in 0..REMEMBERED_MAX + 10 {
            let two = commit(&[name(n), name(n + 1)]);
            assert_eq!(handed_out(&mut several, &two), 2, "{n}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_however_many_sets_there_are() {
        let mut several = Several::default();
        for n in 0..200 {
            let patterns = ["rooms/*/messages".to_owned(), format!("users{n}")];
            let patterns = patterns.map(|pattern| pattern.parse().unwrap());
            several.audience(&CollectionSet::matching(patterns).unwrap());
        }
        for n in 0..1000 {
            let one = commit(&[format!("rooms/{n}/messages")]);
            assert_eq!(handed_out(&mut several, &one), 200);
        }
        let remembered: usize = several.sets_of.values().map(Vec::len).sum();
        assert!(remembered <= REMEMBERED_MAX, "{remembered}");
    }
}
