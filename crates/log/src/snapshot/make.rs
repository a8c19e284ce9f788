//! Making a snapshot: the one before, merged with the log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use wellspring_types::{CollectionId, CollectionPath, Sequence, Timestamp};

use super::block::{BlockReader, BlockWriter, Header, Identity, Kind, Written};
use super::entry::{Content, Latest, SnapshotDocument, SnapshotMutation};
use super::manifest::{self, KeyRange, MUTATIONS, Manifest, documents_name, documents_number};
use super::read::Snapshot;
use super::runs::{Merged, Sorter, Source};
use crate::error::{IoError, SnapshotError};
use crate::files::Disk;
use crate::{CommitRecord, LogReader};

/// What a snapshot is made of.
#[derive(Debug)]
pub struct SnapshotPlan<'a> {
    /// The snapshot before it; `None`: the log has everything from the beginning.
    pub previous: Option<&'a Snapshot>,
    /// The last commit that it is to hold.
    pub through: Sequence,
    /// The version of the pipeline that the log is of.
    pub pipeline: u32,
    /// How many mutation ids are remembered: the newest ones.
    pub mutation_ids_max: u64,
    /// Gives up soon after this is set.
    pub stop: &'a AtomicBool,
}

/// Bounds of what is in memory and of the files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) run_bytes: usize,
    pub(super) file_bytes: u64,
}

/// Writes the files of a snapshot into `disk`, an empty directory, with `scratch` for what is only
/// needed meanwhile.
pub(super) struct Maker<'a> {
    plan: &'a SnapshotPlan<'a>,
    disk: Disk,
    scratch: Disk,
    identity: Identity,
    sizes: Sizes,
}

/// What one pass over the log gives.
struct Gathered {
    position: u64,
    time: Timestamp,
    newest_mutation: u64,
    collections: BTreeMap<CollectionId, CollectionPath>,
    /// Mutation ids of the log, in a scratch file.
    mutations: Written,
    documents: Sorter,
}

/// Scratch files that hold something else than sorted runs have this number.
const MUTATIONS_NUMBER: u32 = 0;

impl<'a> Maker<'a> {
    pub(super) fn new(
        plan: &'a SnapshotPlan<'a>,
        (disk, scratch): (Disk, Disk),
        identity: Identity,
        sizes: Sizes,
    ) -> Maker<'a> {
        Maker {
            plan,
            disk,
            scratch,
            identity,
            sizes,
        }
    }

    /// Everything is written and synced when this returns, but not the directory's own name.
    pub(super) fn make(&self, log: &LogReader) -> Result<Manifest, SnapshotError> {
        let gathered = self.gather(log)?;
        let before = self.plan.previous.map(|previous| -> Source {
            let mut documents = previous.documents();
            Box::new(move || {
                Ok(documents
                    .next()
                    .transpose()?
                    .map(SnapshotDocument::into_latest))
            })
        });
        let merged = gathered.documents.finish(before)?;
        let manifest = Manifest {
            identity: self.identity,
            position: gathered.position,
            time: gathered.time,
            pipeline: self.plan.pipeline,
            newest_mutation: gathered.newest_mutation,
            collections: gathered.collections.into_iter().collect(),
            mutations: self.write_mutations(gathered.mutations, gathered.newest_mutation)?,
            documents: self.write_documents(merged)?,
        };
        self.disk.put(manifest::NAME, &manifest.encode())?;
        self.disk.sync_dir()?;
        Ok(manifest)
    }

    fn go_on(&self) -> Result<(), SnapshotError> {
        if self.plan.stop.load(Ordering::Relaxed) {
            return Err(SnapshotError::Stopped);
        }
        Ok(())
    }

    fn mutations_header(&self) -> Header {
        Header {
            kind: Kind::Mutations,
            number: MUTATIONS_NUMBER,
            snapshot: self.identity,
        }
    }

    fn gather(&self, log: &LogReader) -> Result<Gathered, SnapshotError> {
        let previous = self.plan.previous;
        let after = previous.map_or(Sequence::ZERO, Snapshot::sequence);
        let collections = previous.map_or(&[][..], Snapshot::collections);
        let mut gathered = Gathered {
            position: 0,
            time: Timestamp::default(),
            newest_mutation: previous.map_or(0, Snapshot::newest_mutation),
            collections: collections.iter().cloned().collect(),
            mutations: Written::default(),
            documents: Sorter::new(self.scratch.clone(), self.identity, self.sizes.run_bytes),
        };
        let header = self.mutations_header();
        let mut mutations = BlockWriter::create(&self.scratch, MUTATIONS, &header)?;
        let mut last = after;
        for record in log.read(after, self.plan.through, None) {
            self.go_on()?;
            let record = record?;
            last = record.sequence;
            (gathered.position, gathered.time) = (record.position, record.time);
            gathered
                .collections
                .extend(record.collections.iter().cloned());
            if record.mutation.is_some() {
                gathered.newest_mutation += 1;
            }
            if let Some(mutation) = remembered(&record, gathered.newest_mutation) {
                mutations.push(&mutation)?;
            }
            for latest in latest(record) {
                gathered.documents.push(latest)?;
            }
        }
        if last != self.plan.through {
            let through = self.plan.through;
            return Err(SnapshotError::NothingNew { through });
        }
        (_, gathered.mutations) = mutations.finish()?;
        Ok(gathered)
    }

    /// Those that are still remembered, of the snapshot before and of the log.
    fn write_mutations(&self, of_log: Written, newest: u64) -> Result<Written, SnapshotError> {
        let forgotten = newest.saturating_sub(self.plan.mutation_ids_max);
        let mut writer = BlockWriter::create(&self.disk, MUTATIONS, &self.mutations_header())?;
        let mut keep = |mutation: SnapshotMutation| -> Result<(), SnapshotError> {
            self.go_on()?;
            if mutation.ordinal > forgotten {
                writer.push(&mutation)?;
            }
            Ok(())
        };
        if let Some(previous) = self.plan.previous {
            for mutation in previous.mutations() {
                keep(mutation?)?;
            }
        }
        let header = self.mutations_header();
        let mut of_log = BlockReader::open(&self.scratch, MUTATIONS, &header, of_log)?;
        while let Some(mutation) = of_log.next()? {
            keep(mutation)?;
        }
        Ok(synced(writer)?)
    }

    fn write_documents(&self, mut merged: Merged) -> Result<Vec<KeyRange>, SnapshotError> {
        let mut files: Vec<KeyRange> = Vec::new();
        let mut open: Option<OpenRange> = None;
        while let Some(latest) = merged.next()? {
            self.go_on()?;
            let Some(document) = latest.into_document() else {
                continue;
            };
            let mut range = match open.take() {
                Some(range) => range,
                None => self.begin_range(files.len(), &document)?,
            };
            range.writer.push(&document)?;
            range.last = (document.collection, document.id);
            if range.writer.bytes() < self.sizes.file_bytes {
                open = Some(range);
            } else {
                files.push(range.finish()?);
            }
        }
        if let Some(range) = open {
            files.push(range.finish()?);
        }
        Ok(files)
    }

    fn begin_range(&self, place: usize, first: &SnapshotDocument) -> Result<OpenRange, IoError> {
        let number = documents_number(place);
        let header = Header {
            kind: Kind::Documents,
            number,
            snapshot: self.identity,
        };
        let writer = BlockWriter::create(&self.disk, &documents_name(number), &header)?;
        let first = (first.collection, first.id.clone());
        Ok(OpenRange {
            writer,
            last: first.clone(),
            first,
        })
    }
}

/// A file of documents that is being written.
struct OpenRange {
    writer: BlockWriter<SnapshotDocument>,
    first: (CollectionId, Box<str>),
    last: (CollectionId, Box<str>),
}

impl OpenRange {
    fn finish(self) -> Result<KeyRange, IoError> {
        Ok(KeyRange {
            written: synced(self.writer)?,
            first: self.first,
            last: self.last,
        })
    }
}

fn synced<E: super::entry::Entry>(writer: BlockWriter<E>) -> Result<Written, IoError> {
    let (file, written) = writer.finish()?;
    file.sync_all()?;
    Ok(written)
}

fn remembered(record: &CommitRecord, ordinal: u64) -> Option<SnapshotMutation> {
    let mutation = record.mutation.as_ref()?;
    let changes = record.changes.iter();
    Some(SnapshotMutation {
        principal: record.principal.clone(),
        id: mutation.id.clone(),
        ordinal,
        digest: mutation.digest,
        sequence: record.sequence,
        time: record.time,
        paths: changes
            .map(|change| (change.collection, change.id.clone()))
            .collect(),
    })
}

/// What a commit leaves of each document that it changed.
fn latest(record: CommitRecord) -> impl Iterator<Item = Latest> {
    let (version, updated_at) = (record.sequence, record.time);
    record.changes.into_iter().map(move |change| Latest {
        collection: change.collection,
        id: change.id,
        content: change.after.map(|data| Content {
            version,
            created_at: change.created_at,
            updated_at,
            // A slice would keep its whole group in memory.
            data: Bytes::copy_from_slice(&data),
        }),
    })
}
