//! A backup, with all of its segments and snapshots.

use wellspring_types::Sequence;

use super::finding::{Finding, Findings};
use super::{Plan, SegmentPart, Verified, Watch, names, snapshots};
use crate::backup::{Backup, BackupManifest};
use crate::error::{BackupError, BackupFault, Damage, DamageKind};
use crate::files::Disk;
use crate::segment::parse_segment_name;
use crate::snapshot;

impl Backup {
    /// Checks all of it: every group and block that its manifest says is there, that segments follow
    /// each other, and that snapshots are what the log comes to. `documents_max` are kept in memory
    /// at a time, as of [`DatabaseFiles`](crate::DatabaseFiles).
    ///
    /// # Errors
    /// If there is no backup.
    pub fn verify(
        &self,
        documents_max: usize,
        watch: &mut dyn Watch,
    ) -> Result<Verified, BackupError> {
        let manifest = self.declared()?;
        let mut findings = Findings::default();
        let (log, snapshot_disk) = (self.log(), self.snapshots());
        list_strangers(manifest, (&log, &snapshot_disk), &mut findings);
        let mut found = Vec::new();
        for held in &manifest.snapshots {
            match snapshot::load_from(&snapshot_disk, manifest.epoch, held.sequence) {
                Ok(snapshot) => {
                    if snapshot.extent() != (held.bytes, held.checksum) {
                        findings.add(Damage {
                            file: snapshot.dir().join("manifest"),
                            offset: 0,
                            what: DamageKind::Backup(BackupFault::Checksum),
                        });
                    }
                    snapshots::list_strangers(&snapshot, &mut findings);
                    found.push(snapshot);
                }
                Err(error) => findings.add_snapshot(error),
            }
        }
        let parts = manifest.segments.iter().map(|held| SegmentPart {
            first: held.first,
            held: Some(*held),
            bytes: held.bytes,
        });
        let plan = Plan {
            epoch: manifest.epoch,
            witnessed: Sequence::ZERO,
            segments: parts.collect(),
            snapshots: found,
            log,
            documents_max,
        };
        Ok(plan.run(findings, watch))
    }
}

/// Tells what is there and not in the backup: what a run that was cut short has left.
fn list_strangers(
    manifest: &BackupManifest,
    (log, snapshots): (&Disk, &Disk),
    findings: &mut Findings,
) {
    for name in names(log, findings) {
        let first = parse_segment_name(&name);
        if first.is_none_or(|first| manifest.segment(first).is_none()) {
            let file = log.dir().join(name);
            findings.add(Finding::LeftOver { file });
        }
    }
    for name in names(snapshots, findings) {
        let sequence = snapshot::parse_name(&name);
        let mut held = manifest.snapshots.iter();
        if sequence.is_none_or(|sequence| !held.any(|held| held.sequence == sequence)) {
            let file = snapshots.dir().join(name);
            findings.add(Finding::LeftOver { file });
        }
    }
}
