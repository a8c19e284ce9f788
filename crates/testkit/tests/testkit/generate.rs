//! Correct histories of any length, from a seed: a small model of the database, of its writers and
//! readers, and of subscriptions with different views that deliver, check point, resume, and start
//! with snapshots.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use wellspring_testkit::history::DocumentHash;
use wellspring_testkit::history::record::{
    ChangeEvent, CheckpointEvent, CurrentEvent, DumpRecord, Event, FaultRecord, How, LogChange,
    LogRecord, Op, Origin, Outcome, PageEvent, ReadRecord, Reception, Record, SnapshotEvent,
    StateRecord, SubscribedEvent, WriteKind, WriteOf, WriteRecord,
};
use wellspring_testkit::random::Random;

const COLLECTIONS: [&str; 2] = ["rooms", "notes"];
const TRANSPORTS: [&str; 4] = ["websocket", "grpc", "sse", "poll"];

/// A document's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Content {
    room: u64,
    n: u64,
}

impl Content {
    fn text(self) -> String {
        format!(r#"{{"room":{},"n":{}}}"#, self.room, self.n)
    }

    fn hash(self) -> DocumentHash {
        DocumentHash::of_text(self.text().as_bytes())
    }

    fn raw(self) -> Box<RawValue> {
        RawValue::from_string(self.text()).unwrap()
    }
}

#[derive(Clone, Debug)]
struct Change {
    path: String,
    before: Option<(u64, Content)>,
    after: Option<Content>,
}

/// A view: of which collection, and which documents.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    All,
    Room(u64),
    AtLeast(u64),
}

impl Wanted {
    fn matches(self, content: Content) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Room(room) => content.room == room,
            Wanted::AtLeast(n) => content.n >= n,
        }
    }

    fn filter(self) -> Option<Box<RawValue>> {
        let text = match self {
            Wanted::All => return None,
            Wanted::Room(room) => format!(r#"{{"room":{room}}}"#),
            Wanted::AtLeast(n) => format!(r#"{{"n":{{"gte":{n}}}}}"#),
        };
        Some(RawValue::from_string(text).unwrap())
    }
}

#[derive(Debug)]
struct Subscription {
    name: String,
    collection: &'static str,
    wanted: Wanted,
    old: bool,
    session: u32,
    idx: u64,
    position: u64,
    /// Events with tokens, and what those stand for.
    tokens: Vec<(u64, u64)>,
}

/// How a history is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) steps: u64,
    pub(crate) documents: u64,
    pub(crate) subscriptions: u64,
}

struct Model {
    random: Random,
    documents: u64,
    time: u64,
    operations: u64,
    state: BTreeMap<String, (u64, Content)>,
    log: Vec<Vec<Change>>,
    subscriptions: Vec<Subscription>,
    records: Vec<Record>,
}

/// The records of a history in which every promise was kept.
pub(crate) fn history(shape: Shape) -> Vec<Record> {
    let mut model = Model {
        random: Random::new(shape.seed),
        documents: shape.documents,
        time: 1000,
        operations: 0,
        state: BTreeMap::new(),
        log: Vec::new(),
        subscriptions: Vec::new(),
        records: Vec::new(),
    };
    for number in 0..shape.subscriptions {
        model.subscribe(number);
    }
    for _ in 0..shape.steps {
        model.time += 10;
        model.step();
    }
    model.time += 10;
    for index in 0..model.subscriptions.len() {
        model.deliver(index, usize::MAX);
        model.checkpoint(index);
    }
    model.dump();
    model.records
}

impl Model {
    fn step(&mut self) {
        let any = self.random.below(self.subscriptions.len() as u64);
        let any = usize::try_from(any).unwrap();
        match self.random.below(20) {
            0..=5 => self.commit(),
            6 => self.not_committed(),
            7 => self.read(),
            8 => self.query(),
            9 if self.random.below(4) == 0 => self.resume(any),
            10 if self.random.below(8) == 0 => self.snapshot(any),
            11 => self.checkpoint(any),
            _ => {
                let commits = usize::try_from(self.random.below(8)).unwrap();
                self.deliver(any, commits);
            }
        }
    }

    /// A moment up to 15 before, or after, now.
    fn around(&mut self) -> (u64, u64) {
        let (before, after) = (self.random.below(15), self.random.below(15));
        (self.time - before, self.time + after)
    }

    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn path(&mut self) -> String {
        let collection = COLLECTIONS[usize::from(self.random.below(2) == 0)];
        format!("{collection}/{}", self.random.below(self.documents))
    }

    fn write(&mut self, path: String) -> (WriteOf, Option<Content>) {
        let before = self.state.get(&path).copied();
        let after = (before.is_none() || self.random.below(5) > 0).then(|| Content {
            room: self.random.below(3),
            n: self.random.below(10),
        });
        let kind = match (before, after) {
            (_, None) => WriteKind::Delete,
            (None, Some(_)) if self.random.below(2) == 0 => WriteKind::Insert,
            (Some(_), Some(_)) if self.random.below(2) == 0 => WriteKind::Update,
            _ => WriteKind::Set,
        };
        let version = before.map_or(0, |(version, _)| version);
        let write = WriteOf {
            path: path.into(),
            kind,
            if_version: (self.random.below(3) == 0).then_some(version),
            hash: after
                .filter(|_| kind != WriteKind::Update)
                .map(Content::hash),
            data: None,
        };
        (write, after)
    }

    fn commit(&mut self) {
        let mut writes = Vec::new();
        let mut changes: Vec<Change> = Vec::new();
        for _ in 0..=self.random.below(3) {
            let path = self.path();
            if changes.iter().any(|change| change.path == path) {
                continue;
            }
            let (write, after) = self.write(path.clone());
            let before = self.state.get(&path).copied();
            changes.push(Change {
                path,
                before,
                after,
            });
            writes.push(write);
        }
        self.log.push(changes.clone());
        let seq = self.head();
        for change in changes {
            match change.after {
                Some(content) => self.state.insert(change.path, (seq, content)),
                None => self.state.remove(&change.path),
            };
        }
        let (t_inv, t_ret) = self.around();
        let is_unknown = self.random.below(6) == 0;
        let op_id: Box<str> = format!("c{seq}").into();
        let record = WriteRecord {
            client: "w".into(),
            op_id,
            writes,
            t_inv,
            t_ret: Some(t_ret),
            outcome: if is_unknown {
                Outcome::Unknown
            } else {
                Outcome::Ok
            },
            seq: (!is_unknown).then_some(seq),
        };
        // Now and then it is tried again, and answered with the first result.
        if is_unknown && self.random.below(2) == 0 {
            let again = WriteRecord {
                t_inv: t_ret + 5,
                t_ret: Some(t_ret + 9),
                outcome: Outcome::Ok,
                seq: Some(seq),
                ..record.clone()
            };
            self.records.push(Record::W(again));
        }
        self.records.push(Record::W(record));
    }

    /// A refused one, or one of unknown outcome that never happened.
    fn not_committed(&mut self) {
        self.operations += 1;
        let path = self.path();
        let (t_inv, t_ret) = self.around();
        let is_refused = self.random.below(2) == 0;
        let write = WriteOf {
            path: path.into(),
            kind: WriteKind::Set,
            if_version: None,
            hash: Some(Content { room: 99, n: 99 }.hash()),
            data: None,
        };
        self.records.push(Record::W(WriteRecord {
            client: "w".into(),
            op_id: format!("x{}", self.operations).into(),
            writes: vec![write],
            t_inv,
            t_ret: is_refused.then_some(t_ret),
            outcome: if is_refused {
                Outcome::Fail
            } else {
                Outcome::Unknown
            },
            seq: None,
        }));
        let (fault, t) = ("kill".into(), self.time);
        self.records.push(Record::X(FaultRecord {
            fault,
            t,
            detail: None,
        }));
    }

    fn read(&mut self) {
        let path = self.path();
        let (t_inv, t_ret) = self.around();
        let found = self.state.get(&path);
        self.records.push(Record::G(ReadRecord {
            client: "r".into(),
            t_inv,
            t_ret,
            version: Some(found.map_or(0, |(version, _)| *version)),
            hash: found.map(|(_, content)| content.hash()),
            path: Some(path.into()),
            ..ReadRecord::default()
        }));
    }

    fn query(&mut self) {
        // Where there are many documents, a query is a record of many.
        if self.documents > 100 && self.random.below(self.documents) > 0 {
            return;
        }
        let (t_inv, t_ret) = self.around();
        let wanted = Wanted::AtLeast(self.random.below(3));
        let documents = self.view("rooms", wanted).into_iter();
        let documents = documents.map(|(path, version, content)| StateRecord {
            path: path.into(),
            version,
            hash: Some(content.hash()),
            data: None,
        });
        self.records.push(Record::G(ReadRecord {
            client: "r".into(),
            t_inv,
            t_ret,
            collection: Some("rooms".into()),
            filter: wanted.filter(),
            seq: Some(self.head()),
            documents: documents.collect(),
            ..ReadRecord::default()
        }));
    }

    fn view(&self, collection: &str, wanted: Wanted) -> Vec<(String, u64, Content)> {
        let prefix = format!("{collection}/");
        let documents = self.state.iter();
        let documents = documents
            .filter(|(path, (_, content))| path.starts_with(&prefix) && wanted.matches(*content));
        documents
            .map(|(path, (version, content))| (path.clone(), *version, *content))
            .collect()
    }

    fn subscribe(&mut self, number: u64) {
        let wanted = match self.random.below(3) {
            0 => Wanted::All,
            1 => Wanted::Room(self.random.below(3)),
            _ => Wanted::AtLeast(5),
        };
        self.subscriptions.push(Subscription {
            name: format!("s{number}"),
            collection: COLLECTIONS[usize::from(self.random.below(2) == 0)],
            wanted,
            old: self.random.below(2) == 0,
            session: 0,
            idx: 0,
            position: self.head(),
            tokens: Vec::new(),
        });
        let index = self.subscriptions.len() - 1;
        if self.random.below(2) == 0 {
            self.open(index, (Origin::Now, How::Live), None);
        } else {
            self.snapshot(index);
        }
    }

    fn event(&mut self, index: usize, got: Event) {
        let subscription = &mut self.subscriptions[index];
        self.records.push(Record::R(Box::new(Reception {
            sub: subscription.name.clone().into(),
            session: subscription.session,
            idx: subscription.idx,
            t_recv: self.time,
            got,
        })));
        subscription.idx += 1;
    }

    fn token(&mut self, index: usize) {
        let subscription = &mut self.subscriptions[index];
        subscription
            .tokens
            .push((subscription.idx - 1, subscription.position));
    }

    fn open(&mut self, index: usize, (from, how): (Origin, How), at_idx: Option<u64>) {
        let transport = TRANSPORTS[usize::try_from(self.random.below(4)).unwrap()];
        let (t_inv, _) = self.around();
        let subscription = &mut self.subscriptions[index];
        subscription.session += 1;
        let event = SubscribedEvent {
            transport: transport.into(),
            collection: subscription.collection.into(),
            filter: subscription.wanted.filter(),
            select: Vec::new(),
            old: subscription.old,
            checkpoint_interval_ms: None,
            from,
            at_idx,
            after: None,
            t_inv: Some(t_inv),
            how,
            seq: subscription.position,
            known: false,
            conflate: false,
            consumer: None,
            ack_timeout_ms: None,
        };
        self.event(index, Event::Subscribed(Box::new(event)));
        if how != How::Snapshot {
            self.token(index);
        }
    }

    fn snapshot(&mut self, index: usize) {
        let subscription = &mut self.subscriptions[index];
        subscription.position = self.log.len() as u64;
        let (collection, wanted) = (subscription.collection, subscription.wanted);
        self.open(index, (Origin::Snapshot, How::Snapshot), None);
        for (path, version, content) in self.view(collection, wanted) {
            let (path, hash, data) = (path.into(), Some(content.hash()), None);
            let event = SnapshotEvent {
                path,
                version,
                hash,
                data,
            };
            self.event(index, Event::Snapshot(event));
        }
        let seq = self.subscriptions[index].position;
        self.event(index, Event::Current(CurrentEvent { seq }));
        self.token(index);
    }

    /// Goes on after one of the newest tokens, or after a page's, which nobody can tell the
    /// position of.
    fn resume(&mut self, index: usize) {
        if self.random.below(3) == 0 {
            self.event(index, Event::Page(PageEvent {}));
            let at = self.subscriptions[index].idx - 1;
            return self.open(index, (Origin::Token, How::Resumed), Some(at));
        }
        let back = usize::try_from(self.random.below(4)).unwrap();
        let subscription = &mut self.subscriptions[index];
        let last = subscription.tokens.len() - 1;
        let (idx, position) = subscription.tokens[last.saturating_sub(back)];
        subscription.position = position;
        self.open(index, (Origin::Token, How::Resumed), Some(idx));
    }

    fn checkpoint(&mut self, index: usize) {
        let seq = self.subscriptions[index].position;
        self.event(index, Event::Checkpoint(CheckpointEvent { seq }));
        self.token(index);
    }

    fn deliver(&mut self, index: usize, commits: usize) {
        let subscription = &self.subscriptions[index];
        let after = usize::try_from(subscription.position).unwrap();
        let through = self.log.len().min(after.saturating_add(commits));
        for place in after..through {
            let subscription = &self.subscriptions[index];
            let changes = self.log[place].iter();
            let seen = changes.filter_map(|change| see(subscription, place as u64 + 1, change));
            let seen: Vec<ChangeEvent> = seen.collect();
            let count = seen.len();
            for (number, mut event) in seen.into_iter().enumerate() {
                event.last_of_commit = number + 1 == count;
                self.event(index, Event::Change(event));
            }
            self.subscriptions[index].position = place as u64 + 1;
            if count > 0 {
                self.token(index);
            }
        }
    }

    fn dump(&mut self) {
        let head = self.head();
        self.records.push(Record::Dump(DumpRecord {
            oldest: 1,
            head,
            kept: None,
        }));
        for (seq, changes) in (1..).zip(std::mem::take(&mut self.log)) {
            let changes = changes.into_iter().map(|change| LogChange {
                path: change.path.into(),
                prev_version: change.before.map_or(0, |(version, _)| version),
                old: change.before.map(|(_, content)| content.raw()),
                data: change.after.map(Content::raw),
                ..LogChange::default()
            });
            self.records.push(Record::Log(LogRecord {
                seq,
                op_id: Some(format!("c{seq}").into()),
                changes: changes.collect(),
            }));
        }
        for (path, (version, content)) in std::mem::take(&mut self.state) {
            self.records.push(Record::State(StateRecord {
                path: path.into(),
                version,
                hash: None,
                data: Some(content.raw()),
            }));
        }
    }
}

fn see(subscription: &Subscription, seq: u64, change: &Change) -> Option<ChangeEvent> {
    let (collection, _id) = change.path.split_once('/').unwrap();
    if collection != subscription.collection {
        return None;
    }
    let shown = |content: Content| subscription.wanted.matches(content).then_some(content);
    let before = change.before.and_then(|(_, content)| shown(content));
    let after = change.after.and_then(shown);
    let op = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) => Op::Insert,
        (Some(_), Some(_)) => Op::Update,
        (Some(_), None) => Op::Delete,
    };
    Some(ChangeEvent {
        seq,
        version: None,
        conflated: false,
        op,
        path: change.path.clone().into(),
        old_hash: before.filter(|_| subscription.old).map(Content::hash),
        old: None,
        hash: after.map(Content::hash),
        data: None,
        last_of_commit: false,
    })
}
