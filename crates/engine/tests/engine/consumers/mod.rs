//! Consumers: a position that the database keeps, and documents that are shared out.

mod chance;
mod count;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use wellspring_engine::{
    ConsumeError, ConsumerError, ConsumerSubscription, FloorMove, SubscribeError,
    SubscriptionError, TokenError,
};
use wellspring_types::consumer::{ConsumerState, ConsumersQuery, Consuming};
use wellspring_types::feed::{FeedMessage, From, Known, SubscribeRequest};
use wellspring_types::{At, ResumeToken, Sequence};

use crate::common::{Fixture, PATIENCE, filter, fixture, fixture_with, set};

fn request(from: From) -> SubscribeRequest {
    let mut request = SubscribeRequest::new("rooms".parse().unwrap(), from);
    request.consumer = Some(Consuming::new("mailer".parse().unwrap()));
    request
}

/// One who takes part, and what it was sent.
struct Worker {
    subscription: ConsumerSubscription,
    sent: Vec<(Sequence, String)>,
    token: Option<ResumeToken>,
    position: Sequence,
}

impl Worker {
    fn new(subscription: ConsumerSubscription) -> Worker {
        Worker {
            subscription,
            sent: Vec::new(),
            token: None,
            position: Sequence::ZERO,
        }
    }

    /// Takes a message, if there is one now.
    async fn poll(&mut self) -> Option<Result<FeedMessage, ConsumeError>> {
        let polled = poll_once(&mut pin!(self.subscription.next())).await;
        if let Some(Ok(message)) = &polled {
            self.absorb(message);
        }
        polled
    }

    async fn next(&mut self) -> Result<FeedMessage, ConsumeError> {
        let next = tokio::time::timeout(PATIENCE, self.subscription.next());
        let message = next.await.expect("a message in time")?;
        self.absorb(&message);
        Ok(message)
    }

    async fn subscribed(&mut self) -> Sequence {
        match self.next().await.unwrap() {
            FeedMessage::Subscribed { seq, .. } => seq,
            other => panic!("{other:?}"),
        }
    }

    /// Takes messages until it was sent so many changes in all.
    async fn until(&mut self, count: usize) {
        while self.sent.len() < count {
            self.next().await.unwrap();
        }
    }

    fn absorb(&mut self, message: &FeedMessage) {
        match message {
            FeedMessage::Subscribed { seq, token, .. } => {
                self.position = *seq;
                self.token.clone_from(token);
            }
            FeedMessage::Changes { commits, token } => {
                for commit in commits {
                    assert!(self.position < commit.seq, "each commit once, in order");
                    self.position = commit.seq;
                    let changes = commit.changes.iter();
                    let changes = changes.map(|of| (commit.seq, of.path.id().to_owned()));
                    self.sent.extend(changes);
                }
                self.token = Some(token.clone());
            }
            FeedMessage::Checkpoint { seq, token } => {
                self.position = self.position.max(*seq);
                self.token = Some(token.clone());
            }
            other => panic!("{other:?}"),
        }
    }

    fn ids(&self) -> BTreeSet<&str> {
        self.sent.iter().map(|(_, id)| &**id).collect()
    }
}

/// What a future gives, if it gives it now.
async fn poll_once<F: Future>(future: &mut Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn join(db: &Fixture) -> Worker {
    join_as(db, request(From::Beginning)).await
}

async fn join_as(db: &Fixture, request: SubscribeRequest) -> Worker {
    let mut worker = Worker::new(db.database.consume(request).unwrap());
    worker.subscribed().await;
    worker
}

async fn ack(db: &Fixture, worker: &Worker) -> Sequence {
    db.database
        .ack(worker.token.as_ref().unwrap())
        .await
        .unwrap()
}

async fn all(db: &Fixture) -> Vec<ConsumerState> {
    let query = ConsumersQuery {
        limit: 10,
        cursor: None,
    };
    db.database.consumers(query).await.unwrap().consumers
}

async fn only(db: &Fixture) -> ConsumerState {
    all(db).await.pop().unwrap()
}

async fn fill(db: &Fixture, documents: usize) -> Sequence {
    let mut last = Sequence::ZERO;
    for n in 0..documents {
        last = db.set(&format!("rooms/{n}"), r#"{"open":true}"#).await;
    }
    last
}

fn refused(db: &Fixture, request: SubscribeRequest) -> ConsumeError {
    db.database.consume(request).map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn what_was_acknowledged_is_not_sent_again_and_the_rest_is() {
    let mut db = fixture();
    fill(&db, 4).await;
    let mut request = request(From::Beginning);
    request.consumer.as_mut().unwrap().unacked_max = 2;
    let mut worker = join_as(&db, request.clone()).await;
    worker.until(2).await;
    assert_eq!(ack(&db, &worker).await, Sequence(2));
    worker.until(4).await;
    drop(worker);
    for crash in [false, true] {
        db = if crash { db.crash() } else { db.reopen().await };
        let mut again = join_as(&db, request.clone()).await;
        again.until(2).await;
        assert_eq!(again.sent[0], (Sequence(3), "2".to_owned()));
        assert_eq!(again.sent[1], (Sequence(4), "3".to_owned()));
    }
}

#[tokio::test]
async fn a_new_consumer_begins_where_it_is_told_and_an_old_one_where_it_was() {
    let db = fixture();
    fill(&db, 3).await;
    let named = |name: &str, from| {
        let mut request = request(from);
        request.consumer = Some(Consuming::new(name.parse().unwrap()));
        request
    };
    let mut plain = db.subscribe(From::Beginning);
    plain.until(Sequence(2)).await;
    let token = db.database.consumers(ConsumersQuery {
        limit: 10,
        cursor: None,
    });
    assert!(token.await.unwrap().consumers.is_empty());
    let begun = [
        ("now", From::Now, 3),
        ("beginning", From::Beginning, 0),
        (
            "time",
            From::Time(wellspring_types::Timestamp::from_millis(0)),
            0,
        ),
        ("token", From::Token(plain.token.clone().unwrap()), 3),
    ];
    for (name, from, seq) in begun {
        let worker = join_as(&db, named(name, from)).await;
        let at_most = if name == "token" {
            plain.position.0
        } else {
            seq
        };
        assert_eq!(worker.position, Sequence(at_most), "{name}");
        drop(worker);
        let worker = join_as(&db, named(name, From::Now)).await;
        assert_eq!(worker.position, Sequence(at_most), "{name}");
    }
    let names: Vec<_> = all(&db)
        .await
        .into_iter()
        .map(|one| one.name.to_string())
        .collect();
    assert_eq!(names, ["beginning", "now", "time", "token"]);
}

#[tokio::test]
async fn each_document_is_with_one_of_those_who_take_part() {
    let db = fixture();
    let mut workers = vec![join(&db).await, join(&db).await, join(&db).await];
    let documents = 200;
    fill(&db, documents).await;
    fill(&db, documents).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while workers
        .iter()
        .map(|worker| worker.sent.len())
        .sum::<usize>()
        < 2 * documents
    {
        assert!(tokio::time::Instant::now() < deadline);
        for worker in &mut workers {
            worker.poll().await.transpose().unwrap();
        }
        tokio::task::yield_now().await;
    }
    let mut seen = BTreeSet::new();
    for worker in &workers {
        let ids = worker.ids();
        assert!(
            ids.len() > documents / 10,
            "each has its part: {}",
            ids.len()
        );
        assert!(
            ids.iter().all(|id| seen.insert((*id).to_owned())),
            "with one"
        );
        assert!(worker.sent.len() == 2 * ids.len(), "both changes of each");
    }
    assert_eq!(seen.len(), documents);
    let state = only(&db).await;
    assert_eq!((state.subscriptions, state.unacked), (3, 400));
    for worker in &workers {
        ack(&db, worker).await;
    }
    assert_eq!(only(&db).await.unacked, 0);
}

#[tokio::test]
async fn who_gives_documents_away_is_sent_nothing_until_it_has_acknowledged() {
    let db = fixture();
    fill(&db, 100).await;
    let mut first = join(&db).await;
    first.until(100).await;
    let mut second = join(&db).await;
    fill(&db, 100).await;
    for _ in 0..1000 {
        assert!(first.poll().await.is_none() && second.poll().await.is_none());
        tokio::task::yield_now().await;
    }
    ack(&db, &first).await;
    assert_eq!(first.subscribed().await, Sequence(100));
    assert_eq!(second.subscribed().await, Sequence(100));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while first.sent.len() + second.sent.len() < 200 {
        assert!(tokio::time::Instant::now() < deadline);
        first.poll().await.transpose().unwrap();
        second.poll().await.transpose().unwrap();
        tokio::task::yield_now().await;
    }
    let again: BTreeSet<_> = first.sent[100..].iter().map(|(_, id)| id).collect();
    assert!(second.sent.iter().all(|(_, id)| !again.contains(id)));
}

#[tokio::test]
async fn what_is_due_when_one_leaves_is_sent_to_the_others() {
    let db = fixture();
    let (mut first, mut second) = (join(&db).await, join(&db).await);
    assert_eq!(first.subscribed().await, Sequence::ZERO, "half is given");
    fill(&db, 50).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while first.sent.len() + second.sent.len() < 50 {
        assert!(tokio::time::Instant::now() < deadline);
        first.poll().await.transpose().unwrap();
        second.poll().await.transpose().unwrap();
        tokio::task::yield_now().await;
    }
    let due = second.sent.clone();
    let token = second.token.clone().unwrap();
    assert!(!due.is_empty());
    drop(second);
    let late = db.database.ack(&token).await.unwrap_err();
    assert!(matches!(late, ConsumerError::SubscriptionOver), "{late:?}");
    ack(&db, &first).await;
    let before = first.sent.len();
    assert!(first.subscribed().await < due[0].0, "it goes back for them");
    first.until(before + due.len()).await;
    assert_eq!(first.sent[before..], due);
}

#[tokio::test]
async fn no_more_is_sent_than_may_be_due() {
    let db = fixture();
    fill(&db, 10).await;
    let mut request = request(From::Beginning);
    request.consumer.as_mut().unwrap().unacked_max = 3;
    let mut worker = join_as(&db, request).await;
    for due in [3, 6, 9, 10] {
        worker.until(due).await;
        for _ in 0..100 {
            assert!(worker.poll().await.is_none());
            tokio::task::yield_now().await;
        }
        assert_eq!(worker.sent.len(), due);
        ack(&db, &worker).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_acknowledges_nothing_for_too_long_is_ended() {
    let db = fixture();
    fill(&db, 2).await;
    let mut request = request(From::Beginning);
    request.consumer.as_mut().unwrap().ack_timeout_ms = 1000;
    let mut worker = Worker::new(db.database.consume(request).unwrap());
    let ended = loop {
        match worker.subscription.next().await {
            Ok(message) => worker.absorb(&message),
            Err(ended) => break ended,
        }
    };
    let ConsumeError::Unacknowledged {
        timeout_ms,
        unacked,
    } = ended
    else {
        panic!("{ended:?}");
    };
    assert_eq!((timeout_ms, unacked), (1000, 2));
    let over = worker.subscription.next().await.unwrap_err();
    assert!(matches!(
        over,
        ConsumeError::Subscription(SubscriptionError::Closed)
    ));
    assert_eq!(only(&db).await.subscriptions, 0);
}

#[tokio::test]
async fn a_deleted_consumer_ends_its_subscriptions_and_can_be_made_anew() {
    let db = fixture();
    fill(&db, 3).await;
    let mut worker = join(&db).await;
    worker.until(3).await;
    let name = "mailer".parse().unwrap();
    db.database.delete_consumer(&name).await.unwrap();
    let ended = worker.next().await.unwrap_err();
    assert!(matches!(ended, ConsumeError::Deleted { .. }), "{ended:?}");
    let late = db.database.ack(worker.token.as_ref().unwrap()).await;
    assert!(
        matches!(late, Err(ConsumerError::SubscriptionOver)),
        "{late:?}"
    );
    let twice = db.database.delete_consumer(&name).await;
    assert!(
        matches!(twice, Err(ConsumerError::NotFound { .. })),
        "{twice:?}"
    );
    assert!(all(&db).await.is_empty());
    let mut other = request(From::Beginning);
    other.view.filter = Some(filter(r#"{"open":true}"#));
    let mut again = join_as(&db, other).await;
    again.until(3).await;
}

#[tokio::test]
async fn a_consumer_is_what_it_was_made_for() {
    let db = fixture();
    let mut of = request(From::Now);
    of.view.filter = Some(filter(r#"{"open":true,"n":{"gt":1}}"#));
    drop(join_as(&db, of.clone()).await);
    let db = db.crash();
    let spelled = r#"{"n":{"gt":1.0},"open":true}"#;
    of.view.filter = Some(filter(spelled));
    drop(join_as(&db, of.clone()).await);
    let mut others = vec![of.clone(), of.clone(), of.clone()];
    others[0].view.filter = None;
    others[1].view.old = true;
    others[2].collections =
        wellspring_types::CollectionSet::matching(["*".parse().unwrap()]).unwrap();
    for other in others {
        let mut worker = Worker::new(db.database.consume(other).unwrap());
        let refused = worker.next().await.unwrap_err();
        assert!(
            matches!(refused, ConsumeError::OtherTarget { .. }),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn what_does_not_go_with_a_consumer_is_refused() {
    let db = fixture();
    let mut known = request(From::Now);
    known.known = Some(Known::default());
    let mut conflate = request(From::Now);
    conflate.conflate = true;
    for unfit in [known, conflate, request(From::Snapshot)] {
        let error = refused(&db, unfit);
        assert!(matches!(error, ConsumeError::Unfit { .. }), "{error:?}");
    }
    let limited = |unacked_max, ack_timeout_ms| {
        let mut request = request(From::Now);
        let consuming = request.consumer.as_mut().unwrap();
        (consuming.unacked_max, consuming.ack_timeout_ms) = (unacked_max, ack_timeout_ms);
        refused(&db, request)
    };
    assert!(matches!(limited(0, 1000), ConsumeError::UnackedMax));
    assert!(matches!(limited(10_001, 1000), ConsumeError::UnackedMax));
    assert!(matches!(limited(1, 999), ConsumeError::AckTimeout));
    assert!(matches!(limited(1, 3_600_001), ConsumeError::AckTimeout));
    let plain = SubscribeRequest::new("rooms".parse().unwrap(), From::Now);
    assert!(matches!(refused(&db, plain), ConsumeError::Nameless));
    let subscribed = db.database.subscribe(request(From::Now)).map(|_| ());
    assert_eq!(subscribed.unwrap_err(), SubscribeError::OfConsumer);
}

#[tokio::test]
async fn a_consumer_s_token_is_for_acknowledging_only() {
    let db = fixture();
    fill(&db, 2).await;
    let mut worker = join(&db).await;
    worker.until(2).await;
    let token = worker.token.clone().unwrap();
    let begun = db.database.subscribe(SubscribeRequest::new(
        "rooms".parse().unwrap(),
        From::Token(token.clone()),
    ));
    let refused = begun.map(|_| ()).unwrap_err();
    assert_eq!(refused, SubscribeError::Token(TokenError::OfConsumer));
    let read = db.get_at("rooms/1", At::Token(token)).await;
    assert!(read.is_err(), "{read:?}");
    let plain = only(&db).await.token;
    let acked = db.database.ack(&plain).await;
    assert!(matches!(
        acked,
        Err(ConsumerError::Token(TokenError::NotOfConsumer))
    ));
    let mut plain = db.subscribe(From::Token(plain));
    plain.until(Sequence(2)).await;
}

#[tokio::test]
async fn a_token_of_an_earlier_opening_acknowledges_nothing() {
    let db = fixture();
    fill(&db, 2).await;
    let mut worker = join(&db).await;
    worker.until(2).await;
    let token = worker.token.clone().unwrap();
    drop(worker);
    let db = db.crash();
    let mut worker = join(&db).await;
    worker.until(2).await;
    let late = db.database.ack(&token).await;
    assert!(
        matches!(late, Err(ConsumerError::SubscriptionOver)),
        "{late:?}"
    );
    assert_eq!(only(&db).await.unacked, 2);
}

#[tokio::test]
async fn a_consumer_that_was_away_for_too_long_is_told_of_the_gap() {
    let db = fixture();
    drop(join(&db).await);
    let last = fill(&db, 5).await;
    db.database
        .move_floor(FloorMove {
            collection: None,
            through: last,
        })
        .await
        .unwrap();
    let mut worker = Worker::new(db.database.consume(request(From::Now)).unwrap());
    let ended = worker.next().await.unwrap_err();
    assert!(
        matches!(
            ended,
            ConsumeError::Subscribe(SubscribeError::TokenExpired { .. })
        ),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_quiet_consumer_is_never_behind_a_floor() {
    let mut db = fixture();
    let mut of = request(From::Now);
    of.view.filter = Some(filter(r#"{"open":"never"}"#));
    of.checkpoint_interval_ms = 100;
    for _year in 0..3 {
        let mut worker = join_as(&db, of.clone()).await;
        for _ in 0..5 {
            let through = fill(&db, 5).await;
            let floor = FloorMove {
                collection: None,
                through,
            };
            db.database.move_floor(floor).await.unwrap();
            while worker.position < through {
                worker.next().await.unwrap();
            }
            // Asked for more, it sees to what is on disk first.
            let next = tokio::time::timeout(PATIENCE, worker.next());
            next.await.unwrap().unwrap();
        }
        drop(worker);
        db = db.crash();
    }
}

#[tokio::test]
async fn a_commit_of_several_documents_is_sent_to_each_as_far_as_its_go() {
    let db = fixture();
    let mut workers = [join(&db).await, join(&db).await];
    let writes = (0..50).map(|n| set(&format!("rooms/{n}"), "{}"));
    let seq = db.commit(writes.collect()).await.seq;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while workers
        .iter()
        .map(|worker| worker.sent.len())
        .sum::<usize>()
        < 50
    {
        assert!(tokio::time::Instant::now() < deadline);
        for worker in &mut workers {
            worker.poll().await.transpose().unwrap();
        }
        tokio::task::yield_now().await;
    }
    assert!(workers.iter().all(|worker| !worker.sent.is_empty()));
    let sent = workers.iter().flat_map(|worker| &worker.sent);
    assert!(sent.into_iter().all(|(of, _)| *of == seq));
}

/// A client that does not read is not polled, in the middle of whatever it wanted.
#[tokio::test]
async fn who_is_not_polled_holds_nobody_up() {
    let db = fixture();
    fill(&db, 2).await;
    let mut stuck = Worker::new(db.database.consume(request(From::Beginning)).unwrap());
    assert!(stuck.poll().await.is_none(), "it is about to take part");
    let mut other = request(From::Beginning);
    other.consumer = Some(Consuming::new("printer".parse().unwrap()));
    let taking_part = async {
        let mut one = join(&db).await;
        let mut two = join_as(&db, other).await;
        one.until(2).await;
        two.until(2).await;
        (one, two)
    };
    let (one, _two) = tokio::time::timeout(PATIENCE, taking_part).await.unwrap();

    let token = one.token.as_ref().unwrap();
    let mut stuck = pin!(db.database.ack(token));
    assert!(poll_once(&mut stuck).await.is_none(), "it is being written");
    let acked = tokio::time::timeout(PATIENCE, ack(&db, &one)).await;
    assert_eq!(acked.unwrap(), Sequence(2));
}
