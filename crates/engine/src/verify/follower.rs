//! What goes along while the log is checked: the store takes what it lacks, and floors are followed.

use std::path::{Path, PathBuf};

use wellspring_log::{CommitRecord, Snapshot, SnapshotDocument, Verified, VerifyProgress, Watch};
use wellspring_store::{Batch, Digest, StoreChange, StoredDocument};
use wellspring_types::Sequence;

use super::StoreChecked;
use super::finding::Finding;
use super::floors::{FloorCheck, FloorDocument};
use super::store::StoreCopy;
use crate::apply::MutationLedger;
use crate::collections::Collections;
use crate::commit::Commit;

pub(super) struct Follower<'a> {
    copy: StoreCopy,
    collections: Collections,
    floors: FloorCheck,
    /// Of all documents and collections, from the beginning or from a snapshot; `None` where
    /// something is missing.
    digest: Option<Digest>,
    ledger: MutationLedger,
    /// The directory of the snapshot that is being read.
    snapshot: PathBuf,
    tell: &'a mut dyn FnMut(VerifyProgress),
}

impl<'a> Follower<'a> {
    pub(super) fn new(copy: StoreCopy, tell: &'a mut dyn FnMut(VerifyProgress)) -> Follower<'a> {
        let collections = Collections::default();
        copy.add_collections(&collections);
        Follower {
            copy,
            collections,
            floors: FloorCheck::default(),
            digest: None,
            ledger: MutationLedger::new(0, 0),
            snapshot: PathBuf::new(),
            tell,
        }
    }

    /// Everything was read.
    pub(super) fn end(
        self,
        data_dir: &Path,
        verified: &Verified,
        findings: &mut Vec<Finding>,
    ) -> StoreChecked {
        let floor = self.floors.all();
        let oldest = verified.oldest;
        if self.digest.is_some() && oldest.0 > floor.0 + 1 {
            let file = data_dir.join("log");
            findings.push(Finding::BeginsLater {
                file,
                oldest,
                floor,
            });
        }
        findings.extend(self.floors.into_findings());
        // Without a commit there is nothing behind the snapshot.
        let head = verified.head.max(Sequence(oldest.0.saturating_sub(1)));
        self.copy.end((oldest, head), self.digest, findings)
    }

    /// Everything of a backup was read.
    pub(super) fn end_backup(self, findings: &mut Vec<Finding>) {
        findings.extend(self.floors.into_findings());
    }

    fn add(&mut self, batch: &Batch) {
        if let Some(digest) = &mut self.digest {
            digest.batch(batch);
        }
    }
}

impl Watch for Follower<'_> {
    fn begin(&mut self, snapshot: Option<&Snapshot>) {
        self.digest = Some(Digest::default());
        self.floors.forget();
        if let Some(snapshot) = snapshot {
            self.snapshot = snapshot.dir().to_owned();
            let collections = snapshot.collections().to_vec();
            for (id, path) in &collections {
                self.collections.add(*id, path.clone());
            }
            self.add(&Batch {
                collections,
                ..Batch::default()
            });
        }
    }

    fn document(&mut self, document: &SnapshotDocument) {
        if FloorCheck::concerns(document.collection, &self.collections) {
            let floor = FloorDocument {
                place: (&self.snapshot, 0),
                sequence: document.version,
                name: &document.id,
                data: &document.data,
            };
            self.floors.take(&floor, &self.collections);
        }
        let change = StoreChange {
            collection: document.collection,
            id: document.id.clone(),
            before: None,
            after: Some(StoredDocument {
                id: document.id.clone(),
                version: document.version,
                created_at: document.created_at,
                updated_at: document.updated_at,
                data: document.data.clone(),
            }),
        };
        self.add(&Batch {
            changes: vec![change],
            ..Batch::default()
        });
    }

    fn commit(&mut self, place: (&Path, u64), record: &CommitRecord) {
        for (id, path) in &record.collections {
            self.collections.add(*id, path.clone());
        }
        for change in &record.changes {
            if FloorCheck::concerns(change.collection, &self.collections)
                && let Some(data) = &change.after
            {
                let floor = FloorDocument {
                    place,
                    sequence: record.sequence,
                    name: &change.id,
                    data,
                };
                self.floors.take(&floor, &self.collections);
            }
        }
        let Some(commit) = Commit::from_record(record.clone(), &self.collections) else {
            // The disagreement is told where the log is checked.
            return self.lose();
        };
        if self.digest.is_some() {
            let batch = self.ledger.batch(std::iter::once(&commit));
            self.add(&batch);
        }
        if self.copy.wants(record.sequence) {
            self.copy.take(commit);
        }
    }

    fn lose(&mut self) {
        self.digest = None;
        self.floors.forget();
    }

    fn progress(&mut self, progress: VerifyProgress) {
        (self.tell)(progress);
    }
}
