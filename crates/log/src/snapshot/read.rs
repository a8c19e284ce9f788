//! Reading a snapshot.

use std::path::Path;
use std::sync::Arc;

use wellspring_types::{CollectionId, CollectionPath, Sequence, Timestamp};

use super::block::{BlockReader, Written};
use super::entry::{SnapshotDocument, SnapshotMutation};
use super::manifest::{MUTATIONS, Manifest, documents_name, documents_number};
use crate::error::{SnapshotError, SnapshotFault};
use crate::files::Disk;

/// The state that the log led to at some commit: everything that a replay of what comes after it
/// needs. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) disk: Disk,
    pub(super) manifest: Arc<Manifest>,
}

impl Snapshot {
    pub(super) fn new(disk: Disk, manifest: Manifest) -> Snapshot {
        Snapshot {
            disk,
            manifest: Arc::new(manifest),
        }
    }

    /// The last commit that it holds.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.manifest.identity.sequence
    }

    /// That commit's place in what ordered it.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.manifest.position
    }

    /// That commit's time.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.manifest.time
    }

    /// The version of the pipeline whose log it was made from.
    #[must_use]
    pub fn pipeline(&self) -> u32 {
        self.manifest.pipeline
    }

    /// Ordinal of the newest mutation id up to there, remembered or not.
    #[must_use]
    pub fn newest_mutation(&self) -> u64 {
        self.manifest.newest_mutation
    }

    /// All collections that had been written to, in the order of their numbers.
    #[must_use]
    pub fn collections(&self) -> &[(CollectionId, CollectionPath)] {
        &self.manifest.collections
    }

    /// How many documents it holds.
    #[must_use]
    pub fn documents_count(&self) -> u64 {
        let files = self.manifest.documents.iter();
        files.map(|file| file.written.entries).sum()
    }

    /// Bytes of its files, but for the manifest.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let files = self.manifest.documents.iter();
        let documents = files.map(|file| file.written.bytes).sum::<u64>();
        documents + self.manifest.mutations.bytes
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.disk.dir()
    }

    /// Its documents, by collection number and id. Nothing comes after an error.
    #[must_use]
    pub fn documents(&self) -> SnapshotDocuments {
        SnapshotDocuments {
            snapshot: self.clone(),
            file: None,
            place: 0,
        }
    }

    /// The mutation ids that were remembered, by ordinal. Nothing comes after an error.
    #[must_use]
    pub fn mutations(&self) -> SnapshotMutations {
        SnapshotMutations {
            snapshot: self.clone(),
            file: State::Closed,
        }
    }
}

/// Documents of a snapshot: what [`Snapshot::documents`] returns.
pub struct SnapshotDocuments {
    snapshot: Snapshot,
    file: Option<BlockReader<SnapshotDocument>>,
    /// The place in the manifest of the file that is next.
    place: usize,
}

impl SnapshotDocuments {
    fn advance(&mut self) -> Result<Option<SnapshotDocument>, SnapshotError> {
        loop {
            if let Some(file) = &mut self.file {
                match file.next()? {
                    Some(document) => return self.check(document).map(Some),
                    None => self.file = None,
                }
            }
            let manifest = &self.snapshot.manifest;
            let Some(range) = manifest.documents.get(self.place) else {
                return Ok(None);
            };
            let number = documents_number(self.place);
            let header = manifest.documents_header(number);
            let name = documents_name(number);
            let opened = BlockReader::open(&self.snapshot.disk, &name, &header, range.written)?;
            self.file = Some(opened);
            self.place += 1;
        }
    }

    /// The manifest's ranges ascend, so that what is inside of its file's is behind that of the
    /// file before.
    fn check(&self, document: SnapshotDocument) -> Result<SnapshotDocument, SnapshotError> {
        let ranges = &self.snapshot.manifest.documents;
        let range = self
            .place
            .checked_sub(1)
            .and_then(|place| ranges.get(place));
        let inside = range.is_some_and(|range| {
            let key = document.key();
            key >= (range.first.0, &range.first.1) && key <= (range.last.0, &range.last.1)
        });
        match (&self.file, inside) {
            (Some(file), false) => Err(file.damage(SnapshotFault::Order)),
            _ => Ok(document),
        }
    }
}

impl Iterator for SnapshotDocuments {
    type Item = Result<SnapshotDocument, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if matches!(item, Some(Err(_))) {
            (self.file, self.place) = (None, usize::MAX);
        }
        item
    }
}

/// Mutation ids of a snapshot: what [`Snapshot::mutations`] returns.
pub struct SnapshotMutations {
    snapshot: Snapshot,
    file: State,
}

enum State {
    Closed,
    Open(Box<BlockReader<SnapshotMutation>>),
    Over,
}

impl SnapshotMutations {
    fn advance(&mut self) -> Result<Option<SnapshotMutation>, SnapshotError> {
        loop {
            match &mut self.file {
                State::Open(file) => return file.next(),
                State::Over => return Ok(None),
                State::Closed => {
                    let manifest = &self.snapshot.manifest;
                    let (header, written): (_, Written) =
                        (manifest.mutations_header(), manifest.mutations);
                    let disk = &self.snapshot.disk;
                    let opened = BlockReader::open(disk, MUTATIONS, &header, written)?;
                    self.file = State::Open(Box::new(opened));
                }
            }
        }
    }
}

impl Iterator for SnapshotMutations {
    type Item = Result<SnapshotMutation, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if !matches!(item, Some(Ok(_))) {
            self.file = State::Over;
        }
        item
    }
}
