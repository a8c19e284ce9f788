//! The separate reader that comes last: the log, read by the log's own reader, not through a
//! subscription; and the state, read by queries.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::value::RawValue;
use wellspring_engine::Database;
use wellspring_log::{ChangeRecord, LogReader};
use wellspring_types::query::Query;
use wellspring_types::{CollectionId, CollectionPath, Document, Sequence, limits};

use super::Recorder;
use crate::history::record::{DumpRecord, LogChange, LogRecord, Record, StateRecord};

/// Dumps every commit that the log keeps, documents included. `older` are collections that were
/// named before the oldest of them: those of a snapshot, where retention has dropped the log's
/// beginning. Returns all collections.
///
/// # Errors
/// If the log cannot be read.
pub fn log(
    recorder: &Recorder,
    reader: &LogReader,
    older: &[(CollectionId, CollectionPath)],
) -> Result<Vec<CollectionPath>> {
    dump(recorder, reader, older, None)
}

/// As [`log`], of a reader that has more than the database keeps: all from the first commit on.
/// `kept` is the oldest one that the database keeps.
///
/// # Errors
/// If the log cannot be read.
pub fn whole_log(
    recorder: &Recorder,
    reader: &LogReader,
    kept: Sequence,
) -> Result<Vec<CollectionPath>> {
    dump(recorder, reader, &[], Some(kept))
}

fn dump(
    recorder: &Recorder,
    reader: &LogReader,
    older: &[(CollectionId, CollectionPath)],
    kept: Option<Sequence>,
) -> Result<Vec<CollectionPath>> {
    let (oldest, head) = (reader.oldest(), reader.head());
    recorder.record(&Record::Dump(DumpRecord {
        oldest: oldest.0,
        head: head.0,
        kept: kept.map(|kept| kept.0),
    }));
    let mut collections: BTreeMap<CollectionId, CollectionPath> = older.iter().cloned().collect();
    for commit in reader.read(Sequence(oldest.0.saturating_sub(1)), head, None) {
        let commit = commit?;
        collections.extend(commit.collections);
        let changes = commit.changes.iter().map(|change| {
            let collection = collections.get(&change.collection);
            let collection = collection.with_context(|| {
                format!("commit {} is of an unknown collection", commit.sequence)
            })?;
            log_change(collection, change)
        });
        let changes = changes.collect::<Result<Vec<_>>>()?;
        recorder.record(&Record::Log(LogRecord {
            seq: commit.sequence.0,
            op_id: commit.mutation.map(|mutation| mutation.id),
            changes,
        }));
    }
    Ok(collections.into_values().collect())
}

/// Dumps every document of these collections as a fresh read at `head` shows it.
///
/// # Errors
/// If a query fails, or is not answered as of `head`: somebody still writes.
pub async fn state(
    recorder: &Recorder,
    database: &Database,
    collections: &[CollectionPath],
    head: Sequence,
) -> Result<()> {
    for collection in collections {
        let mut query = Query {
            collection: collection.clone(),
            filter: None,
            select: None,
            order_by: Vec::new(),
            limit: limits::PAGE_DOCUMENTS_MAX,
            cursor: None,
            at: None,
        };
        loop {
            let page = database.query(query.clone()).await?;
            let seq = page.seq;
            ensure!(seq == head, "the state is of {seq}, not of {head}");
            for document in &page.documents {
                recorder.record(&Record::State(state_of(document)?));
            }
            query.cursor = page.cursor;
            if query.cursor.is_none() {
                break;
            }
        }
    }
    Ok(())
}

fn log_change(collection: &CollectionPath, change: &ChangeRecord) -> Result<LogChange> {
    let text = |bytes: &[u8]| raw(std::str::from_utf8(bytes)?);
    let before = change.before.as_ref();
    Ok(LogChange {
        path: format!("{collection}/{}", change.id).into(),
        prev_version: before.map_or(0, |before| before.version.0),
        old_hash: None,
        old: before.map(|before| text(&before.data)).transpose()?,
        hash: None,
        data: change.after.as_ref().map(|after| text(after)).transpose()?,
    })
}

fn state_of(document: &Document) -> Result<StateRecord> {
    Ok(StateRecord {
        path: document.path.as_str().into(),
        version: document.version.0,
        hash: None,
        data: Some(raw(document.data.as_str())?),
    })
}

fn raw(text: &str) -> Result<Box<RawValue>> {
    Ok(RawValue::from_string(text.to_owned())?)
}
