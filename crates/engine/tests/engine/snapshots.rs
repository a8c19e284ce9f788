//! Snapshots taken while the collection is written to are exact at their token.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::Semaphore;
use wellspring_testkit::random::Random;
use wellspring_types::Sequence;
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest};
use wellspring_types::query::Query;
use wellspring_types::write::{CommitRequest, Write};

use crate::common::{Fixture, Subscriber, data, fixture_with, path, query};

/// Documents of one writer; no two write the same.
const DOCUMENTS: u64 = 150;
const WRITERS: u64 = 4;

/// Commits during one read, at most. A query with little memory reads what has changed since its first
/// page again for each few documents: writers that were faster than that would never let it end.
const COMMITS_A_READ: usize = 200;

/// A collection: ids, versions, data.
type State = BTreeMap<String, (Sequence, String)>;
/// What each commit did: documents set or deleted.
type History = BTreeMap<Sequence, BTreeMap<String, Option<String>>>;

fn id(number: u64, writer: u64) -> String {
    format!("{number:03}-{writer}")
}

fn ids(writer: u64) -> impl Iterator<Item = String> {
    (0..DOCUMENTS).map(move |number| id(number, writer))
}

/// Every document once, so that a snapshot has more than one page.
async fn fill(fixture: &Fixture) -> History {
    let mut history = History::new();
    for writer in 0..WRITERS {
        let writes = ids(writer).map(|id| Write::set(path(&format!("rooms/{id}")), data("{}")));
        let seq = fixture.commit(writes.collect()).await.seq;
        history.insert(
            seq,
            ids(writer).map(|id| (id, Some("{}".to_owned()))).collect(),
        );
    }
    history
}

/// Sets, deletes and re-creates documents, large ones among them, one commit for each permit, until
/// there will be none any more.
async fn write(fixture: &Fixture, seed: u64, writer: u64, permits: &Semaphore) -> History {
    let mut random = Random::new(seed + writer);
    let mut history = History::new();
    let mut present: BTreeSet<_> = ids(writer).collect();
    let mut n = 0;
    while let Ok(permit) = permits.acquire().await {
        permit.forget();
        n += 1;
        let mut writes = BTreeMap::new();
        for _ in 0..=random.below(4) {
            let id = id(random.below(DOCUMENTS), writer);
            let delete = present.contains(&id) && random.below(3) == 0;
            let padding = if random.below(20) == 0 { 20_000 } else { 5 };
            let json = format!(r#"{{"n":{n},"s":"{}"}}"#, "x".repeat(padding));
            writes.insert(id, (!delete).then_some(json));
        }
        let request = writes.iter().map(|(id, json)| {
            let path = path(&format!("rooms/{id}"));
            json.as_ref().map_or_else(
                || Write::delete(path.clone()),
                |json| Write::set(path.clone(), data(json)),
            )
        });
        let committed = fixture
            .database
            .commit(CommitRequest::of(request.collect()))
            .await;
        for (id, json) in &writes {
            if json.is_some() {
                present.insert(id.clone())
            } else {
                present.remove(id)
            };
        }
        history.insert(committed.unwrap().seq, writes);
    }
    history
}

/// Reads snapshots and queries, each with its sequence and beside as many commits.
async fn read(fixture: &Fixture, snapshots: usize, permits: &Semaphore) -> Vec<(Sequence, State)> {
    let mut found = Vec::new();
    for round in 0..snapshots {
        permits.add_permits(COMMITS_A_READ.saturating_sub(permits.available_permits()));
        if round % 4 == 3 {
            found.push(listed(fixture).await);
            continue;
        }
        let mut subscriber = fixture.subscribe(From::Snapshot);
        let seq = if round % 4 == 2 {
            resumed_inside(fixture, &mut subscriber).await
        } else {
            subscriber.until_current().await
        };
        found.push((seq, subscriber.state));
    }
    permits.close();
    found
}

/// The collection as a query of several pages gives it.
async fn listed(fixture: &Fixture) -> (Sequence, State) {
    let mut state = State::new();
    let mut cursor = None;
    loop {
        let page = Query {
            cursor,
            limit: 150,
            ..query("rooms")
        };
        let page = fixture.database.query(page).await.unwrap();
        for document in page.documents {
            let shown = (document.version, document.data.as_str().to_owned());
            state.insert(document.path.id().to_owned(), shown);
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return (page.seq, state);
        }
    }
}

/// Takes one message of the snapshot and resumes from it.
async fn resumed_inside(fixture: &Fixture, subscriber: &mut Subscriber) -> Sequence {
    loop {
        match subscriber.next().await {
            FeedMessage::Current { seq, .. } => return seq,
            FeedMessage::Snapshot { .. } => break,
            _ => {}
        }
    }
    let from = From::Token(subscriber.token.clone().unwrap());
    let request = SubscribeRequest::new("rooms".parse().unwrap(), from);
    subscriber.subscription = fixture.database.subscribe(request).unwrap();
    subscriber.until_current().await
}

/// How many snapshots of each size of memory: more with `WELLSPRING_SNAPSHOTS`, set at compile
/// time, as the long form in `docs/testing.md` does.
fn rounds() -> usize {
    option_env!("WELLSPRING_SNAPSHOTS")
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(60)
}

async fn exact_under_writes(seed: u64, changed_bytes_max: usize) {
    let fixture = fixture_with(|options| options.exact_read_bytes_max = changed_bytes_max);
    let filled = fill(&fixture).await;
    let permits = Semaphore::new(0);
    let write = |writer| write(&fixture, seed, writer, &permits);
    let (a, b, c, d, mut found) = tokio::join!(
        write(0),
        write(1),
        write(2),
        write(3),
        read(&fixture, rounds(), &permits)
    );
    let history: History = [filled, a, b, c, d].into_iter().flatten().collect();
    let mut history = history.into_iter().peekable();
    let mut state = State::new();
    found.sort_by_key(|(seq, _)| *seq);
    for (seq, found) in found {
        while let Some((at, writes)) = history.next_if(|(at, _)| *at <= seq) {
            for (id, json) in writes {
                match json {
                    Some(json) => state.insert(id, (at, json)),
                    None => state.remove(&id),
                };
            }
        }
        assert!(found == state, "seed {seed}: not what was there at {seq}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_under_heavy_writes_is_exact_at_its_token() {
    exact_under_writes(0x5EED, 64 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_must_move_its_pin_is_exact_at_the_last_one() {
    // So little memory that almost any change makes it move.
    exact_under_writes(0xC0FFEE, 600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_resumed_while_its_pin_moves_is_exact() {
    let fixture = fixture_with(|options| options.exact_read_bytes_max = 600);
    let large = |n: u64| format!(r#"{{"n":{n},"s":"{}"}}"#, "x".repeat(200_000));
    for n in 0..20 {
        fixture.set(&format!("rooms/{n:02}"), &large(0)).await;
    }
    let mut subscriber = fixture.subscribe(From::Snapshot);
    while subscriber.state.is_empty() {
        subscriber.next().await;
    }
    // More than one message brings up to date what was sent, and what was not cannot wait.
    for n in 0..20 {
        fixture.set(&format!("rooms/{n:02}"), &large(1)).await;
    }
    fixture.delete("rooms/00").await;
    let sent = subscriber.state.len();
    while subscriber.state["01"].1 == large(0) {
        subscriber.next().await;
    }
    assert!(sent < 20);
    let from = From::Token(subscriber.token.clone().unwrap());
    let request = SubscribeRequest::new("rooms".parse().unwrap(), from);
    subscriber.subscription = fixture.database.subscribe(request).unwrap();
    let seq = subscriber.until_current().await;
    let newer = subscriber
        .state
        .values()
        .filter(|(version, _)| *version > seq);
    assert_eq!(newer.count(), 0, "nothing is newer than {seq}");
}
