//! One token, every transport: a client that hops between all of them sees what one sees that
//! never moved.

use std::collections::BTreeMap;

use tempfile::TempDir;
use tokio::task::JoinSet;
use wellspring_client::Client;
use wellspring_testkit::random::Random;
use wellspring_tests::readers::{Moves, Reader, inside_a_snapshot};
use wellspring_tests::server::{Running, small};
use wellspring_tests::writers::connect;
use wellspring_tests::{PATIENCE, Transport};
use wellspring_types::feed::{From, SubscribeRequest, View};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{Data, DocumentPath, Filter, Select, Value, json};

/// A snapshot of several pages.
const DOCUMENTS: u64 = 1_600;
/// Those that are written to again, some of them large.
const WRITTEN: u64 = 12;
const COMMITS: u64 = 80;
/// Text of a document of which few fit into a message.
const LARGE_BYTES: usize = 900 << 10;
const HOPPERS: u64 = 3;
/// Messages of a session of a hopper, at most.
const MESSAGES_MAX: u64 = 6;
/// The id of the document that is written last.
const LAST: &str = "last";

/// Histories, each under other views: 200 with `WELLSPRING_HOPS=200` set when this is compiled, as
/// the long form in `docs/testing.md` does.
fn seeds() -> u64 {
    option_env!("WELLSPRING_HOPS")
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(1)
}

fn views() -> Vec<View> {
    let filters = [
        None,
        Some(r#"{"room":1}"#),
        Some(r#"{"or":[{"n":{"gte":5}},{"room":{"in":[0,1]}}]}"#),
    ];
    let select = Select::new(vec!["n".parse().unwrap(), "room".parse().unwrap()]).unwrap();
    let mut views = Vec::new();
    for number in 0..12 {
        views.push(View {
            filter: filters[number % 3].map(|text| Filter::parse(text).unwrap()),
            select: (number % 2 == 1).then(|| select.clone()),
            old: number % 4 >= 2,
            patch: number >= 6,
        });
    }
    views
}

struct Scene {
    client: Client,
    collection: String,
    random: Random,
}

impl Scene {
    fn path(&self, id: &str) -> DocumentPath {
        format!("{}/{id}", self.collection).parse().unwrap()
    }

    fn document(&mut self, text_bytes: usize) -> Data {
        let (room, n) = (self.random.below(3), self.random.below(10));
        let text = "x".repeat(text_bytes);
        let json = format!(r#"{{"room":{room},"n":{n},"text":"{text}"}}"#);
        Data::parse(json.as_bytes()).unwrap()
    }

    async fn commit(&self, writes: Vec<Write>) {
        self.client.commit(CommitRequest::of(writes)).await.unwrap();
    }

    async fn fill(&mut self) {
        let ids: Vec<u64> = (0..DOCUMENTS).collect();
        for ids in ids.chunks(400) {
            let mut writes = Vec::new();
            for id in ids {
                let path = self.path(&format!("{id:04}"));
                writes.push(Write::set(path, self.document(10)));
            }
            self.commit(writes).await;
        }
    }

    /// A commit that comes in several messages, to those that see documents whole.
    async fn commit_large(&mut self) {
        let mut writes = Vec::new();
        for id in 0..4 {
            let path = self.path(&format!("{id:04}"));
            let json = format!(r#"{{"room":1,"n":7,"text":"{}"}}"#, "y".repeat(LARGE_BYTES));
            writes.push(Write::set(path, Data::parse(json.as_bytes()).unwrap()));
        }
        self.commit(writes).await;
    }

    fn any_write(&mut self, id: u64) -> Write {
        let path = self.path(&format!("{id:04}"));
        match self.random.below(6) {
            0 => Write::delete(path),
            1 | 2 => {
                let patch = format!(r#"{{"n":{},"m":{id}}}"#, self.random.below(10));
                let Value::Object(patch) = json::parse(patch.as_bytes()).unwrap() else {
                    panic!("an object")
                };
                Write::update(path, patch)
            }
            _ => {
                let text_bytes = usize::try_from(self.random.below(300)).unwrap();
                Write::set(path, self.document(text_bytes))
            }
        }
    }

    async fn write(&mut self) {
        for number in 0..COMMITS {
            let mut ids = Vec::new();
            for _ in 0..=self.random.below(3) {
                let id = self.random.below(WRITTEN);
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            let writes = ids.iter().map(|id| self.any_write(*id)).collect();
            // Of what is not there nothing can be changed.
            let _refused = self.client.commit(CommitRequest::of(writes)).await;
            if number == COMMITS / 2 {
                self.commit_large().await;
            }
        }
        let json = r#"{"room":1,"n":9}"#;
        let last = Data::parse(json.as_bytes()).unwrap();
        self.commit(vec![Write::set(self.path(LAST), last)]).await;
    }
}

/// What the readers of one view have seen is one sequence, and each position has one token.
fn compare(view: &View, readers: &[Reader]) {
    let (reference, others) = readers.split_first().unwrap();
    assert!(reference.seen.documents.len() > 300, "a long snapshot");
    assert!(reference.seen.changes.len() > 30, "many changes");
    let mut positions = BTreeMap::new();
    let mut places = BTreeMap::new();
    for reader in readers {
        for (seq, token) in &reader.positions {
            assert_eq!(positions.entry(seq).or_insert(token), &token, "at {seq}");
        }
        for (count, token) in &reader.places {
            assert_eq!(places.entry(count).or_insert(token), &token, "at {count}");
        }
    }
    for reader in others {
        let (held, seen) = (&reference.seen, &reader.seen);
        let differs = held.changes.iter().zip(&seen.changes);
        let differs = differs
            .filter(|(held, seen)| held != seen)
            .map(|of| of.0.seq);
        assert!(held == seen, "{view:?} {reader:?} from {:?}", differs.min());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hops_between_transports_sees_what_one_sees_that_stays() {
    let directory = TempDir::new().unwrap();
    let server = Running::start(directory.path().join("data"), |options| {
        let exact_read_bytes_max = options.exact_read_bytes_max;
        small(options);
        // The pins of snapshots stay where they are: all begin at one.
        options.exact_read_bytes_max = exact_read_bytes_max;
    })
    .await;
    let (mut sessions, mut broken) = (0, 0);
    for seed in 0..seeds() {
        let mut random = Random::new(seed);
        let mut scene = Scene {
            client: connect(server.address).await.unwrap(),
            collection: format!("rooms{seed}"),
            random: Random::new(seed + 1000),
        };
        scene.fill().await;
        let views = views();
        let mut reading = JoinSet::new();
        for chosen in [0, 1 + random.below(11)] {
            let view = &views[usize::try_from(chosen).unwrap()];
            let request = SubscribeRequest {
                view: view.clone(),
                ..SubscribeRequest::new(scene.collection.parse().unwrap(), From::Now)
            };
            let token = inside_a_snapshot(server.address, &request).await;
            let stays = Transport::ALL.iter().map(|of| Moves::Stays(*of));
            let hops = (0..HOPPERS).map(|of| {
                let random = Random::new(seed * 1000 + chosen * 10 + of);
                Moves::Hops(random, MESSAGES_MAX)
            });
            let mut readers = JoinSet::new();
            for moves in stays.chain(hops) {
                let reader = Reader::new(request.clone(), token.clone(), moves);
                readers.spawn(reader.read_until(server.address, LAST));
            }
            let view = view.clone();
            reading.spawn(async move { (view, readers.join_all().await) });
        }
        scene.write().await;
        for (view, readers) in tokio::time::timeout(PATIENCE * 5, reading.join_all())
            .await
            .expect("all come to the end")
        {
            compare(&view, &readers);
            let of_hoppers = readers.iter().map(|reader| reader.sessions);
            sessions += of_hoppers.sum::<usize>();
            broken += readers
                .iter()
                .map(|reader| reader.broken.len())
                .sum::<usize>();
        }
        scene.client.close().await;
    }
    server.stop().await;
    println!("{sessions} sessions; {broken} times away inside a commit");
    assert!(sessions > 50 && broken > 0, "{sessions}, {broken}");
}
