//! The client against the server itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the clippy settings for tests do not reach the helpers of integration tests"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use wellspring_client::types::consumer::ConsumersQuery;
use wellspring_client::types::feed::{Known, Op};
use wellspring_client::types::history::HistoryQuery;
use wellspring_client::types::listing::{CollectionsPage, CollectionsQuery};
use wellspring_client::types::query::Query;
use wellspring_client::types::write::{CommitRequest, Precondition, Write};
use wellspring_client::types::{
    At, CollectionPath, CollectionSet, Data, DocumentPath, Filter, Sequence,
};
use wellspring_client::{
    BackoffPolicy, ChangeEvent, Changes, ChangesError, Client, Code, ConnectError,
};
use wellspring_server::Server;
use wellspring_server::config::{Config, Overrides, Sources};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs in this process.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

impl Running {
    async fn start(directory: &Path, listen: SocketAddr) -> Running {
        let file = directory.join("wellspring.toml");
        std::fs::write(&file, "").unwrap();
        let mut overrides = Overrides::default();
        overrides.dev = Some(true);
        overrides.data = Some(directory.join("data"));
        overrides.listen = Some(listen);
        overrides.admin = Some("127.0.0.1:0".parse().unwrap());
        overrides.reserve_bytes = Some(0);
        overrides.drain_ms = Some(1000);
        let sources = Sources {
            file: Some(file),
            environment: Vec::new(),
            overrides,
        };
        let server = Server::bind(Config::load(sources).unwrap()).await.unwrap();
        let address = server.addresses().clients;
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let stopped = async { stopped.await.unwrap_or(()) };
            server.run(stopped).await.unwrap();
        });
        Running {
            address,
            stop,
            tasks,
        }
    }

    async fn stop(self) {
        drop(self.stop);
        patiently(self.tasks.join_all()).await;
    }

    async fn client(&self) -> Client {
        let policy = BackoffPolicy {
            first: Duration::from_millis(5),
            longest: Duration::from_millis(100),
        };
        let builder = Client::builder(&format!("http://{}", self.address)).backoff(policy);
        let connect = async {
            loop {
                match builder.clone().connect().await {
                    // It is still opening its database.
                    Err(ConnectError::Refused(error)) if error.code == Code::Unavailable => {
                        tokio::task::yield_now().await;
                    }
                    connected => return connected.unwrap(),
                }
            }
        };
        patiently(connect).await
    }
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes too long")
}

fn rooms() -> CollectionPath {
    "rooms".parse().unwrap()
}

fn room(id: &str) -> DocumentPath {
    rooms().document(id).unwrap()
}

fn data(text: &str) -> Data {
    Data::parse(text.as_bytes()).unwrap()
}

/// The next commit, as its sequence and paths; what is no commit is passed over.
async fn next_commit(changes: &mut Changes) -> String {
    loop {
        match patiently(changes.next())
            .await
            .expect("the feed ended")
            .unwrap()
        {
            ChangeEvent::Commit(commit) => {
                let paths: Vec<_> = commit
                    .changes
                    .iter()
                    .map(|c| format!("{:?} {}", c.op, c.path))
                    .collect();
                return format!("{} {}", commit.seq, paths.join(", "));
            }
            ChangeEvent::Checkpoint { .. } => {}
            other => panic!("{other:?} is no commit"),
        }
    }
}

#[tokio::test]
async fn writes_reads_and_their_errors() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let client = server.client().await;

    assert_eq!(client.get(room("1")).await.unwrap(), None);
    let result = client
        .insert(room("1"), data(r#"{"n":1.50}"#))
        .await
        .unwrap();
    assert_eq!((result.seq, result.paths), (Sequence(1), vec![room("1")]));
    let error = client.insert(room("1"), data("{}")).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::AlreadyExists));
    client
        .update(room("1"), data(r#"{"open":true}"#).object().clone())
        .await
        .unwrap();
    let got = client.get(room("1")).await.unwrap().unwrap();
    assert_eq!(
        (got.data.as_str(), got.version),
        (r#"{"n":1.50,"open":true}"#, Sequence(2))
    );

    let stale = Write::set(room("1"), data("{}")).only_if(Precondition::Version(Sequence(1)));
    let error = client
        .commit(CommitRequest::of(vec![stale]))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(Code::PreconditionFailed));
    client.delete(room("1")).await.unwrap();
    let error = client.delete(room("1")).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::NotFound));

    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn the_same_mutation_id_is_applied_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let client = server.client().await;
    let mut request = CommitRequest::of(vec![Write::insert(room("1"), data("{}"))]);
    request.mutation_id = Some("once".parse().unwrap());
    let first = client.commit(request.clone()).await.unwrap();
    let second = client.commit(request).await.unwrap();
    assert_eq!(first, second);
    server.stop().await;
}

#[tokio::test]
async fn a_query_is_read_in_pages_as_of_one_sequence() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let client = server.client().await;
    let set = |n: usize| Write::set(room(&format!("{n}")), data(&format!("{{\"n\":{n}}}")));
    client
        .commit(CommitRequest::of((0..25).map(set).collect()))
        .await
        .unwrap();
    let mut query = Query {
        collection: rooms(),
        filter: Some(Filter::parse(r#"{"n":{"gte":5}}"#).unwrap()),
        select: None,
        order_by: vec!["-n".parse().unwrap()],
        limit: 10,
        cursor: None,
        at: None,
    };
    let mut seen = Vec::new();
    loop {
        let page = client.query(query.clone()).await.unwrap();
        assert_eq!(page.seq, Sequence(1));
        seen.extend(page.documents.iter().map(|d| d.path.id().to_owned()));
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            break;
        }
        client.set(room("6"), data(r#"{"n":99}"#)).await.unwrap();
    }
    let expected: Vec<_> = (5..25).rev().map(|n| n.to_string()).collect();
    assert_eq!(seen, expected);
    server.stop().await;
}

#[tokio::test]
async fn the_past_is_read_and_the_history_of_a_document() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let client = server.client().await;
    for n in 1..=3 {
        let data = data(&format!("{{\"n\":{n}}}"));
        client.set(room("1"), data).await.unwrap();
    }
    client.delete(room("1")).await.unwrap();
    let at = |seq| At::Sequence(Sequence(seq));
    let second = client.get_at(room("1"), at(2)).await.unwrap().unwrap();
    assert_eq!(
        (second.version, second.data),
        (Sequence(2), data(r#"{"n":2}"#))
    );
    assert_eq!(client.get_at(room("1"), at(0)).await.unwrap(), None);
    assert_eq!(client.get_at(room("1"), at(4)).await.unwrap(), None);
    let ahead = client.get_at(room("1"), at(5)).await.unwrap_err();
    assert_eq!(ahead.code(), Some(Code::InvalidArgument));

    let mut query = HistoryQuery {
        path: room("1"),
        limit: 3,
        cursor: None,
    };
    let first = client.history(query.clone()).await.unwrap();
    let versions = first.versions.iter().map(|v| (v.version.0, v.op));
    let expected = [
        (4, Some(Op::Delete)),
        (3, Some(Op::Update)),
        (2, Some(Op::Update)),
    ];
    assert_eq!(versions.collect::<Vec<_>>(), expected);
    query.cursor = first.cursor;
    let last = client.history(query).await.unwrap();
    assert_eq!(last.versions[0].op, Some(Op::Insert));
    assert_eq!((last.cursor, last.truncated), (None, false));
    server.stop().await;
}

#[tokio::test]
async fn collections_are_listed_page_by_page_through_a_restart_of_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let address = server.address;
    let client = server.client().await;
    for path in ["users/ann", "rooms/1", "rooms/1/messages/1"] {
        let path = path.parse().unwrap();
        client.set(path, data("{}")).await.unwrap();
    }
    let paths = |page: &CollectionsPage| -> Vec<String> {
        page.collections.iter().map(ToString::to_string).collect()
    };
    let mut query = CollectionsQuery {
        below: None,
        limit: 2,
        cursor: None,
    };
    let first = client.collections(query.clone()).await.unwrap();
    assert_eq!(paths(&first), ["rooms", "rooms/1/messages"]);
    server.stop().await;
    let server = Running::start(directory.path(), address).await;
    query.cursor = first.cursor;
    let last = client.collections(query.clone()).await.unwrap();
    assert_eq!(
        (paths(&last), last.cursor),
        (vec!["users".to_owned()], None)
    );
    assert_eq!((first.seq, last.seq), (Sequence(3), Sequence(3)));
    query.below = Some(room("1"));
    let other = client.collections(query.clone()).await.unwrap_err();
    assert_eq!(other.code(), Some(Code::TokenInvalid));
    query.cursor = None;
    let below = client.collections(query).await.unwrap();
    assert_eq!(paths(&below), ["rooms/1/messages"]);
    server.stop().await;
}

#[tokio::test]
async fn a_feed_goes_from_snapshot_to_live_and_through_a_restart_of_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let address = server.address;
    let client = server.client().await;
    client
        .set(room("1"), data(r#"{"open":true}"#))
        .await
        .unwrap();
    client
        .set(room("2"), data(r#"{"open":false}"#))
        .await
        .unwrap();
    let open = Filter::parse(r#"{"open":true}"#).unwrap();
    let builder = client.changes(rooms()).filter(open).from_snapshot();
    let mut changes = patiently(builder.subscribe()).await.unwrap();
    let Some(Ok(ChangeEvent::Snapshot(snapshot))) = patiently(changes.next()).await else {
        panic!("no snapshot");
    };
    assert_eq!((snapshot.seq, snapshot.documents.len()), (Sequence(2), 1));
    client
        .set(room("2"), data(r#"{"open":true}"#))
        .await
        .unwrap();
    client
        .set(room("1"), data(r#"{"open":false}"#))
        .await
        .unwrap();
    assert_eq!(next_commit(&mut changes).await, "3 Insert rooms/2");
    assert_eq!(next_commit(&mut changes).await, "4 Delete rooms/1");

    server.stop().await;
    let server = Running::start(directory.path(), address).await;
    // The same client: its connection, the commit and the feed come back by themselves.
    patiently(client.set(room("3"), data(r#"{"open":true}"#)))
        .await
        .unwrap();
    assert_eq!(next_commit(&mut changes).await, "5 Insert rooms/3");

    let token = changes.token().unwrap().clone();
    client.close().await;
    let client = server.client().await;
    client
        .set(room("4"), data(r#"{"open":true}"#))
        .await
        .unwrap();
    let mut changes = patiently(client.changes(rooms()).after(token).subscribe())
        .await
        .unwrap();
    assert_eq!(next_commit(&mut changes).await, "6 Insert rooms/4");
    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn one_feed_has_several_collections_in_their_one_order() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let client = server.client().await;
    let set = async |at: &str| client.set(at.parse().unwrap(), data("{}")).await.unwrap();
    set("users/1").await;
    set("rooms/1").await;
    set("rooms/1/messages/1").await;
    let patterns = ["rooms", "rooms/*/messages"].map(|pattern| pattern.parse().unwrap());
    let both = CollectionSet::matching(patterns).unwrap();
    let builder = client.changes_of(both).from_snapshot();
    let mut changes = patiently(builder.subscribe()).await.unwrap();
    let Some(Ok(ChangeEvent::Snapshot(snapshot))) = patiently(changes.next()).await else {
        panic!("no snapshot");
    };
    let paths = snapshot.documents.iter().map(|one| one.path.as_str());
    assert_eq!(
        paths.collect::<Vec<_>>(),
        ["rooms/1", "rooms/1/messages/1"],
        "documents of equal ids are told apart"
    );
    set("rooms/2/messages/1").await;
    set("users/2").await;
    set("rooms/2").await;
    assert_eq!(
        next_commit(&mut changes).await,
        "4 Insert rooms/2/messages/1"
    );
    assert_eq!(next_commit(&mut changes).await, "6 Insert rooms/2");
    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn a_token_of_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let client = server.client().await;
    let token = wellspring_client::types::ResumeToken::new("nonsense");
    let refused = patiently(client.changes(rooms()).after(token).subscribe()).await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::TokenInvalid));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_misses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    server.client().await.close().await;
    let builder = Client::builder(&format!("http://{}", server.address));
    let client = patiently(builder.feed_queue_bytes_max(4096).connect())
        .await
        .unwrap();
    let mut changes = patiently(client.changes(rooms()).subscribe())
        .await
        .unwrap();
    for n in 0..100 {
        let text = format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(500));
        patiently(client.set(room("1"), data(&text))).await.unwrap();
    }
    for seq in 1..=100 {
        let op = if seq == 1 { "Insert" } else { "Update" };
        assert_eq!(
            next_commit(&mut changes).await,
            format!("{seq} {op} rooms/1")
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_with_a_cache_is_sent_only_what_differs() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let client = server.client().await;
    for id in ["1", "2", "3"] {
        client.set(room(id), data("{}")).await.unwrap();
    }
    let first = client.changes(rooms()).from_snapshot().subscribe();
    let mut first = patiently(first).await.unwrap();
    let Some(Ok(ChangeEvent::Snapshot(cache))) = patiently(first.next()).await else {
        panic!("all documents");
    };
    drop(first);
    client.set(room("2"), data(r#"{"n":2}"#)).await.unwrap();
    client.delete(room("3")).await.unwrap();
    client.set(room("4"), data("{}")).await.unwrap();
    let cached = cache.documents.iter();
    let known = Known {
        token: Some(cache.token.clone()),
        versions: cached.map(|d| (d.path.id().into(), d.version)).collect(),
    };
    let again = client.changes(rooms()).from_snapshot().known(known);
    let mut again = patiently(again.subscribe()).await.unwrap();
    let Some(Ok(ChangeEvent::Differences(differences))) = patiently(again.next()).await else {
        panic!("what differs");
    };
    let changed: Vec<_> = differences.documents.iter().map(|d| d.path.id()).collect();
    assert_eq!(changed, ["2", "4"]);
    assert_eq!(differences.removed, [room("3")]);
    client.set(room("5"), data("{}")).await.unwrap();
    assert_eq!(next_commit(&mut again).await, "7 Insert rooms/5");
    server.stop().await;
}

#[tokio::test]
async fn a_consumer_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let (address, client) = (server.address, server.client().await);
    let consumer = client.changes(rooms()).from_beginning();
    let consumer = consumer.consumer("mailer".parse().unwrap()).unacked_max(1);
    for id in ["1", "2", "3"] {
        client.set(room(id), data("{}")).await.unwrap();
    }
    let mut consumer = consumer.subscribe().await.unwrap();
    let first = patiently(consumer.next()).await.unwrap().unwrap();
    assert_eq!(first.changes[0].path, room("1"));
    assert!(consumer.ack().await.unwrap());
    let second = patiently(consumer.next()).await.unwrap().unwrap();
    assert_eq!(second.changes[0].path, room("2"));

    // What was not acknowledged comes again, in the same stream too.
    server.stop().await;
    let server = Running::start(directory.path(), address).await;
    let again = patiently(consumer.next()).await.unwrap().unwrap();
    assert_eq!(again.seq, second.seq);
    assert!(consumer.ack().await.unwrap());
    let third = patiently(consumer.next()).await.unwrap().unwrap();
    assert_eq!(third.changes[0].path, room("3"));
    assert!(consumer.ack().await.unwrap());
    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn a_consumer_shares_its_work_until_it_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), any_port()).await;
    let client = server.client().await;
    let consume = || {
        let changes = client.changes(rooms()).from_beginning();
        changes.consumer("mailer".parse().unwrap()).subscribe()
    };
    let mut consumer = consume().await.unwrap();
    let mut other = consume().await.unwrap();
    for id in 0..40 {
        client
            .set(room(&format!("more{id}")), data("{}"))
            .await
            .unwrap();
    }
    let (mut of_one, mut of_other) = (0, 0);
    while of_one + of_other < 40 {
        tokio::select! {
            commit = consumer.next() => {
                of_one += commit.unwrap().unwrap().changes.len();
                consumer.ack().await.unwrap();
            }
            commit = other.next() => {
                of_other += commit.unwrap().unwrap().changes.len();
                other.ack().await.unwrap();
            }
        }
    }
    assert!(of_one > 0 && of_other > 0, "{of_one} and {of_other}");
    let query = ConsumersQuery {
        limit: 10,
        cursor: None,
    };
    let listed = client.consumers(query).await.unwrap().consumers;
    assert_eq!((listed[0].subscriptions, listed[0].unacked), (2, 0));

    let wanted = client.changes(rooms()).with_old();
    let refused = wanted.consumer("mailer".parse().unwrap()).subscribe().await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(&refused, ChangesError::Refused(error) if error.code == Code::PreconditionFailed),
        "{refused:?}"
    );

    client
        .delete_consumer("mailer".parse().unwrap())
        .await
        .unwrap();
    let ended = patiently(other.next()).await.unwrap().unwrap_err();
    assert!(
        matches!(&ended, ChangesError::Refused(error) if error.code == Code::NotFound),
        "{ended:?}"
    );
    assert!(other.next().await.is_none());
    client.close().await;
    server.stop().await;
}
