//! A commit on its way: as it becomes durable, shared by everything behind the writer.

mod error;

use std::sync::Arc;

use bytes::Bytes;
use wellspring_log::{Before, ChangeRecord, ChangeRef, CommitRecord};
use wellspring_types::{
    CollectionId, CollectionPath, Data, DocumentPath, MutationId, Sequence, Timestamp,
};

use crate::collections::Collections;

pub use error::{CommitError, EffectError};

/// A commit that has its place in the order.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) seq: Sequence,
    pub(crate) time: Timestamp,
    pub(crate) principal: Option<Arc<str>>,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) new_collections: Vec<(CollectionId, CollectionPath)>,
    pub(crate) changes: Vec<DocumentChange>,
}

/// The name that a client gave to its commit, and the digest of what it asked for.
#[derive(Clone, Debug)]
pub(crate) struct Mutation {
    pub(crate) id: MutationId,
    pub(crate) digest: [u8; 32],
}

/// What a commit did to one document.
#[derive(Clone, Debug)]
pub(crate) struct DocumentChange {
    pub(crate) collection: CollectionId,
    pub(crate) path: DocumentPath,
    pub(crate) created_at: Timestamp,
    pub(crate) before: Option<Image>,
    pub(crate) after: Option<Data>,
}

/// A document as it was before a change.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) version: Sequence,
    pub(crate) updated_at: Timestamp,
    pub(crate) data: Data,
}

/// Commits that became durable together, by one append and one sync.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) commits: Vec<Arc<Commit>>,
    pub(crate) bytes: usize,
    pub(crate) changes: usize,
}

impl Group {
    pub(crate) fn new(commits: Vec<Arc<Commit>>) -> Group {
        let bytes = commits.iter().map(|commit| commit.bytes()).sum();
        let changes = commits.iter().map(|commit| commit.changes.len()).sum();
        Group {
            commits,
            bytes,
            changes,
        }
    }

    pub(crate) fn first(&self) -> Sequence {
        self.commits
            .first()
            .map_or(Sequence::ZERO, |commit| commit.seq)
    }

    pub(crate) fn last(&self) -> Sequence {
        self.commits
            .last()
            .map_or(Sequence::ZERO, |commit| commit.seq)
    }
}

/// Roughly what a commit and a change cost beside their texts, in memory and in the log.
const OVERHEAD_BYTES: usize = 96;

/// The same of a change that is read where it lies.
pub(crate) fn change_ref_bytes(change: &ChangeRef<'_>) -> usize {
    let images = change.before.into_iter().chain(change.after);
    OVERHEAD_BYTES + change.id.len() + images.map(<[u8]>::len).sum::<usize>()
}

impl DocumentChange {
    pub(crate) fn bytes(&self) -> usize {
        OVERHEAD_BYTES + self.path.as_str().len() + self.image_bytes()
    }

    /// Bytes of the document before and after.
    pub(crate) fn image_bytes(&self) -> usize {
        let before = self.before.as_ref().map(|image| &image.data);
        let images = before.into_iter().chain(&self.after);
        images.map(|data| data.as_bytes().len()).sum()
    }

    /// The same change, its documents as texts that share nothing parsed with this one's.
    pub(crate) fn unparsed(&self) -> DocumentChange {
        let text = |data: &Data| Data::from_stored(data.as_bytes().clone());
        DocumentChange {
            collection: self.collection,
            path: self.path.clone(),
            created_at: self.created_at,
            before: self.before.as_ref().map(|image| Image {
                version: image.version,
                updated_at: image.updated_at,
                data: text(&image.data),
            }),
            after: self.after.as_ref().map(text),
        }
    }

    fn record(&self) -> ChangeRecord {
        ChangeRecord {
            collection: self.collection,
            id: self.path.id().into(),
            created_at: self.created_at,
            before: self.before.as_ref().map(|image| Before {
                version: image.version,
                updated_at: image.updated_at,
                data: image.data.as_bytes().clone(),
            }),
            after: self.after.as_ref().map(|data| data.as_bytes().clone()),
        }
    }
}

impl Commit {
    pub(crate) fn bytes(&self) -> usize {
        OVERHEAD_BYTES
            + self
                .changes
                .iter()
                .map(DocumentChange::bytes)
                .sum::<usize>()
    }

    /// The same commit, its documents as texts.
    pub(crate) fn unparsed(&self) -> Commit {
        Commit {
            seq: self.seq,
            time: self.time,
            principal: self.principal.clone(),
            mutation: self.mutation.clone(),
            new_collections: self.new_collections.clone(),
            changes: self.changes.iter().map(DocumentChange::unparsed).collect(),
        }
    }

    pub(crate) fn record(&self) -> CommitRecord {
        CommitRecord {
            sequence: self.seq,
            position: self.seq.0,
            time: self.time,
            principal: self.principal.as_deref().map(Into::into),
            mutation: self
                .mutation
                .as_ref()
                .map(|mutation| wellspring_log::Mutation {
                    id: mutation.id.as_str().into(),
                    digest: mutation.digest,
                }),
            collections: self.new_collections.clone(),
            changes: self.changes.iter().map(DocumentChange::record).collect(),
        }
    }

    /// Gives every document memory of its own, for a commit that is kept: as the log reads it, it
    /// holds the whole group that it was read with.
    pub(crate) fn detach(&mut self) {
        for change in &mut self.changes {
            let before = change.before.as_mut().map(|image| &mut image.data);
            before.into_iter().chain(&mut change.after).for_each(detach);
        }
    }

    /// A commit as the log kept it. `None` where it names a collection that was never assigned or
    /// a mutation id that is none: the record passed its checksum, so the log was not written by
    /// this program.
    pub(crate) fn from_record(record: CommitRecord, collections: &Collections) -> Option<Commit> {
        let mutation = match record.mutation {
            None => None,
            Some(mutation) => Some(Mutation {
                id: mutation.id.parse().ok()?,
                digest: mutation.digest,
            }),
        };
        let mut changes = Vec::with_capacity(record.changes.len());
        let mut known: Option<(CollectionId, CollectionPath)> = None;
        for change in record.changes {
            let collection = match &known {
                Some((id, path)) if *id == change.collection => path,
                _ => {
                    let path = collections.path(change.collection)?;
                    &known.insert((change.collection, path)).1
                }
            };
            changes.push(DocumentChange {
                collection: change.collection,
                path: collection.join(&change.id),
                created_at: change.created_at,
                before: change.before.map(|before| Image {
                    version: before.version,
                    updated_at: before.updated_at,
                    data: Data::from_stored(before.data),
                }),
                after: change.after.map(Data::from_stored),
            });
        }
        Some(Commit {
            seq: record.sequence,
            time: record.time,
            principal: record.principal.map(Into::into),
            mutation,
            new_collections: record.collections,
            changes,
        })
    }
}

/// Gives data that was read from the log memory of its own.
pub(crate) fn detach(data: &mut Data) {
    data.replace_text(Bytes::copy_from_slice);
}
