//! What a database is made from: the newest snapshot, and the log.

use std::sync::Arc;

use wellspring_log::{Damage, LogReader, Snapshot, SnapshotError, SnapshotOptions, Snapshots};
use wellspring_types::{Epoch, Sequence};

use super::OpenError;
use crate::options::Options;

/// The truth: the log, and the snapshot that holds what comes before it.
pub(super) struct History {
    pub(super) log: LogReader,
    /// The newest one that is good, as far as is known.
    pub(super) snapshot: Option<Snapshot>,
}

/// The directory of snapshots and what was found in it.
pub(super) struct Found {
    pub(super) snapshots: Snapshots,
    pub(super) snapshot: Option<Snapshot>,
    /// The newest one by name, good or not: the log had come that far.
    pub(super) named: Sequence,
    /// What is wrong with the newest one that is not used.
    pub(super) damaged: Option<Damage>,
}

/// Finds the newest snapshot whose manifest is good.
pub(super) fn find(options: &Options, epoch: Epoch) -> Result<Found, OpenError> {
    let mut of_snapshots = SnapshotOptions::new(options.data_dir.join("snapshots"), epoch);
    of_snapshots.run_bytes = options.snapshot_run_bytes;
    of_snapshots.file_system = Arc::clone(&options.file_system);
    let snapshots = Snapshots::open(of_snapshots).map_err(SnapshotError::from)?;
    let names = snapshots.list().map_err(SnapshotError::from)?;
    let named = names.last().copied().unwrap_or(Sequence::ZERO);
    let mut damaged = None;
    for &sequence in names.iter().rev() {
        match snapshots.load(sequence) {
            Ok(snapshot) => {
                return Ok(Found {
                    snapshots,
                    snapshot: Some(snapshot),
                    named,
                    damaged,
                });
            }
            // An earlier one, or the log, may have everything.
            Err(SnapshotError::Damaged(damage)) => {
                tracing::error!(%damage, "a snapshot is damaged and is not used");
                damaged.get_or_insert(damage);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Found {
        snapshots,
        snapshot: None,
        named,
        damaged,
    })
}
