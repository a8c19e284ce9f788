//! Whole databases, out of running servers and into others.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;
use wellspring_client::Client;
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{Data, DocumentPath};

use crate::support::{Server, said, spawn, text, wellspring};

const WRITERS: u64 = 3;
/// Documents that each writer writes to, over and over; no multiple of what decides about a commit.
const SLOTS: u64 = 37;
/// Commits that there are before an export begins.
const BEFORE: u64 = 300;

/// What a commit did: documents set, or deleted.
type Wrote = Vec<(String, Option<String>)>;

/// The writes of the `n`th commit of a writer: a document of a collection of all, the same in one of
/// the writer's own, and now and then a collection that nobody has written to.
fn writes(writer: u64, n: u64) -> Wrote {
    let slot = n % SLOTS;
    let data = Some(format!("{{\"writer\":{writer},\"n\":{n}.0}}"));
    let shared = format!("shared/{writer}-{slot}");
    let own = format!("writers/{writer}/slots/{slot}");
    match n % 10 {
        0 => vec![(format!("new-{writer}-{n}/x"), data)],
        // What was set a round before.
        5 if n > SLOTS => vec![(shared, None), (own, None)],
        _ => vec![(shared, data.clone()), (own, data)],
    }
}

fn commit(wrote: &Wrote) -> CommitRequest {
    let writes = wrote.iter().map(|(path, data)| {
        let path: DocumentPath = path.parse().unwrap();
        match data {
            Some(data) => Write::set(path, Data::parse(data.as_bytes()).unwrap()),
            None => Write::delete(path),
        }
    });
    CommitRequest::of(writes.collect())
}

/// The lines of an export of what these commits come to.
fn dump_of<'a>(commits: impl Iterator<Item = &'a Wrote>) -> String {
    let mut documents = BTreeMap::new();
    for (path, data) in commits.flatten() {
        let (collection, id) = path.rsplit_once('/').unwrap();
        match data {
            Some(data) => documents.insert((collection, id), data),
            None => documents.remove(&(collection, id)),
        };
    }
    let lines = documents.iter().map(|((collection, id), data)| {
        format!("{{\"path\":\"{collection}/{id}\",\"data\":{data}}}\n")
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_a_server_under_writers_is_the_state_at_its_sequence_and_imports_into_another() {
    let server = Server::start();
    let (enough, committed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (enough, committed) = (Arc::clone(&enough), Arc::clone(&committed));
        let client = Client::connect(&server.url).await.unwrap();
        writers.spawn(async move {
            let mut done = Vec::new();
            let mut n = 0;
            while !enough.load(Ordering::Acquire) {
                n += 1;
                let wrote = writes(writer, n);
                let result = client.commit(commit(&wrote)).await.unwrap();
                done.push((result.seq.0, wrote));
                committed.fetch_add(1, Ordering::AcqRel);
            }
            done
        });
    }
    let mut dumps = Vec::new();
    let mut before = BEFORE;
    for _ in 0..3 {
        while committed.load(Ordering::Acquire) <= before {
            tokio::task::yield_now().await;
        }
        let export = server.spawn(&["export", "--all"]);
        let dump = tokio::task::spawn_blocking(|| said(export, ""));
        let dump = dump.await.unwrap();
        assert_eq!(dump.status, 0, "{}", dump.stderr);
        let seq = dump.stderr.trim_end().rsplit(' ').next().unwrap();
        let seq: u64 = seq.parse().unwrap();
        assert!(seq > before, "{seq}: what was acknowledged is in it");
        before = seq;
        dumps.push((seq, dump));
    }
    enough.store(true, Ordering::Release);
    let commits: BTreeMap<u64, Wrote> = writers.join_all().await.into_iter().flatten().collect();
    for (seq, dump) in &dumps {
        let expected = dump_of(commits.range(..=seq).map(|(_, wrote)| wrote));
        assert!(dump.stdout == expected, "as of {seq}");
    }

    // The same once more, of the past; and by way of a file into another server.
    let (seq, dump) = &dumps[0];
    let file = server.file("dump.ndjson", "");
    let again = server.run(["export", "--all", text(&file), "--at", &seq.to_string()]);
    assert_eq!(again.stderr, dump.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), dump.stdout);
    let other = Server::start();
    let imported = other.run(["import", "--all", text(&file)]);
    assert_eq!(imported.status, 0, "{}", imported.stderr);
    let back = other.run(["export", "--all"]);
    assert!(back.stdout == dump.stdout, "what was imported is the same");
}

#[test]
fn collections_are_listed_all_of_them_or_those_below_a_document() {
    let server = Server::start();
    assert_eq!(server.run(["collections"]).stdout, "");
    for path in ["users/ann", "rooms/42/messages/1", "rooms/42"] {
        assert_eq!(server.run(["put", path, "{}"]).status, 0, "{path}");
    }
    server.run(["delete", "users/ann"]);
    let all = server.run(["collections"]);
    assert_eq!(all.stdout, "rooms\nrooms/42/messages\nusers\n");
    assert_eq!((all.status, all.stderr.as_str()), (0, ""));
    let below = server.run(["collections", "--below", "rooms/42"]);
    assert_eq!(below.stdout, "rooms/42/messages\n");
    assert_eq!(server.run(["collections", "--below", "rooms"]).status, 2);

    // More than a page of them.
    let rows: String = (0..1500)
        .map(|n| format!("{{\"path\":\"many/{n:04}/of/1\",\"data\":{{}}}}\n"))
        .collect();
    server.run_with(&["import", "--all"], &rows);
    let all = server.run(["collections"]);
    let many = all.stdout.lines().filter(|line| line.starts_with("many/"));
    assert_eq!(many.count(), 1500);
    let exported = server.run(["export", "--all"]);
    assert_eq!(exported.stdout.lines().count(), 1502);
    assert!(
        exported.stderr.contains("of 1502 collections"),
        "{}",
        exported.stderr
    );
}

#[test]
fn an_export_whose_sequence_is_not_kept_any_more_says_what_to_do() {
    let server = Server::start();
    for path in ["a/1", "b/1", "b/2"] {
        assert_eq!(server.run(["put", path, "{}"]).status, 0, "{path}");
    }
    let body = r#"{"collection":"b","through":3}"#;
    let (length, admin) = (body.len(), &server.admin);
    let mut port = TcpStream::connect(admin).unwrap();
    write!(
        port,
        "POST /floors HTTP/1.1\r\nhost: {admin}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    port.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let refused = server.run(["export", "--all", "--at", "2"]);
    assert_eq!(refused.status, 1);
    for told in [
        "export stopped after 1 document: it is not whole, and no file was replaced",
        "the oldest sequence that can be read is 3",
        "retention_age_ms_max",
    ] {
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    let whole = server.run(["export", "--all", "--at", "3"]);
    assert_eq!(
        (whole.status, whole.stdout.lines().count()),
        (0, 3),
        "{}",
        whole.stderr
    );
    let nobody = spawn(wellspring().args(["--server", "http://127.0.0.1:1", "export", "--all"]));
    assert_eq!(said(nobody, "").status, 5);
}
