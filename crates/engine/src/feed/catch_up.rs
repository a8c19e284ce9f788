//! Reading the log on behalf of a subscription that is not live.

use std::collections::HashSet;
use std::sync::Arc;

use wellspring_types::feed::{FeedCommit, View};
use wellspring_types::{CollectionId, CollectionSet, Sequence};

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
    collections: &CollectionSet,
    (view, telling): (&View, &Telling),
    (after, through): (Sequence, Sequence),
    bytes_max: usize,
) -> Result<CaughtUp, ReadError> {
    // A collection gets its id before its first commit becomes visible.
    let members = sources.collections.of_set(collections).into_iter();
    let ids: HashSet<CollectionId> = members
        .filter_map(|member| sources.collections.id(member.as_str()))
        .collect();
    if ids.is_empty() {
        return Ok(CaughtUp {
            commits: Vec::new(),
            scanned: through,
            scanned_bytes: 0,
        });
    }
    // One is found by the log's index; for several all of the log is read.
    let only = ids.iter().next().copied().filter(|_| ids.len() == 1);
    let mut found = telling.gather();
    let mut scanned_bytes = 0;
    for commit in sources.commits(after, through, only) {
        let commit = commit?;
        scanned_bytes += commit.bytes();
        let changes = commit.changes.iter();
        let changes = changes.filter(|change| ids.contains(&change.collection));
        if let Some(mut seen) = see(view, &commit, changes) {
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
