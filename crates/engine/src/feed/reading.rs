//! A part of the log, as those need it who follow some collections.

use std::collections::HashSet;

use wellspring_log::Records;
use wellspring_types::{CollectionId, CollectionSet, Sequence};

use crate::commit::{Commit, DocumentChange};
use crate::read::{ReadError, Sources};

/// The commits of some collections, oldest first. It holds an open file and what was read ahead.
pub(super) struct Reading {
    /// The collections that there were; those that came later have no commits in this part.
    ids: HashSet<CollectionId>,
    /// `None` where nothing was ever written to any of them.
    records: Option<Records>,
}

impl Reading {
    /// The commits behind `after` through `through`, which must be visible.
    pub(super) fn new(
        sources: &Sources,
        collections: &CollectionSet,
        (after, through): (Sequence, Sequence),
    ) -> Reading {
        // A collection gets its id before its first commit becomes visible.
        let members = sources.collections.of_set(collections).into_iter();
        let ids: HashSet<CollectionId> = members
            .filter_map(|member| sources.collections.id(member.as_str()))
            .collect();
        // One is found by the log's index; for several all of the log is read.
        let only = ids.iter().next().copied().filter(|_| ids.len() == 1);
        let is_any = !ids.is_empty();
        Reading {
            ids,
            records: is_any.then(|| sources.log.read(after, through, only)),
        }
    }

    /// The next commit, with changes of other collections too where it is read for several.
    pub(super) fn next(&mut self, sources: &Sources) -> Option<Result<Commit, ReadError>> {
        let record = self.records.as_mut()?.next()?;
        Some(sources.commit_of(record))
    }

    /// The changes of a commit that are of the collections, in its order.
    pub(super) fn changes<'a>(
        &'a self,
        commit: &'a Commit,
    ) -> impl Iterator<Item = &'a DocumentChange> {
        let changes = commit.changes.iter();
        changes.filter(|change| self.ids.contains(&change.collection))
    }
}
