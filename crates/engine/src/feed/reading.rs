//! A part of the log, as those need it who follow some collections.

use std::collections::HashMap;

use wellspring_log::{RecordRef, Records};
use wellspring_types::{CollectionId, CollectionPath, CollectionSet, Sequence};

use crate::commit::{Commit, DocumentChange};
use crate::read::{ReadError, Sources};

/// The commits of some collections, oldest first. It holds an open file and what was read ahead.
pub(super) struct Reading {
    members: Members,
    /// `None` where nothing was ever written to any of them.
    records: Option<Records>,
}

/// The collections that there were; those that came later have no commits in what is read.
pub(super) enum Members {
    One(CollectionId, CollectionPath),
    Several(HashMap<CollectionId, CollectionPath>),
}

impl Members {
    /// The path of a collection, if it is one of them.
    pub(super) fn path(&self, id: CollectionId) -> Option<&CollectionPath> {
        match self {
            Members::One(only, path) => (*only == id).then_some(path),
            Members::Several(paths) => paths.get(&id),
        }
    }
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
        let mut members: HashMap<CollectionId, CollectionPath> = members
            .filter_map(|path| Some((sources.collections.id(path.as_str())?, path)))
            .collect();
        // One is found by the log's index; for several all of the log is read.
        let only = members.keys().next().copied();
        let only = only.filter(|_| members.len() == 1);
        let is_any = !members.is_empty();
        let members = match only.and_then(|only| members.remove_entry(&only)) {
            Some((id, path)) => Members::One(id, path),
            None => Members::Several(members),
        };
        Reading {
            members,
            records: is_any.then(|| sources.log.read(after, through, only)),
        }
    }

    /// The next commit, with changes of other collections too where it is read for several.
    pub(super) fn next(&mut self, sources: &Sources) -> Option<Result<Commit, ReadError>> {
        let record = self.records.as_mut()?.next()?;
        Some(sources.commit_of(record))
    }

    /// The same as it lies in the log, and whose changes of it are wanted.
    pub(super) fn next_ref(&mut self) -> Option<Result<(RecordRef<'_>, &Members), ReadError>> {
        let record = self.records.as_mut()?.next_ref()?;
        Some(match record {
            Ok(record) => Ok((record, &self.members)),
            Err(error) => Err(error.into()),
        })
    }

    /// The changes of a commit that are of the collections, in its order.
    pub(super) fn changes<'a>(
        &'a self,
        commit: &'a Commit,
    ) -> impl Iterator<Item = &'a DocumentChange> {
        let changes = commit.changes.iter();
        changes.filter(|change| self.members.path(change.collection).is_some())
    }
}
