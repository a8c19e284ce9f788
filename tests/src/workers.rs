//! Those who share the work of a consumer, through every end of a session and every death of the
//! server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use wellspring_protocol::error::Code;
use wellspring_protocol::json::client::FeedPart;
use wellspring_testkit::history::recorder::{Connection, FeedRecorder, PendingAck, Recorder, now};
use wellspring_testkit::random::Random;
use wellspring_types::consumer::Consuming;
use wellspring_types::feed::{From, SubscribeRequest};
use wellspring_types::{Filter, ResumeToken, Sequence, Value, json, limits};

use crate::followers::address;
use crate::grpc;
use crate::transports::{Got, PATIENCE, Session, Transport, exchange, open};
use crate::writers::COLLECTIONS;

/// How long is waited before a server is asked again that does not answer.
const ASK_AGAIN: Duration = Duration::from_millis(2);
/// Messages of a session, at most, before the next is begun over another transport.
const MESSAGES_MAX: u64 = 60;
/// One of so many messages is not acknowledged by itself.
const NOT_ACKNOWLEDGED: u64 = 12;
/// An acknowledgement is kept up to so long.
const KEPT_MS_MAX: u64 = 8;
/// A consumer is for those who stay.
const TRANSPORTS: [Transport; 4] = [
    Transport::WebSocket,
    Transport::Grpc,
    Transport::Sse,
    Transport::NdJson,
];

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Acked {
    /// Everything through there is acknowledged.
    Through(Sequence),
    /// The subscription was over.
    TooLate,
}

/// What an acknowledgement comes over.
#[derive(Clone, Copy, Debug)]
enum Over {
    Http,
    Grpc,
}

/// Those who share one consumer's work. Where its position is not kept any more they go on with
/// another consumer.
#[derive(Clone, Debug)]
pub struct Group {
    number: usize,
    /// The number of its consumer.
    consumer: Arc<AtomicU64>,
}

impl Group {
    /// The group of this number: what it is sent is unlike its neighbours'.
    #[must_use]
    pub fn new(number: usize) -> Group {
        Group {
            number,
            consumer: Arc::default(),
        }
    }

    fn request(&self, consumer: u64) -> SubscribeRequest {
        let collection = COLLECTIONS[self.number % 2].parse().unwrap();
        let mut request = SubscribeRequest::new(collection, From::Beginning);
        if self.number % 2 == 1 {
            request.view.filter = Some(Filter::parse(r#"{"n":{"gte":3}}"#).unwrap());
            request.view.old = true;
        }
        let name = format!("group{}-{consumer}", self.number);
        request.consumer = Some(Consuming {
            unacked_max: 40,
            // Now and then it is over before all is acknowledged.
            ack_timeout_ms: *limits::ACK_TIMEOUT_MS_RANGE.start(),
            ..Consuming::new(name.parse().unwrap())
        });
        request.checkpoint_interval_ms = limits::CHECKPOINT_INTERVAL_MS_MIN;
        request
    }
}

/// One who takes part, recorded through all its sessions. Each comes over another transport, and so
/// do its acknowledgements.
#[derive(Debug)]
pub struct Worker {
    recorder: Recorder,
    group: Group,
    number: usize,
    consumer: u64,
    feed: FeedRecorder,
    request: SubscribeRequest,
    random: Random,
    acknowledging: JoinSet<()>,
}

impl Worker {
    /// The worker of this number in its group.
    #[must_use]
    pub fn new(recorder: Recorder, group: &Group, number: usize, seed: u64) -> Worker {
        let consumer = group.consumer.load(Ordering::Relaxed);
        let (feed, request) = take_part(&recorder, group, (number, consumer));
        Worker {
            recorder,
            group: group.clone(),
            number,
            consumer,
            feed,
            request,
            random: Random::new(seed + 100 * group.number as u64 + number as u64),
            acknowledging: JoinSet::new(),
        }
    }

    /// The number of its group.
    #[must_use]
    pub fn group(&self) -> usize {
        self.group.number
    }

    /// Works with whatever server there is, until there will be none any more.
    pub async fn work(mut self, mut server: watch::Receiver<Option<SocketAddr>>) -> Worker {
        while let Some(address) = address(&mut server).await {
            let any = self.random.below(TRANSPORTS.len() as u64);
            let transport = TRANSPORTS[usize::try_from(any).unwrap()];
            match self.open(address, transport).await {
                Some(session) => self.session(address, session).await,
                // It opens its database, or is gone.
                None => tokio::time::sleep(ASK_AGAIN).await,
            }
            self.position(address).await;
        }
        self.acknowledging.join_all().await;
        self.acknowledging = JoinSet::new();
        self
    }

    async fn open(&mut self, server: SocketAddr, transport: Transport) -> Option<Session> {
        let current = self.group.consumer.load(Ordering::Relaxed);
        if current != self.consumer {
            self.consumer = current;
            let told = (self.number, current);
            (self.feed, self.request) = take_part(&self.recorder, &self.group, told);
        }
        self.feed.begin(transport.name(), &self.request.from);
        let opening = tokio::time::timeout(PATIENCE, open(server, transport, &self.request));
        opening.await.expect("a session begins in time")
    }

    async fn session(&mut self, server: SocketAddr, mut session: Session) {
        for _ in 0..=self.random.below(MESSAGES_MAX) {
            while self.acknowledging.try_join_next().is_some() {}
            let got = session.next().await;
            if !self.take(&got) {
                return;
            }
            if self.random.below(NOT_ACKNOWLEDGED) > 0
                && let Some(ack) = self.feed.ack()
            {
                let kept = Duration::from_millis(self.random.below(KEPT_MS_MAX));
                let over = match self.random.below(4) {
                    0 => Over::Grpc,
                    _ => Over::Http,
                };
                self.acknowledging.spawn(async move {
                    tokio::time::sleep(kept).await;
                    acknowledge(server, ack, over).await;
                });
            }
        }
        self.feed.left(Connection::Closing);
    }

    /// Records something; false where the session is over.
    fn take(&mut self, got: &Got) -> bool {
        match got {
            Got::Part(part) => {
                self.feed.part(part);
                return true;
            }
            Got::Ended(code) => {
                self.feed.ended(code);
                if code == Code::TokenExpired.as_str() {
                    // The first who learns of it says so.
                    let (old, new) = (self.consumer, self.consumer + 1);
                    let order = (Ordering::Relaxed, Ordering::Relaxed);
                    let told = self
                        .group
                        .consumer
                        .compare_exchange(old, new, order.0, order.1);
                    told.ok();
                }
            }
            Got::Nothing => self.feed.left(Connection::Gone),
            Got::Page(_) => panic!("a consumer has no pages"),
        }
        false
    }

    /// Asks where the consumer is, and writes that down.
    async fn position(&self, server: SocketAddr) -> Option<Sequence> {
        let t_inv = now();
        let (status, text) = exchange(server, "GET /v1/consumers?limit=1000", "").await?;
        assert_eq!(status, 200, "{text}");
        let listed = json::parse_message(text.as_bytes()).ok()?;
        let consumers = listed.as_object()?.get("consumers")?.as_array()?;
        let name = self.request.consumer.as_ref()?.name.as_str();
        let is_it = |one: &&Value| {
            let found = one.as_object().and_then(|one| one.get("name")?.as_str());
            found == Some(name)
        };
        let seq = sequence(consumers.iter().find(is_it)?)?;
        self.recorder.position(name, t_inv, seq);
        Some(seq)
    }

    /// Works until the consumer is through everything, of a database that nobody else writes to.
    pub async fn finish(mut self, server: SocketAddr) {
        let session = self.open(server, Transport::WebSocket).await;
        let mut session = session.expect("it is open");
        let working = async {
            let mut wanted = None;
            loop {
                let got = session.next().await;
                let Got::Part(part) = &got else {
                    // It was not kept long enough: there is nothing to come to.
                    self.take(&got);
                    let expired =
                        matches!(&got, Got::Ended(code) if code == Code::TokenExpired.as_str());
                    assert!(expired, "the session goes on");
                    return;
                };
                self.take(&got);
                if let FeedPart::Checkpoint { seq, .. } = part {
                    // Everything through there has been sent.
                    wanted.get_or_insert(*seq);
                }
                if let Some(ack) = self.feed.ack() {
                    acknowledge(server, ack, Over::Http).await;
                }
                let position = self.position(server).await;
                if wanted.is_some_and(|wanted| position >= Some(wanted)) {
                    self.feed.left(Connection::Closing);
                    return;
                }
            }
        };
        let worked = tokio::time::timeout(PATIENCE, working).await;
        worked.expect("the consumer comes to the end");
    }
}

fn take_part(
    recorder: &Recorder,
    group: &Group,
    (number, consumer): (usize, u64),
) -> (FeedRecorder, SubscribeRequest) {
    let request = group.request(consumer);
    let name = format!("g{}-{consumer}-w{number}", group.number);
    let feed = FeedRecorder::new(recorder.clone(), &name, &request);
    (feed, request)
}

async fn acknowledge(server: SocketAddr, mut ack: PendingAck, over: Over) {
    ack.send_now();
    let asked = async {
        match over {
            Over::Grpc => grpc::acknowledge(server, ack.token()).await,
            Over::Http => over_http(server, ack.token()).await,
        }
    };
    let answered = tokio::time::timeout(PATIENCE, asked).await;
    match answered.expect("an answer, or the end of the server, in time") {
        Some(Acked::Through(seq)) => ack.acknowledged(seq),
        Some(Acked::TooLate) => ack.refused(),
        None => drop(ack),
    }
}

async fn over_http(server: SocketAddr, token: &ResumeToken) -> Option<Acked> {
    let body = format!(r#"{{"token":"{token}"}}"#);
    let (status, text) = exchange(server, "POST /v1/ack", &body).await?;
    match status {
        200 => Some(Acked::Through(sequence(
            &json::parse_message(text.as_bytes()).ok()?,
        )?)),
        404 => Some(Acked::TooLate),
        _ => panic!("{status}: {text}"),
    }
}

/// The member `seq` of an object.
fn sequence(of: &Value) -> Option<Sequence> {
    let seq = of.as_object()?.get("seq")?.as_number()?.as_u64()?;
    Some(Sequence(seq))
}
