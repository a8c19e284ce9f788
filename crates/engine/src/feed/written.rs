//! Reading the log for one subscription alone, straight into the text of a message: where a
//! transport has lent a [`ChangesWriter`], and the view shows all there is of each document.

use std::sync::Arc;

use wellspring_log::{self as log, RecordRef};
use wellspring_types::feed::{ChangeRef, ChangesWriter, CommitRef, Op, Room, View};
use wellspring_types::{CollectionSet, Sequence};

use super::catch_up::{self, CaughtUp, Found, SCAN_BYTES};
use super::conflate::Telling;
use super::reading::{Members, Reading};
use crate::commit::change_ref_bytes;
use crate::read::{ReadError, Sources};
use crate::statistics::Scanned;

/// About how many bytes of text a commit becomes, for the first room that is made.
const COMMIT_BYTES: usize = 512;

/// What is needed to write what a subscription sees.
pub(super) struct Script {
    view: Arc<View>,
    writer: Arc<dyn ChangesWriter>,
}

impl Script {
    /// `None` where documents have to be looked into, or commits to be joined.
    pub(super) fn of(
        view: &Arc<View>,
        telling: &Telling,
        writer: Option<&Arc<dyn ChangesWriter>>,
    ) -> Option<Script> {
        let shows_all = view.filter.is_none() && view.select.is_none() && !view.patch;
        if !shows_all || telling.is_net() {
            return None;
        }
        Some(Script {
            view: Arc::clone(view),
            writer: Arc::clone(writer?),
        })
    }

    /// Writes a commit, unless nothing of it is to be seen.
    fn push(&self, text: &mut String, record: &RecordRef<'_>, members: &Members) -> Pushed {
        let mut bytes = 0;
        let changes = record.changes();
        let changes = changes.inspect(|change| bytes += change_ref_bytes(change));
        let changes = changes.filter_map(|change| {
            let collection = members.path(change.collection)?;
            seen(&self.view, collection.as_str(), &change)
        });
        let mut changes = changes.peekable();
        let pushed = changes.peek().is_some().then(|| {
            let commit = CommitRef {
                seq: record.sequence,
                time: record.time,
                actor: record.principal,
                mutation_id: record.mutation_id,
            };
            self.writer.push(text, commit, &mut changes)
        });
        drop(changes);
        match pushed {
            None => Pushed::Unseen(bytes),
            Some(Room::Enough) => Pushed::Written(bytes),
            Some(Room::TooLittle) => Pushed::NoRoom,
        }
    }
}

/// What became of a commit, with the bytes of it that were read.
enum Pushed {
    Written(usize),
    Unseen(usize),
    NoRoom,
}

/// As [`catch_up::read`], written by the script: but for a commit that is too large for a message.
pub(super) fn read(
    sources: &Sources,
    collections: &CollectionSet,
    script: &Script,
    (after, through): (Sequence, Sequence),
    bytes_max: usize,
) -> Result<CaughtUp, ReadError> {
    let mut text = script.writer.begin();
    let begin = text.len();
    let commits = usize::try_from(through.0.saturating_sub(after.0)).unwrap_or(usize::MAX);
    text.reserve(
        commits
            .saturating_mul(COMMIT_BYTES)
            .min(bytes_max + COMMIT_BYTES),
    );
    let mut scanned = Scanned::default();
    let (mut first, mut last) = (None, after);
    let mut end = (through, false);
    let mut reading = Reading::new(sources, collections, (after, through));
    while let Some(read) = reading.next_ref() {
        let (record, members) = read?;
        let seq = record.sequence;
        match script.push(&mut text, &record, members) {
            Pushed::Written(bytes) => {
                scanned.add_bytes(bytes);
                first.get_or_insert(seq);
                last = seq;
            }
            Pushed::Unseen(bytes) => scanned.add_bytes(bytes),
            Pushed::NoRoom if first.is_none() => {
                let view = (&*script.view, &Telling::Every);
                let before = Sequence(seq.0 - 1);
                let rest = (before, through);
                let mut read = catch_up::read(sources, collections, view, rest, bytes_max)?;
                read.scanned.join(scanned);
                return Ok(read);
            }
            Pushed::NoRoom => {
                end = (last, true);
                break;
            }
        }
        let is_full = text.len() - begin >= bytes_max;
        if is_full || scanned.bytes >= SCAN_BYTES {
            end = (seq, is_full);
            break;
        }
    }
    let (through, is_full) = end;
    let found = match first {
        Some(first) => Found::Text { text, first, last },
        None => Found::Commits(Vec::new()),
    };
    Ok(CaughtUp {
        found,
        through,
        scanned,
        is_full,
    })
}

/// A change as a view sees it that shows all documents whole.
fn seen<'a>(
    view: &View,
    collection: &'a str,
    change: &log::ChangeRef<'a>,
) -> Option<ChangeRef<'a>> {
    let op = match (change.before, change.after) {
        (None, None) => return None,
        (None, Some(_)) => Op::Insert,
        (Some(_), Some(_)) => Op::Update,
        (Some(_), None) => Op::Delete,
    };
    // As `Data` shows what it holds.
    let text = |data: &'a [u8]| std::str::from_utf8(data).unwrap_or("{}");
    Some(ChangeRef {
        op,
        collection,
        id: change.id,
        data: change.after.map(text),
        old: change.before.filter(|_| view.old).map(text),
    })
}
