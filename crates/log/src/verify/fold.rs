//! What the log comes to, to be compared with snapshots, and each change with what is before it.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use wellspring_types::{CollectionId, CollectionPath, Sequence, Timestamp};

use super::part::{Key, Part};
use crate::error::Disagreement;
use crate::record::{Before, ChangeRecord, CommitRecord};
use crate::snapshot::SnapshotDocument;

/// How much is known of the documents that are not in the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// Nothing is known of any document: something before is missing.
    Nothing,
    /// They were last written before this commit, the first of the log, if they are there.
    Since(Sequence),
    /// They are not there.
    All,
}

/// A document as it is at some commit, but for its data, of which there are checksum and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Present {
    version: Sequence,
    created_at: Timestamp,
    updated_at: Timestamp,
    data: (u32, usize),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// `None`: it was deleted, by the commit that is told.
    present: Result<Present, Sequence>,
    /// Whether the snapshot that is being read has it.
    seen: bool,
}

/// The documents of one part, and all collections.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) part: Part,
    documents_max: usize,
    knowledge: Knowledge,
    documents: HashMap<Key, Entry>,
    collections: BTreeMap<CollectionId, CollectionPath>,
    /// Parts that were left out, for lack of memory.
    later: Vec<Part>,
}

fn of_data(data: &Bytes) -> (u32, usize) {
    (crc32c::crc32c(data), data.len())
}

impl Fold {
    pub(super) fn new(part: Part, documents_max: usize) -> Fold {
        Fold {
            part,
            documents_max: documents_max.max(1),
            knowledge: Knowledge::Nothing,
            documents: HashMap::new(),
            collections: BTreeMap::new(),
            later: Vec::new(),
        }
    }

    pub(super) fn knowledge(&self) -> Knowledge {
        self.knowledge
    }

    /// Parts that have to be gone through yet.
    pub(super) fn into_later(self) -> Vec<Part> {
        self.later
    }

    /// The log begins with this commit.
    pub(super) fn begin(&mut self, first: Sequence) {
        self.knowledge = match first {
            Sequence(1) => Knowledge::All,
            later => Knowledge::Since(later),
        };
    }

    /// Commits are missing.
    pub(super) fn lose(&mut self) {
        self.knowledge = Knowledge::Nothing;
        self.documents.clear();
    }

    /// Takes a commit, and tells where it does not follow what is before it.
    pub(super) fn commit(&mut self, commit: &CommitRecord, tell: &mut dyn FnMut(Disagreement)) {
        let is_whole = self.knowledge == Knowledge::All;
        for (id, path) in &commit.collections {
            if let Some(other) = self.collections.insert(*id, path.clone())
                && other != *path
            {
                tell(Disagreement::Collection { number: id.0 });
            }
        }
        if self.knowledge == Knowledge::Nothing {
            return;
        }
        for change in &commit.changes {
            if is_whole && !self.collections.contains_key(&change.collection) {
                let number = change.collection.0;
                tell(Disagreement::Collection { number });
            }
            let key = Key::of(change.collection, &change.id);
            if self.part.holds(key) {
                if !self.follows(key, change) {
                    let (sequence, id) = (commit.sequence, change.id.clone());
                    tell(Disagreement::Before { sequence, id });
                }
                self.put(key, commit, change);
            }
        }
    }

    fn follows(&self, key: Key, change: &ChangeRecord) -> bool {
        let before = change.before.as_ref();
        match (self.documents.get(&key).map(|entry| entry.present), before) {
            (Some(Ok(present)), Some(before)) => {
                let Before {
                    version,
                    updated_at,
                    data,
                } = before;
                (present.version, present.updated_at) == (*version, *updated_at)
                    && present.created_at == change.created_at
                    && present.data == of_data(data)
            }
            (Some(Ok(_)), None) | (Some(Err(_)), Some(_)) => false,
            (Some(Err(_)), None) => true,
            (None, before) => match self.knowledge {
                Knowledge::All => before.is_none(),
                Knowledge::Since(first) => before.is_none_or(|before| before.version < first),
                Knowledge::Nothing => true,
            },
        }
    }

    fn put(&mut self, key: Key, commit: &CommitRecord, change: &ChangeRecord) {
        let present = match &change.after {
            Some(data) => Ok(Present {
                version: commit.sequence,
                created_at: change.created_at,
                updated_at: commit.time,
                data: of_data(data),
            }),
            None if self.knowledge == Knowledge::All => {
                self.documents.remove(&key);
                return;
            }
            None => Err(commit.sequence),
        };
        let seen = false;
        self.documents.insert(key, Entry { present, seen });
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.documents.len() > self.documents_max
            && let Some((part, later)) = self.part.split()
        {
            self.part = part;
            self.later.push(later);
            self.documents.retain(|key, _entry| part.holds(*key));
        }
    }

    /// Takes a document of the snapshot of the commit where the log stands now.
    pub(super) fn document(&mut self, document: &SnapshotDocument) -> Result<(), Disagreement> {
        let key = Key::of(document.collection, &document.id);
        if !self.part.holds(key) {
            return Ok(());
        }
        let found = Present {
            version: document.version,
            created_at: document.created_at,
            updated_at: document.updated_at,
            data: of_data(&document.data),
        };
        let id = || document.id.clone();
        let knowledge = self.knowledge;
        if let Some(entry) = self.documents.get_mut(&key) {
            entry.seen = true;
            return match entry.present {
                Ok(present) if present == found => Ok(()),
                Ok(_) => Err(Disagreement::Document { id: id() }),
                Err(deleted) => Err(Disagreement::Deleted { id: id(), deleted }),
            };
        }
        let fits = match knowledge {
            Knowledge::All => false,
            Knowledge::Since(first) => found.version < first,
            Knowledge::Nothing => true,
        };
        if knowledge == Knowledge::All || !fits {
            return Err(Disagreement::Unknown { id: id() });
        }
        let present = Ok(found);
        let seen = true;
        self.documents.insert(key, Entry { present, seen });
        self.make_room();
        Ok(())
    }

    /// Not everything of a snapshot could be read: what was known before is, and no more.
    pub(super) fn abandon_snapshot(&mut self) {
        match self.knowledge {
            Knowledge::All => self
                .documents
                .values_mut()
                .for_each(|entry| entry.seen = false),
            Knowledge::Since(_) | Knowledge::Nothing => self.lose(),
        }
    }

    /// Everything of a snapshot was taken: what the log has and it has not is told, and from here on
    /// everything is known.
    pub(super) fn end_snapshot(
        &mut self,
        collections: &[(CollectionId, CollectionPath)],
        tell: &mut dyn FnMut(Disagreement),
    ) {
        let whole = self.knowledge == Knowledge::All;
        let held: BTreeMap<_, _> = collections.iter().cloned().collect();
        for (id, path) in &self.collections {
            if held.get(id) != Some(path) {
                tell(Disagreement::Collection { number: id.0 });
            }
        }
        if whole
            && let Some((id, _)) = held
                .iter()
                .find(|(id, _)| !self.collections.contains_key(id))
        {
            tell(Disagreement::Collection { number: id.0 });
        }
        self.collections = held;
        let mut missing = Vec::new();
        self.documents.retain(|_key, entry| {
            let seen = std::mem::take(&mut entry.seen);
            if let (Ok(present), false) = (entry.present, seen) {
                missing.push(present.version);
            }
            entry.present.is_ok()
        });
        missing.sort_unstable();
        for version in missing {
            tell(Disagreement::Missing { version });
        }
        self.knowledge = Knowledge::All;
    }
}
