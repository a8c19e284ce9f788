//! Whether a command is accepted, and what it becomes: a function of the state and the command,
//! and of nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use wellspring_log::CommitRecord;
use wellspring_store::RememberedMutation;
use wellspring_types::write::{CommitResult, Precondition, Read, Write, WriteAction};
use wellspring_types::{
    CollectionId, CollectionPath, Document, DocumentPath, MutationId, Sequence, Timestamp, limits,
};

use super::Command;
use super::effect::{self, Budget};
use super::mutations::Mutations;
use super::recent::{Recent, Since};
use crate::commit::{Commit, CommitError, DocumentChange, Image, Mutation};
use crate::read::{Sources, document_of};
use crate::seeded::SeededBug;
use crate::visible::document_after;

/// The state that commands are judged on: what is durable, and what the group being made adds.
pub(super) struct Judge {
    pub(super) read: Sources,
    pub(super) mutations: Mutations,
    pub(super) recent: Recent,
    pub(super) last: Sequence,
    pub(super) last_time: Timestamp,
    pub(super) next_collection: CollectionId,
}

/// Commits that were accepted and are not durable yet, and what they left behind.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) commits: Vec<Arc<Commit>>,
    /// The same commits as the log takes them.
    pub(super) records: Vec<CommitRecord>,
    /// Bytes of the records, encoded.
    pub(super) bytes: usize,
    documents: HashMap<DocumentPath, Option<Arc<Document>>>,
    collections: HashMap<CollectionPath, CollectionId>,
}

impl Staged {
    /// Whether a commit that was accepted is one of these, and not of an earlier group.
    pub(super) fn holds(&self, seq: Sequence) -> bool {
        self.commits.first().is_some_and(|first| seq >= first.seq)
    }
}

impl Judge {
    /// Accepts the command into `staged`, or refuses it, or recognises it as a repeat: then the
    /// first result is returned again and nothing is staged.
    pub(super) fn judge(
        &mut self,
        staged: &mut Staged,
        command: &Command,
    ) -> Result<CommitResult, CommitError> {
        if let Some(first) = self.first_result(command)? {
            return Ok(first);
        }
        let time = self.last_time.max(command.stamped);
        let reads_checked = command.reads_checked.clone()?;
        for read in &command.request.reads {
            self.check_read(staged, reads_checked, read)?;
        }
        let seq = self.last.next();
        let mut new_collections = Vec::new();
        let mut changes = Vec::with_capacity(command.request.writes.len());
        let (mut bytes, mut budget) = (0, Budget::default());
        for write in &command.request.writes {
            let collection = self.collection(staged, &mut new_collections, &write.path);
            let before = self.document(staged, &write.path)?;
            let change = change(write, collection, before.as_deref(), time, &mut budget)?;
            bytes += change.image_bytes();
            // Before everybody waits for effects on more than a record holds.
            if bytes > limits::RECORD_BYTES_MAX {
                return Err(CommitError::RecordTooLarge { bytes });
            }
            changes.push(change);
        }
        let mutation = command.request.mutation_id.clone().zip(command.digest);
        let mut commit = Commit {
            seq,
            time,
            principal: command.principal.clone(),
            mutation: mutation.map(|(id, digest)| Mutation { id, digest }),
            new_collections,
            changes,
        };
        let rest = self.read.bugs.split_off(&mut commit);
        let result = self.stage(staged, commit)?;
        if let Some(rest) = rest {
            self.stage(staged, rest)?;
        }
        Ok(result)
    }

    /// Accepts the commit, unless its record is too large.
    fn stage(&mut self, staged: &mut Staged, commit: Commit) -> Result<CommitResult, CommitError> {
        let record = commit.record();
        let bytes = record.encoded_bytes();
        if bytes > limits::RECORD_BYTES_MAX {
            return Err(CommitError::RecordTooLarge { bytes });
        }
        staged.bytes += bytes;
        staged.records.push(record);
        Ok(self.accept(staged, Arc::new(commit)))
    }

    fn accept(&mut self, staged: &mut Staged, commit: Arc<Commit>) -> CommitResult {
        let paths: Vec<DocumentPath> = commit.changes.iter().map(|c| c.path.clone()).collect();
        for change in &commit.changes {
            staged
                .documents
                .insert(change.path.clone(), document_after(&commit, change));
        }
        for (id, path) in &commit.new_collections {
            staged.collections.insert(path.clone(), *id);
            self.next_collection = CollectionId(id.0 + 1);
        }
        let knows_late = self.read.bugs.has(SeededBug::ApplyTwice);
        if let Some(mutation) = commit.mutation.as_ref().filter(|_| !knows_late) {
            let remembered = RememberedMutation {
                principal: commit.principal.as_deref().map(Into::into),
                id: mutation.id.as_str().into(),
                ordinal: self.mutations.next_ordinal(),
                digest: mutation.digest,
                sequence: commit.seq,
                time: commit.time,
                paths: paths.clone(),
            };
            let key: (Option<Arc<str>>, MutationId) =
                (commit.principal.clone(), mutation.id.clone());
            self.mutations.remember(key, remembered);
        }
        self.last = commit.seq;
        self.last_time = commit.time;
        self.recent.push(&commit);
        let result = CommitResult {
            seq: commit.seq,
            time: commit.time,
            paths,
        };
        staged.commits.push(commit);
        result
    }

    /// The result of the commit that had the same mutation id, if one is remembered.
    pub(super) fn first_result(
        &self,
        command: &Command,
    ) -> Result<Option<CommitResult>, CommitError> {
        let Some(id) = &command.request.mutation_id else {
            return Ok(None);
        };
        let time = self.last_time.max(command.stamped);
        let principal = command.principal.as_ref();
        let found = self
            .mutations
            .find(&self.read.store, principal, id, time)
            .map_err(store_failed)?;
        let Some(first) = found else { return Ok(None) };
        if command.digest != Some(first.digest) {
            let id = id.as_str().into();
            return Err(CommitError::MutationIdReused {
                id,
                seq: first.sequence,
            });
        }
        let paths = first.paths.clone();
        Ok(Some(CommitResult {
            seq: first.sequence,
            time: first.time,
            paths,
        }))
    }

    fn check_read(
        &self,
        staged: &Staged,
        reads_checked: Sequence,
        read: &Read,
    ) -> Result<(), CommitError> {
        match read {
            Read::Document { path, version } => {
                let found = self
                    .document(staged, path)?
                    .map_or(Sequence::ZERO, |d| d.version);
                if found == *version {
                    Ok(())
                } else {
                    Err(conflict(path.as_str()))
                }
            }
            Read::Query {
                collection,
                filter,
                at,
            } => {
                let after = reads_checked.max(*at);
                match self
                    .recent
                    .since(after, collection.as_str(), filter.as_ref())
                {
                    Since::Unchanged => Ok(()),
                    Since::MayHaveChanged => Err(conflict(collection.as_str())),
                }
            }
        }
    }

    fn collection(
        &self,
        staged: &Staged,
        new: &mut Vec<(CollectionId, CollectionPath)>,
        path: &DocumentPath,
    ) -> CollectionId {
        if let Some(id) = self.read.collections.id(path.collection_str()) {
            return id;
        }
        let collection = path.collection();
        if let Some(id) = staged.collections.get(&collection) {
            return *id;
        }
        if let Some((id, _)) = new.iter().find(|(_, path)| *path == collection) {
            return *id;
        }
        let id = new
            .last()
            .map_or(self.next_collection, |(id, _)| CollectionId(id.0 + 1));
        new.push((id, collection));
        id
    }

    /// The document as it is after everything that was accepted before.
    fn document(
        &self,
        staged: &Staged,
        path: &DocumentPath,
    ) -> Result<Option<Arc<Document>>, CommitError> {
        if let Some(document) = staged.documents.get(path) {
            return Ok(document.clone());
        }
        // The overlay first: what has left it by the time the store is asked is in the store.
        if let (_, Some(pending)) = self.read.visible.get(path)
            && !self.read.bugs.has(SeededBug::StaleBeforeImage)
        {
            return Ok(pending.document);
        }
        let Some(collection) = self.read.collections.id(path.collection_str()) else {
            return Ok(None);
        };
        let stored = self
            .read
            .store
            .get(collection, path.id())
            .map_err(store_failed)?;
        Ok(stored.map(|stored| Arc::new(document_of(path.clone(), stored))))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn store_failed(error: wellspring_store::StoreError) -> CommitError {
    tracing::error!(%error, "a commit could not be judged: the store cannot be read");
    CommitError::StoreFailed
}

fn conflict(what: &str) -> CommitError {
    CommitError::Conflict { what: what.into() }
}

/// What a write does to the document `before`.
fn change(
    write: &Write,
    collection: CollectionId,
    before: Option<&Document>,
    time: Timestamp,
    budget: &mut Budget,
) -> Result<DocumentChange, CommitError> {
    check_precondition(write, before)?;
    let path = || write.path.clone();
    let not_found = || CommitError::NotFound { path: path() };
    let after = match &write.action {
        WriteAction::Insert(data) => match before {
            Some(existing) => {
                return Err(CommitError::AlreadyExists {
                    path: path(),
                    version: existing.version,
                });
            }
            None => Some(data.clone()),
        },
        WriteAction::Set(data) => Some(data.clone()),
        WriteAction::Update { patch, transforms } => {
            let existing = before.ok_or_else(not_found)?;
            let updated = effect::update(&existing.data, patch, transforms, time, budget);
            Some(updated.map_err(|source| CommitError::Effect {
                path: path(),
                source,
            })?)
        }
        WriteAction::Delete => {
            before.ok_or_else(not_found)?;
            None
        }
    };
    Ok(DocumentChange {
        collection,
        path: path(),
        created_at: before.map_or(time, |document| document.created_at),
        before: before.map(|document| Image {
            version: document.version,
            updated_at: document.updated_at,
            data: document.data.clone(),
        }),
        after,
    })
}

fn check_precondition(write: &Write, before: Option<&Document>) -> Result<(), CommitError> {
    let Some(expected) = write.precondition else {
        return Ok(());
    };
    let version = before.map_or(Sequence::ZERO, |document| document.version);
    let holds = match expected {
        Precondition::Version(expected) => version == expected,
        Precondition::Absent => before.is_none(),
        Precondition::Exists => before.is_some(),
    };
    if holds {
        Ok(())
    } else {
        Err(CommitError::PreconditionFailed {
            path: write.path.clone(),
            expected,
            version,
        })
    }
}
