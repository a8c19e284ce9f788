//! Snapshots taken while the collection is written to are exact at their token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wellspring_testkit::random::Random;
use wellspring_types::Sequence;
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest};
use wellspring_types::write::{CommitRequest, Write};

use crate::common::{Fixture, Subscriber, data, fixture_with, path, query};

/// What a collection held at every sequence.
#[derive(Default)]
struct Histories(BTreeMap<Sequence, BTreeMap<String, (Sequence, String)>>);

impl Histories {
    fn at(&self, seq: Sequence) -> BTreeMap<String, (Sequence, String)> {
        let state = self.0.range(..=seq).next_back();
        state.map(|(_, state)| state.clone()).unwrap_or_default()
    }
}

/// Sets, deletes and re-creates 40 documents, large ones among them, until told to stop.
async fn write(fixture: &Fixture, seed: u64, stop: &AtomicBool) -> Histories {
    let mut random = Random::new(seed);
    let mut histories = Histories::default();
    let mut state = BTreeMap::new();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let mut writes = BTreeMap::new();
        for _ in 0..=random.below(4) {
            let id = format!("{:02}", random.below(40));
            let delete = state.contains_key(&id) && random.below(3) == 0;
            let size = if random.below(20) == 0 { 20_000 } else { 5 };
            let size = usize::try_from(size).unwrap();
            let json = format!(r#"{{"n":{n},"s":"{}"}}"#, "x".repeat(size));
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
        let seq = committed.unwrap().seq;
        for (id, json) in writes {
            match json {
                Some(json) => state.insert(id, (seq, json)),
                None => state.remove(&id),
            };
        }
        histories.0.insert(seq, state.clone());
    }
    histories
}

/// Reads snapshots and queries, each with its sequence, then says stop.
async fn read(
    fixture: &Fixture,
    snapshots: usize,
    stop: &AtomicBool,
) -> Vec<(Sequence, BTreeMap<String, (Sequence, String)>)> {
    let mut found = Vec::new();
    for round in 0..snapshots {
        if round % 4 == 3 {
            let page = fixture.database.query(query("rooms")).await.unwrap();
            let state = page.documents.iter().map(|document| {
                let shown = (document.version, document.data.as_str().to_owned());
                (document.path.id().to_owned(), shown)
            });
            found.push((page.seq, state.collect()));
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
    stop.store(true, Ordering::Relaxed);
    found
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
    let stop = Arc::new(AtomicBool::new(false));
    let (histories, found) = tokio::join!(
        write(&fixture, seed, &stop),
        read(&fixture, rounds(), &stop)
    );
    for (seq, state) in found {
        assert!(
            state == histories.at(seq),
            "seed {seed}: not what was there at {seq}"
        );
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
