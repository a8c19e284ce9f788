//! Reading the log for one subscription alone: one that is sent so much of what is read that it
//! fills its queue, or that takes it so slowly (see [`passes`](super::passes)).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wellspring_types::feed::{FeedCommit, View};
use wellspring_types::{CollectionSet, Sequence};

use super::conflate::Telling;
use super::reading::Reading;
use super::view::{detach_documents, see};
use crate::commit::detach;
use crate::read::{ReadError, Sources};
use crate::statistics::Scanned;

/// Bytes of changes that one step reads, whether the view sees them or not: so that a step is
/// short and a filtered subscription shows its progress.
pub(super) const SCAN_BYTES: usize = 16 << 20;

/// What a step found.
pub(super) struct CaughtUp {
    pub(super) found: Found,
    /// Everything up to here was read.
    pub(super) through: Sequence,
    pub(super) scanned: Scanned,
    /// Whether it ended because enough was found: then what is read is worth reading for it alone.
    pub(super) is_full: bool,
}

/// What is told of what the view sees, oldest first.
pub(super) enum Found {
    Commits(Vec<Arc<FeedCommit>>),
    /// A message, but for its end.
    Text {
        text: String,
        first: Sequence,
        last: Sequence,
    },
}

/// Reads on after `after`, at most through `through`, until about `bytes_max` are to be told.
pub(super) fn read(
    sources: &Sources,
    collections: &CollectionSet,
    (view, telling): (&View, &Telling),
    (after, through): (Sequence, Sequence),
    bytes_max: usize,
) -> Result<CaughtUp, ReadError> {
    let mut found = telling.gather();
    let mut scanned = Scanned::default();
    let mut memory = PageMemory::default();
    let mut reading = Reading::new(sources, collections, (after, through));
    while let Some(commit) = reading.next(sources) {
        let commit = commit?;
        scanned.add(&commit);
        let seq = commit.seq;
        let seen = see(view, &commit, reading.changes(&commit));
        // What is seen is then the only one that holds its documents.
        drop(commit);
        if let Some(mut seen) = seen {
            detach_documents(&mut seen, |data| match telling {
                Telling::Every => data.replace_text(|text| memory.copy(text)),
                // Of what commits come to, little may be left, and it would keep all the memory.
                Telling::Net { .. } => detach(data),
            });
            found.add(Arc::new(seen));
        }
        let is_full = found.bytes() >= bytes_max;
        if is_full || scanned.bytes >= SCAN_BYTES {
            return Ok(CaughtUp {
                found: Found::Commits(found.finish()),
                through: seq,
                scanned,
                is_full,
            });
        }
    }
    Ok(CaughtUp {
        found: Found::Commits(found.finish()),
        through,
        scanned,
        is_full: false,
    })
}

/// Memory for the documents of a page, many in one piece, as the page is kept and let go as one.
/// Pieces begin small, for pages of little.
#[derive(Default)]
struct PageMemory {
    piece: BytesMut,
    /// Bytes of the last piece.
    piece_bytes: usize,
}

impl PageMemory {
    const PIECE_BYTES_MIN: usize = 1 << 10;
    const PIECE_BYTES_MAX: usize = 64 << 10;

    fn copy(&mut self, text: &[u8]) -> Bytes {
        if self.piece.capacity() < text.len() {
            let next = (2 * self.piece_bytes).clamp(Self::PIECE_BYTES_MIN, Self::PIECE_BYTES_MAX);
            self.piece_bytes = next;
            self.piece = BytesMut::with_capacity(next.max(text.len()));
        }
        self.piece.extend_from_slice(text);
        self.piece.split().freeze()
    }
}
