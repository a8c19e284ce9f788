//! Reads as of random sequences, under writers, snapshots of the log and retention: each is
//! compared with what the commits add up to at its sequence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use wellspring_engine::{Options, ReadError};
use wellspring_testkit::random::Random;
use wellspring_types::feed::Op;
use wellspring_types::history::HistoryQuery;
use wellspring_types::query::{Query, compare};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{At, Document, Filter, Sequence};

use crate::common::{Fixture, data, filter, fixture_with, path, query};

const WRITERS: u64 = 3;
/// Documents of one writer; no two write the same.
const DOCUMENTS: u64 = 12;
const ROUNDS: u64 = 120;

/// A collection: ids, versions, data.
type State = BTreeMap<String, (Sequence, String)>;
/// What each commit did: documents set or deleted.
type History = BTreeMap<Sequence, BTreeMap<String, Option<String>>>;

/// What was read, and as of when.
enum Read {
    Document {
        id: String,
        found: Option<(Sequence, String)>,
    },
    Collection {
        filter: Option<Filter>,
        found: State,
    },
}

fn id(number: u64, writer: u64) -> String {
    format!("{number:02}-{writer}")
}

/// Segments of a few commits, of which the oldest are dropped all the time.
fn dropping(options: &mut Options) {
    options.segment_bytes = 8 << 10;
    options.snapshot_log_bytes_min = 1;
    options.retention_bytes_max = Some(48 << 10);
    options.keeper_interval_ms = 1;
}

/// Sets, deletes and makes again, until told to stop.
async fn write(db: &Fixture, seed: u64, writer: u64, stop: &AtomicBool) -> History {
    let mut random = Random::new(seed + writer);
    let mut history = History::new();
    let mut present = BTreeSet::new();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let mut writes = BTreeMap::new();
        for _ in 0..=random.below(3) {
            let id = id(random.below(DOCUMENTS), writer);
            let delete = present.contains(&id) && random.below(3) == 0;
            let padding = "x".repeat(usize::try_from(random.below(80)).unwrap());
            let json = format!(r#"{{"n":{},"at":{n},"s":"{padding}"}}"#, n % 7);
            writes.insert(id, (!delete).then_some(json));
        }
        let request = writes.iter().map(|(id, json)| {
            let path = path(&format!("rooms/{id}"));
            json.as_ref().map_or_else(
                || Write::delete(path.clone()),
                |json| Write::set(path.clone(), data(json)),
            )
        });
        let request = CommitRequest::of(request.collect());
        let committed = db.database.commit(request).await.unwrap();
        for (id, json) in &writes {
            if json.is_some() {
                present.insert(id.clone())
            } else {
                present.remove(id)
            };
        }
        history.insert(committed.seq, writes);
    }
    history
}

fn held(document: &Document) -> (String, (Sequence, String)) {
    let (id, json) = (
        document.path.id().to_owned(),
        document.data.as_str().to_owned(),
    );
    (id, (document.version, json))
}

/// Reads as of sequences of everything that is kept; each was kept, or is said not to be.
async fn read(db: &Fixture, seed: u64, stop: &AtomicBool) -> Vec<(Sequence, Read)> {
    let mut random = Random::new(seed);
    let mut reads = Vec::new();
    let mut expired = 0;
    while reads.len() < usize::try_from(ROUNDS).unwrap() {
        let (floor, visible) = (db.database.floor(), db.database.visible());
        let pin = Sequence(floor.0 + random.below(visible.0 - floor.0 + 1));
        let read = match random.below(2) {
            0 => document(db, &mut random, pin).await,
            _ => collection(db, &mut random, pin).await,
        };
        match read {
            Ok(read) => reads.push((pin, read)),
            Err(ReadError::Expired { oldest }) => {
                assert!(pin < oldest && oldest <= db.database.floor());
                expired += 1;
            }
            Err(ReadError::CursorExpired) => {
                assert!(pin < db.database.floor());
                expired += 1;
            }
            Err(error) => panic!("as of {pin}: {error}"),
        }
        assert!(expired < 100 * ROUNDS, "most reads are in time");
    }
    stop.store(true, Ordering::Relaxed);
    reads
}

async fn document(db: &Fixture, random: &mut Random, pin: Sequence) -> Result<Read, ReadError> {
    let id = id(random.below(DOCUMENTS), random.below(WRITERS));
    let at = At::Sequence(pin);
    let found = db.get_at(&format!("rooms/{id}"), at).await?;
    assert_eq!(found.seq, pin);
    let found = found.document.map(|document| held(&document).1);
    Ok(Read::Document { id, found })
}

async fn collection(db: &Fixture, random: &mut Random, pin: Sequence) -> Result<Read, ReadError> {
    let filter = match random.below(3) {
        0 => Some(filter(r#"{"n":{"in":[1,2,5]}}"#)),
        _ => None,
    };
    let order_by = match random.below(3) {
        0 => vec!["-n".parse().unwrap()],
        _ => Vec::new(),
    };
    let mut next = Query {
        filter: filter.clone(),
        order_by: order_by.clone(),
        limit: u32::try_from(1 + random.below(30)).unwrap(),
        at: Some(At::Sequence(pin)),
        ..query("rooms")
    };
    let mut documents: Vec<Document> = Vec::new();
    loop {
        let page = db.database.query(next.clone()).await?;
        assert_eq!(page.seq, pin);
        documents.extend(page.documents);
        next.cursor = page.cursor;
        if next.cursor.is_none() {
            break;
        }
    }
    assert!(documents.is_sorted_by(|one, other| compare(&order_by, one, other).is_lt()));
    let found = documents.iter().map(held).collect();
    Ok(Read::Collection { filter, found })
}

fn assert_reads(history: &History, mut reads: Vec<(Sequence, Read)>) {
    reads.sort_by_key(|(pin, _)| *pin);
    let mut commits = history.iter().peekable();
    let mut state = State::new();
    for (pin, read) in reads {
        while let Some((at, writes)) = commits.next_if(|(at, _)| **at <= pin) {
            for (id, json) in writes {
                match json {
                    Some(json) => state.insert(id.clone(), (*at, json.clone())),
                    None => state.remove(id),
                };
            }
        }
        match read {
            Read::Document { id, found } => {
                assert_eq!(found.as_ref(), state.get(&id), "{id} at {pin}");
            }
            Read::Collection { filter, found } => {
                let mut expected = state.clone();
                expected.retain(|_, (_, json)| {
                    let matches = |filter: &Filter| filter.matches(data(json).object());
                    filter.as_ref().is_none_or(matches)
                });
                assert_eq!(found, expected, "at {pin}");
            }
        }
    }
}

/// The versions of every document, page by page, once nobody writes any more.
async fn assert_histories(db: &Fixture, history: &History) {
    for (number, writer) in (0..DOCUMENTS).flat_map(|n| (0..WRITERS).map(move |w| (n, w))) {
        let id = id(number, writer);
        // The floor may still move.
        loop {
            let floor = db.database.floor();
            let (found, truncated) = versions(db, &id, 1 + u32::try_from(number).unwrap()).await;
            if db.database.floor() == floor {
                assert_eq!(found, expected_versions(history, &id, floor), "{id}");
                assert_eq!(truncated, floor > Sequence::ZERO, "{id}");
                break;
            }
        }
    }
}

type Versions = Vec<(Sequence, Option<Op>, Option<String>)>;

/// All pages, and whether the last one says that they are not everything.
async fn versions(db: &Fixture, id: &str, limit: u32) -> (Versions, bool) {
    let mut query = HistoryQuery {
        path: path(&format!("rooms/{id}")),
        limit,
        cursor: None,
    };
    let mut found = Vec::new();
    loop {
        let page = db.database.history(query.clone()).await.unwrap();
        found.extend(page.versions.into_iter().map(|version| {
            let json = version.data.map(|data| data.as_str().to_owned());
            (version.version, version.op, json)
        }));
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            return (found, page.truncated);
        }
    }
}

fn expected_versions(history: &History, id: &str, floor: Sequence) -> Versions {
    let mut versions = Versions::new();
    let mut present = false;
    for (seq, json) in history
        .iter()
        .filter_map(|(seq, writes)| Some((*seq, writes.get(id)?)))
    {
        let op = match (present, json) {
            (_, None) => Op::Delete,
            (false, Some(_)) => Op::Insert,
            (true, Some(_)) => Op::Update,
        };
        present = json.is_some();
        if seq <= floor {
            versions.clear();
            versions.extend(present.then(|| (seq, None, json.clone())));
        } else {
            versions.push((seq, Some(op), json.clone()));
        }
    }
    versions.reverse();
    versions
}

async fn as_it_was(seed: u64, change: impl FnOnce(&mut Options)) {
    let db = fixture_with(change);
    let stop = AtomicBool::new(false);
    let write = |writer| write(&db, seed, writer, &stop);
    let (a, b, c, reads) = tokio::join!(
        write(0),
        write(1),
        write(2),
        read(&db, seed + WRITERS, &stop)
    );
    let history: History = [a, b, c].into_iter().flatten().collect();
    assert_reads(&history, reads);
    assert_histories(&db, &history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_past_is_as_it_was_under_writers() {
    as_it_was(0x9A57, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_past_is_as_it_was_with_little_memory() {
    as_it_was(0xBEF0, |options| options.exact_read_bytes_max = 2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_past_that_is_kept_is_as_it_was_while_the_oldest_is_dropped() {
    as_it_was(0xD20B, dropping).await;
    let small = |options: &mut Options| {
        dropping(options);
        options.exact_read_bytes_max = 2_000;
    };
    as_it_was(0xD20C, small).await;
}
