//! Many subscriptions that come back at once, at places of their own: each is sent what it would
//! be alone, and they share the reading.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use wellspring_engine::{Database, FloorMove, PageLimit, SubscriptionError, SubscriptionState};
use wellspring_testkit::random::Random;
use wellspring_types::feed::{
    Cause, Change, FeedMessage, From, How, Op, ResetReason, SubscribeRequest, View,
};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{CollectionSet, Data, ResumeToken, Select, Sequence};

use crate::common::{Fixture, PATIENCE, Subscriber, data, filter, fixture, fixture_with, path};
use crate::filters::{request, take};

const ROOMS: u64 = 300;

/// A document: its room, and something else.
type Document = (u64, u64);

/// What a commit did: the ids of documents, and these before and after.
type Changed = BTreeMap<u64, (Option<Document>, Option<Document>)>;

/// Documents of rooms, and what was ever done to them.
struct World {
    documents: BTreeMap<u64, Document>,
    history: Vec<(Sequence, Changed)>,
    random: Random,
}

impl World {
    fn new(seed: u64) -> World {
        World {
            documents: BTreeMap::new(),
            history: Vec::new(),
            random: Random::new(seed),
        }
    }

    /// Writes a few documents: moves them between rooms, changes them, deletes some. Some commits
    /// have nothing to do with rooms.
    async fn commit(&mut self, database: &Database) {
        let mut changed = Changed::new();
        let mut writes = Vec::new();
        if self.random.below(8) == 0 {
            writes.push(Write::set(path("others/1"), data("{}")));
        } else {
            for _ in 0..=self.random.below(3) {
                let id = self.random.below(2 * ROOMS);
                let was = self.documents.get(&id).copied();
                let stays = was.is_none() || self.random.below(10) > 0;
                let is = (self.random.below(ROOMS), self.random.below(3));
                changed.entry(id).or_insert((was, stays.then_some(is)));
            }
        }
        for (id, (_, is)) in &changed {
            let at = path(&format!("rooms/{id}"));
            if let Some((a, c)) = *is {
                let json = data(&format!(r#"{{"a":{a},"c":{c}}}"#));
                writes.push(Write::set(at, json));
                self.documents.insert(*id, (a, c));
            } else {
                writes.push(Write::delete(at));
                self.documents.remove(id);
            }
        }
        let committed = database.commit(CommitRequest::of(writes)).await.unwrap();
        self.history.push((committed.seq, changed));
    }

    /// Commits, and the tokens of the places behind each.
    async fn fill(&mut self, fixture: &Fixture, commits: u64) -> Vec<(Sequence, ResumeToken)> {
        let mut clock = fixture.subscribe(From::Now);
        let mut tokens = Vec::new();
        for _ in 0..commits {
            self.commit(&fixture.database).await;
            take(&mut clock).await;
            let seq = fixture.database.visible();
            tokens.push((seq, clock.token.clone().unwrap()));
        }
        tokens
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let place = self.random.below(u64::try_from(of.len()).unwrap());
        &of[usize::try_from(place).unwrap()]
    }

    fn wanted(&mut self) -> Wanted {
        let room = self.random.below(ROOMS);
        Wanted {
            rooms: match self.random.below(12) {
                0 => Rooms::All,
                1 => Rooms::From(ROOMS - 1 - room / 10),
                2 => Rooms::In([room, room / 2]),
                3 => Rooms::OneOrNegative(room),
                _ => Rooms::One(room),
            },
            selects: self.random.below(4) == 0,
            old: self.random.below(3) == 0,
        }
    }
}

/// Which rooms somebody wants. Some filters no index finds.
#[derive(Clone, Copy, Debug)]
enum Rooms {
    All,
    One(u64),
    In([u64; 2]),
    OneOrNegative(u64),
    From(u64),
}

/// What somebody wants to see.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    rooms: Rooms,
    /// Not the room itself.
    selects: bool,
    old: bool,
}

impl Wanted {
    fn view(self) -> View {
        let json = match self.rooms {
            Rooms::All => None,
            Rooms::One(room) => Some(format!(r#"{{"a":{room}}}"#)),
            Rooms::In([one, two]) => Some(format!(r#"{{"a":{{"in":[{one},{two}]}}}}"#)),
            Rooms::OneOrNegative(room) => {
                Some(format!(r#"{{"or":[{{"a":{room}}},{{"c":{{"lt":0}}}}]}}"#))
            }
            Rooms::From(room) => Some(format!(r#"{{"a":{{"gte":{room}}}}}"#)),
        };
        let select = || Select::new(vec!["c".parse().unwrap()]).unwrap();
        View {
            filter: json.map(|json| filter(&json)),
            select: self.selects.then(select),
            old: self.old,
            patch: false,
        }
    }

    /// A document as it is shown, if it is.
    fn shown(self, document: Option<Document>) -> Option<String> {
        let (a, c) = document.filter(|(a, _)| match self.rooms {
            Rooms::All => true,
            Rooms::One(room) | Rooms::OneOrNegative(room) => *a == room,
            Rooms::In(rooms) => rooms.contains(a),
            Rooms::From(room) => *a >= room,
        })?;
        Some(if self.selects {
            format!(r#"{{"c":{c}}}"#)
        } else {
            format!(r#"{{"a":{a},"c":{c}}}"#)
        })
    }

    /// Everything that is to be sent of what was done behind `after`.
    fn expected(self, world: &World, after: Sequence) -> Vec<Sent> {
        let history = world.history.iter().filter(|(seq, _)| *seq > after);
        let changes = history.flat_map(|(seq, changed)| changed.iter().map(move |one| (*seq, one)));
        let sent = changes.filter_map(|(seq, (id, (was, is)))| {
            let (old, data) = (self.shown(*was), self.shown(*is));
            let (op, is_its_own) = match (&old, &data) {
                (None, None) => return None,
                (Some(old), Some(data)) if self.selects && old == data => return None,
                (None, Some(_)) => (Op::Insert, was.is_none()),
                (Some(_), Some(_)) => (Op::Update, true),
                (Some(_), None) => (Op::Delete, is.is_none()),
            };
            Some(Sent {
                seq,
                id: id.to_string(),
                op,
                cause: (!is_its_own).then_some(Cause::Filter),
                data,
                old: old.filter(|_| self.old),
            })
        });
        sent.collect()
    }
}

/// A change that was sent.
#[derive(Debug, PartialEq)]
struct Sent {
    seq: Sequence,
    id: String,
    op: Op,
    cause: Option<Cause>,
    data: Option<String>,
    old: Option<String>,
}

impl Sent {
    fn of(seq: Sequence, change: &Change) -> Sent {
        let text = |data: &Option<Data>| data.as_ref().map(|data| data.as_str().to_owned());
        Sent {
            seq,
            id: change.path.id().to_owned(),
            op: change.op,
            cause: change.cause,
            data: text(&change.data),
            old: text(&change.old),
        }
    }
}

/// Two collections, of which the other has no document that a view of rooms shows.
fn rooms_and_others() -> CollectionSet {
    let patterns = ["rooms", "others"].map(|pattern| pattern.parse().unwrap());
    CollectionSet::matching(patterns).unwrap()
}

/// One of a herd, with the place where it goes on.
struct One {
    wanted: Wanted,
    after: Sequence,
    subscriber: Subscriber,
}

impl One {
    /// It was sent what it was to be sent, and nothing else.
    fn check(&self, world: &World) {
        let changes = self.subscriber.changes.iter();
        let sent: Vec<_> = changes
            .map(|(seq, change)| Sent::of(*seq, change))
            .collect();
        let expected = self.wanted.expected(world, self.after);
        assert_eq!(sent, expected, "{:?} after {}", self.wanted, self.after);
    }
}

/// So many that go on from places of their own, none of which was asked for anything yet.
fn herd(
    fixture: &Fixture,
    world: &mut World,
    (size, tokens): (usize, &[(Sequence, ResumeToken)]),
) -> Vec<One> {
    let ones = (0..size).map(|number| {
        let (after, token) = world.pick(tokens).clone();
        let wanted = world.wanted();
        let mut request = request(&wanted.view(), From::Token(token));
        if number % 9 == 0 && !matches!(wanted.rooms, Rooms::All) {
            request.collections = rooms_and_others();
        }
        One {
            wanted,
            after,
            subscriber: fixture.subscribe_to(request),
        }
    });
    ones.collect()
}

/// Has all of them take everything that was committed, at once.
async fn take_all(herd: Vec<One>) -> Vec<One> {
    let mut tasks = JoinSet::new();
    let together = Arc::new(Barrier::new(herd.len()));
    for mut one in herd {
        let together = Arc::clone(&together);
        tasks.spawn(async move {
            together.wait().await;
            take(&mut one.subscriber).await;
            one
        });
    }
    tokio::time::timeout(PATIENCE * 5, tasks.join_all())
        .await
        .expect("all of them in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_herd_that_comes_back_after_a_restart_is_sent_what_each_alone_would_be() {
    const SIZE: usize = 3_000;
    let (fixture, mut world) = (fixture(), World::new(1));
    let tokens = world.fill(&fixture, 1_200).await;
    let fixture = fixture.reopen().await;
    let herd = herd(&fixture, &mut world, (SIZE, &tokens));
    let database = fixture.database.clone();
    let writer = async move {
        for _ in 0..200 {
            world.commit(&database).await;
        }
        world
    };
    let (mut herd, world) = tokio::join!(take_all(herd), writer);
    let mut token = None;
    for one in &mut herd {
        // Some were done before the writer.
        take(&mut one.subscriber).await;
        one.check(&world);
        let its = one.subscriber.token.take();
        assert_eq!(*token.get_or_insert(its.clone()), its);
    }
    let statistics = fixture.database.statistics();
    let size = u64::try_from(SIZE).unwrap();
    assert!(
        statistics.catch_up_commits < 1_400 * size / 50,
        "{} commits were read",
        statistics.catch_up_commits
    );
    assert!(
        statistics.passes < size / 20,
        "{} passes",
        statistics.passes
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_comes_to_be_live_though_commits_never_stop() {
    let (fixture, mut world) = (fixture(), World::new(7));
    let tokens = world.fill(&fixture, 300).await;
    let herd = herd(&fixture, &mut world, (1_200, &tokens));
    let mut tasks = JoinSet::new();
    for mut one in herd {
        tasks.spawn(async move { while one.subscriber.subscription.next().await.is_ok() {} });
    }
    // Of another collection: commits that all of them see would be more than they can be sent. Each
    // at some time: one whose queue is full goes on from the log again.
    let mut seen_live = BTreeSet::new();
    tokio::time::timeout(PATIENCE * 5, async {
        while seen_live.len() < 1_200 {
            for _ in 0..20 {
                fixture.set("others/busy", "{}").await;
            }
            let all = fixture.database.subscriptions();
            let live = all
                .iter()
                .filter(|one| one.state == SubscriptionState::Live);
            seen_live.extend(live.map(|one| one.id));
        }
    })
    .await
    .expect("all are live in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_take_nothing_or_leave_hold_nobody_up_and_miss_nothing() {
    let fixture = fixture_with(|options| options.queue_bytes_max = 1_500);
    let mut world = World::new(2);
    let tokens = world.fill(&fixture, 400).await;
    // Each has a place, and is not asked for more.
    let mut slow = herd(&fixture, &mut world, (300, &tokens[..100]));
    for one in &mut slow {
        one.subscriber.next().await;
        let next = one.subscriber.subscription.next();
        if let Ok(message) = tokio::time::timeout(Duration::ZERO, next).await {
            one.subscriber.absorb(&message.unwrap());
        }
    }
    let mut leaving = slow.split_off(200);
    let quick = take_all(herd(&fixture, &mut world, (300, &tokens))).await;
    leaving.clear();
    let slow = take_all(slow).await;
    for one in quick.iter().chain(&slow) {
        one.check(&world);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_sent_all_that_it_reads_does_not_read_it_twice() {
    let fixture = fixture_with(|options| options.queue_bytes_max = 1_500);
    let mut world = World::new(3);
    world.fill(&fixture, 300).await;
    let before = fixture.database.statistics().catch_up_commits;
    let wanted = Wanted {
        rooms: Rooms::All,
        selects: false,
        old: false,
    };
    let mut all = One {
        wanted,
        after: Sequence::ZERO,
        subscriber: fixture.subscribe_to(request(&wanted.view(), From::Beginning)),
    };
    take(&mut all.subscriber).await;
    all.check(&world);
    let read = fixture.database.statistics().catch_up_commits - before;
    // What its pass had read when its queue was full is not read again.
    let most = u64::try_from(world.history.len()).unwrap() + 2;
    assert!(read <= most, "{read} of {most} commits were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn conflated_or_not_all_come_to_what_there_is() {
    let (fixture, mut world) = (fixture(), World::new(4));
    let tokens = world.fill(&fixture, 300).await;
    let mut tasks = JoinSet::new();
    for _ in 0..300 {
        let (after, token) = world.pick(&tokens).clone();
        let wanted = world.wanted();
        let conflated = SubscribeRequest {
            conflate: true,
            ..request(&wanted.view(), From::Token(token))
        };
        let mut subscriber = fixture.subscribe_to(conflated);
        // What it was sent before.
        for (id, document) in documents_at(&world, after) {
            if let Some(json) = wanted.shown(Some(document)) {
                subscriber.state.insert(id.to_string(), (after, json));
            }
        }
        tasks.spawn(async move {
            take(&mut subscriber).await;
            (wanted, subscriber)
        });
    }
    let last = documents_at(&world, fixture.database.visible());
    for (wanted, subscriber) in tasks.join_all().await {
        let there = last.iter().filter_map(|(id, document)| {
            let json = wanted.shown(Some(*document))?;
            Some((id.to_string(), json))
        });
        let state = subscriber.state.into_iter();
        let state: BTreeMap<_, _> = state.map(|(id, (_, json))| (id, json)).collect();
        assert_eq!(state, there.collect(), "{wanted:?}");
    }
}

fn documents_at(world: &World, at: Sequence) -> BTreeMap<u64, Document> {
    let mut documents = BTreeMap::new();
    for (_, changed) in world.history.iter().filter(|(seq, _)| *seq <= at) {
        for (id, (_, is)) in changed {
            match is {
                Some(document) => documents.insert(*id, *document),
                None => documents.remove(id),
            };
        }
    }
    documents
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_herd_those_whose_place_is_gone_are_reset_and_the_others_go_on() {
    let fixture = fixture_with(|options| {
        options.segment_bytes = 8 << 10;
        options.snapshot_log_bytes_min = 1;
        options.keeper_interval_ms = 1;
    });
    let mut world = World::new(5);
    let tokens = world.fill(&fixture, 600).await;
    let mut herd = herd(&fixture, &mut world, (300, &tokens));
    // All are accepted, and have not begun to read when the oldest goes.
    for one in &mut herd {
        let first = one.subscriber.next().await;
        let resumed = How::Resumed;
        assert!(matches!(first, FeedMessage::Subscribed { how, .. } if how == resumed));
    }
    let oldest = drop_oldest(&fixture).await;
    assert!(
        herd.iter().any(|one| one.after.next() >= oldest),
        "some stay"
    );
    let mut resets = 0;
    for one in &mut herd {
        let limit = PageLimit {
            bytes: 1 << 20,
            messages: 1000,
        };
        let page = one.subscriber.subscription.page(limit, Duration::ZERO);
        let page = page.await.unwrap();
        let is_reset = page.messages.iter().any(|message| {
            let gone = ResetReason::Retention;
            matches!(message, FeedMessage::Reset { reason, .. } if *reason == gone)
        });
        assert_eq!(
            is_reset,
            one.after.next() < oldest,
            "{}: {oldest}",
            one.after
        );
        resets += usize::from(is_reset);
        if !is_reset {
            for message in &page.messages {
                one.subscriber.absorb(message);
            }
            one.check(&world);
        }
    }
    assert!(resets > 0, "some are gone");
}

/// Has a snapshot made and the oldest of the log dropped; tells what is the oldest then.
async fn drop_oldest(fixture: &Fixture) -> Sequence {
    let move_floor = FloorMove {
        collection: None,
        through: Sequence(300),
    };
    let database = &fixture.database;
    let mut kept = database.kept();
    let is_made = kept.wait_for(|kept| kept.snapshot > Sequence(400));
    tokio::time::timeout(PATIENCE, is_made)
        .await
        .unwrap()
        .unwrap();
    database.move_floor(move_floor).await.unwrap();
    let is_dropped = kept.wait_for(|kept| kept.oldest > Sequence(200));
    tokio::time::timeout(PATIENCE, is_dropped)
        .await
        .unwrap()
        .unwrap();
    // Segments go whole.
    kept.borrow().oldest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_ends_those_who_are_behind() {
    let (fixture, mut world) = (fixture(), World::new(6));
    let tokens = world.fill(&fixture, 50).await;
    let mut herd = herd(&fixture, &mut world, (20, &tokens));
    for one in &mut herd {
        one.subscriber.next().await;
    }
    fixture.database.close().await.unwrap();
    for one in &mut herd {
        let ended = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Err(error) = one.subscriber.subscription.next().await {
                    return error;
                }
            }
        });
        let ended = ended.await.expect("an end in time");
        assert!(matches!(ended, SubscriptionError::Closed), "{ended:?}");
    }
}
