//! Reading the log on behalf of a subscription that is not live.

use std::sync::Arc;

use wellspring_types::feed::{FeedCommit, View};
use wellspring_types::{CollectionPath, Sequence};

use super::conflate::Telling;
use super::view::see;
use crate::commit::detach;
use crate::read::{ReadError, Sources};

/// Bytes of changes that one step reads, whether the view sees them or not: so that a step is
/// short and a filtered subscription shows its progress.
const SCAN_BYTES: usize = 16 << 20;

/// What a step found.
pub(super) struct CaughtUp {
    /// What is told of what the view sees, oldest first.
    pub(super) commits: Vec<Arc<FeedCommit>>,
    /// Everything up to here was read.
    pub(super) scanned: Sequence,
    /// Bytes of changes that were read.
    pub(super) scanned_bytes: usize,
}

/// Reads on after `after`, at most through `through`, until about `bytes_max` are to be told.
pub(super) fn read(
    sources: &Sources,
    collection: &CollectionPath,
    (view, telling): (&View, &Telling),
    (after, through): (Sequence, Sequence),
    bytes_max: usize,
) -> Result<CaughtUp, ReadError> {
    let Some(id) = sources.collections.id(collection.as_str()) else {
        // A collection gets its id before its first commit becomes visible.
        return Ok(CaughtUp {
            commits: Vec::new(),
            scanned: through,
            scanned_bytes: 0,
        });
    };
    let mut found = telling.gather();
    let mut scanned_bytes = 0;
    for commit in sources.commits(after, through, Some(id)) {
        let commit = commit?;
        scanned_bytes += commit.bytes();
        if let Some(mut seen) = see(view, &commit, commit.changes.iter()) {
            // It may wait for a slow client.
            for change in &mut seen.changes {
                let data = [&mut change.data, &mut change.old];
                data.into_iter().flatten().for_each(detach);
            }
            found.add(Arc::new(seen));
        }
        if found.bytes() >= bytes_max || scanned_bytes >= SCAN_BYTES {
            return Ok(CaughtUp {
                commits: found.finish(),
                scanned: commit.seq,
                scanned_bytes,
            });
        }
    }
    Ok(CaughtUp {
        commits: found.finish(),
        scanned: through,
        scanned_bytes,
    })
}
