//! Subscriptions whose reading of the log is written by a transport's writer, compared with those
//! that return messages.

use std::fmt::Write as _;
use std::sync::Arc;

use wellspring_engine::{Subscription, Told};
use wellspring_types::feed::{
    Change, ChangeRef, ChangesWriter, CommitRef, FeedMessage, From, Op, Room, SubscribeRequest,
    View,
};
use wellspring_types::{CollectionSet, Data, ResumeToken, Sequence};

use crate::common::{Fixture, Subscriber, filter, fixture_with, set};

/// Writes a line for each change.
struct Lines {
    bytes_max: usize,
}

fn line(seq: Sequence, op: Op, path: &str, data: [Option<&str>; 2]) -> String {
    format!("{seq} {op:?} {path} {data:?}\n")
}

impl ChangesWriter for Lines {
    fn begin(&self) -> String {
        String::new()
    }

    fn push(
        &self,
        out: &mut String,
        commit: CommitRef<'_>,
        changes: &mut dyn Iterator<Item = ChangeRef<'_>>,
    ) -> Room {
        let before = out.len();
        for change in changes {
            let path = format!("{}/{}", change.collection, change.id);
            out.push_str(&line(
                commit.seq,
                change.op,
                &path,
                [change.data, change.old],
            ));
        }
        if out.len() > self.bytes_max {
            out.truncate(before);
            return Room::TooLittle;
        }
        Room::Enough
    }

    fn end(&self, out: &mut String, token: &ResumeToken) {
        writeln!(out, "token {token}").unwrap();
    }
}

/// A subscription that is asked for what is written.
struct Reader {
    subscription: Subscription,
    writer: Arc<dyn ChangesWriter>,
    lines: String,
    position: Sequence,
    token: Option<ResumeToken>,
    /// Texts that came.
    written: usize,
}

impl Reader {
    fn new(subscription: Subscription, bytes_max: usize) -> Reader {
        Reader {
            subscription,
            writer: Arc::new(Lines { bytes_max }),
            lines: String::new(),
            position: Sequence::ZERO,
            token: None,
            written: 0,
        }
    }

    async fn until(&mut self, seq: Sequence) {
        while self.position < seq {
            let told = self.subscription.next_written(&self.writer).await.unwrap();
            self.take(told);
        }
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Written(changes) => {
                assert!(changes.text.capacity() <= 2 * changes.text.len() + 1);
                let end = format!("token {}\n", changes.token);
                let lines = changes.text.strip_suffix(&end).unwrap();
                assert!(lines.starts_with(&format!("{} ", changes.first)));
                let last = lines.lines().next_back().unwrap();
                self.position = Sequence(last.split(' ').next().unwrap().parse().unwrap());
                self.lines.push_str(lines);
                self.token = Some(changes.token);
                self.written += 1;
            }
            Told::Message(FeedMessage::Changes { commits, token }) => {
                for commit in commits {
                    for change in &commit.changes {
                        self.lines.push_str(&line_of(commit.seq, change));
                    }
                    self.position = commit.seq;
                }
                self.token = Some(token);
            }
            Told::Message(FeedMessage::Checkpoint { seq, .. }) => self.position = seq,
            Told::Message(_) => {}
        }
    }
}

fn line_of(seq: Sequence, change: &Change) -> String {
    let data = [&change.data, &change.old];
    let data = data.map(|data| data.as_ref().map(Data::as_str));
    line(seq, change.op, change.path.as_str(), data)
}

fn lines_of(subscriber: &Subscriber) -> String {
    let changes = subscriber.changes.iter();
    changes.map(|(seq, change)| line_of(*seq, change)).collect()
}

/// Small queues, so that whoever does not take at once goes on from the log.
fn small() -> Fixture {
    fixture_with(|options| {
        options.queue_bytes_max = 4096;
        options.ring_bytes_max = 4096;
    })
}

/// Inserts, updates and deletes, some of several collections at once; more than a queue holds.
async fn fill(db: &Fixture) -> Sequence {
    for n in 0..200 {
        let data = format!(r#"{{"n":{n},"text":"\"enough\" to overflow"}}"#);
        let id = n % 20;
        match n % 7 {
            5 => drop(db.delete(&format!("rooms/{}", (n - 1) % 20)).await),
            6 => drop(db.set("elsewhere/1", &data).await),
            _ => {
                let writes = ["rooms", "people", "elsewhere"];
                let writes = writes.map(|collection| set(&format!("{collection}/{id}"), &data));
                db.commit(writes.into()).await;
            }
        }
    }
    db.set("rooms/last", "{}").await
}

fn request(collections: &[&str], view: View) -> SubscribeRequest {
    let patterns = collections.iter().map(|path| path.parse().unwrap());
    SubscribeRequest {
        view,
        ..SubscribeRequest::of(CollectionSet::matching(patterns).unwrap(), From::Now)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_of_the_log_is_what_messages_say() {
    let old = View {
        old: true,
        ..View::default()
    };
    let requests = [
        request(&["rooms"], View::default()),
        request(&["rooms"], old.clone()),
        request(&["rooms", "people", "nowhere"], old),
    ];
    for request in requests {
        let db = small();
        // Their collections are there: a set holds those that are.
        db.commit(vec![set("rooms/0", "{}"), set("people/0", "{}")])
            .await;
        let mut told = db.subscribe_to(request.clone());
        let mut reader = Reader::new(db.database.subscribe(request).unwrap(), usize::MAX);
        let last = fill(&db).await;
        told.until(last).await;
        reader.until(last).await;
        assert_eq!(reader.lines, lines_of(&told));
        assert_eq!(reader.token, told.token, "one position, one token");
        assert!(reader.written > 0);
        let last = db.set("rooms/live", "{}").await;
        reader.until(last).await;
        told.until(last).await;
        assert_eq!(reader.lines, lines_of(&told), "live again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_has_no_room_in_a_text_comes_as_a_message() {
    let db = small();
    let request = request(&["rooms"], View::default());
    let mut told = db.subscribe_to(request.clone());
    let mut reader = Reader::new(db.database.subscribe(request).unwrap(), 2_000);
    fill(&db).await;
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(5_000));
    db.set("rooms/large", &large).await;
    let last = fill(&db).await;
    told.until(last).await;
    reader.until(last).await;
    assert_eq!(reader.lines, lines_of(&told));
    assert!(reader.written > 1, "before it and behind it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_to_be_looked_into_is_not_written() {
    let patch = View {
        patch: true,
        ..View::default()
    };
    let filtered = View {
        filter: Some(filter(r#"{"n":{"gte":0}}"#)),
        ..View::default()
    };
    for view in [patch, filtered] {
        let db = small();
        let request = request(&["rooms"], view);
        let mut told = db.subscribe_to(request.clone());
        let mut reader = Reader::new(db.database.subscribe(request).unwrap(), usize::MAX);
        fill(&db).await;
        let last = db.set("rooms/last", r#"{"n":1}"#).await;
        told.until(last).await;
        reader.until(last).await;
        assert_eq!(reader.lines, lines_of(&told));
        assert_eq!(reader.written, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_messages_after_all_gets_what_was_being_written() {
    let db = small();
    let request = request(&["rooms"], View::default());
    let mut told = db.subscribe_to(request.clone());
    let mut reader = Reader::new(db.database.subscribe(request).unwrap(), usize::MAX);
    let last = fill(&db).await;
    told.until(last).await;
    while reader.position < last {
        // Cut off where it first waits: for the thread that reads the log.
        let asked = reader.subscription.next_written(&reader.writer);
        let told = tokio::select! {
            biased;
            told = asked => told.unwrap(),
            () = std::future::ready(()) => {
                Told::Message(reader.subscription.next().await.unwrap())
            }
        };
        reader.take(told);
    }
    assert_eq!(reader.lines, lines_of(&told));
}
