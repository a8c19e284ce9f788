//! Reading a snapshot past what is damaged in it, to tell all of it.

use super::block::{BlockReader, Header, Written};
use super::entry::{Entry, SnapshotDocument, SnapshotMutation};
use super::manifest::{self, MUTATIONS, documents_name, documents_number};
use super::read::Snapshot;
use crate::error::{Damage, DamageKind, IoError, SnapshotError};
use crate::files::Disk;

/// The entries of a file, and what is wrong with it, until nothing more can be read.
pub(crate) struct Salvage<E> {
    reader: Option<BlockReader<E>>,
    /// Why there is none.
    failed: Option<SnapshotError>,
}

impl<E: Entry + Clone> Salvage<E> {
    fn open(disk: &Disk, name: &str, header: &Header, written: Written) -> Salvage<E> {
        match BlockReader::open(disk, name, header, written) {
            Ok(reader) => Salvage {
                reader: Some(reader),
                failed: None,
            },
            Err(error) => Salvage {
                reader: None,
                failed: Some(error),
            },
        }
    }

    /// What is wrong with the last entry.
    pub(crate) fn damage(&self, what: DamageKind) -> Option<Damage> {
        let (file, offset) = self.reader.as_ref()?.place();
        Some(Damage {
            file: file.to_path_buf(),
            offset,
            what,
        })
    }
}

impl<E: Entry + Clone> Iterator for Salvage<E> {
    type Item = Result<E, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        let reader = self.reader.as_mut()?;
        match reader.next() {
            Ok(Some(entry)) => Some(Ok(entry)),
            Ok(None) => {
                self.reader = None;
                None
            }
            Err(error) => {
                let goes_on = matches!(error, SnapshotError::Damaged(_)) && reader.skip_block();
                if !goes_on {
                    self.reader = None;
                }
                Some(Err(error))
            }
        }
    }
}

impl Snapshot {
    /// Each of its files of documents.
    pub(crate) fn salvage_documents(&self) -> impl Iterator<Item = Salvage<SnapshotDocument>> {
        self.manifest
            .documents
            .iter()
            .enumerate()
            .map(|(place, file)| {
                let number = documents_number(place);
                let header = self.manifest.documents_header(number);
                Salvage::open(&self.disk, &documents_name(number), &header, file.written)
            })
    }

    /// Its mutation ids.
    pub(crate) fn salvage_mutations(&self) -> Salvage<SnapshotMutation> {
        let header = self.manifest.mutations_header();
        Salvage::open(&self.disk, MUTATIONS, &header, self.manifest.mutations)
    }

    /// The names that its directory has.
    pub(crate) fn names(&self) -> Result<Vec<String>, IoError> {
        self.disk.list()
    }

    /// The names of its files.
    pub(crate) fn file_names(&self) -> Vec<String> {
        let documents = 0..self.manifest.documents.len();
        let documents = documents.map(|place| documents_name(documents_number(place)));
        let others = [manifest::NAME, MUTATIONS].map(str::to_owned);
        documents.chain(others).collect()
    }
}
