//! Subscriptions that go on through every end of a session and every death of the server.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use wellspring_testkit::history::recorder::{FeedRecorder, Recorder};
use wellspring_testkit::random::Random;
use wellspring_types::feed::{From, SubscribeRequest};
use wellspring_types::limits::CHECKPOINT_INTERVAL_MS;

use crate::scene::request;
use crate::transports::{Got, PATIENCE, Session, Transport, open};

/// How long is waited before a server is asked again that does not answer.
const ASK_AGAIN: Duration = Duration::from_millis(2);
/// Longest that a client stays away, as it does after one of so many sessions: long enough for
/// tokens to expire meanwhile where the oldest changes are dropped.
const AWAY_MS_MAX: u64 = 3_000;
const SESSIONS_AWAY: u64 = 24;
/// Messages of a session, at most, before the next is begun over another transport.
const MESSAGES_MAX: u64 = 80;

/// One subscription, recorded through all its sessions. Each comes over another transport.
#[derive(Debug)]
pub struct Follower {
    feed: FeedRecorder,
    request: SubscribeRequest,
    random: Random,
    transports: &'static [Transport],
}

impl Follower {
    /// The subscription of this number: its view, too, is unlike its neighbours'.
    #[must_use]
    pub fn new(
        recorder: Recorder,
        number: usize,
        seed: u64,
        transports: &'static [Transport],
    ) -> Follower {
        let mut request = request(number);
        // HTTP has no parameter for it.
        request.checkpoint_interval_ms = CHECKPOINT_INTERVAL_MS;
        Follower {
            feed: FeedRecorder::new(recorder, &format!("s{number}"), &request),
            request,
            random: Random::new(seed + number as u64),
            transports,
        }
    }

    async fn open(&mut self, server: SocketAddr, transport: Transport) -> Option<Session> {
        let mut request = self.request.clone();
        match self.feed.token().cloned() {
            Some(at) => {
                self.feed.resume(transport.name(), &at);
                request.from = From::Token(at.token);
            }
            None => self.feed.begin(transport.name(), &request.from),
        }
        let opening = tokio::time::timeout(PATIENCE, open(server, transport, &request));
        opening.await.expect("a session begins in time")
    }

    /// Records something; false where the session is over.
    fn take(&mut self, got: &Got) -> bool {
        match got {
            Got::Part(part) => self.feed.part(part),
            Got::Page(token) => self.feed.page(token),
            Got::Ended(code) => self.feed.ended(code),
            Got::Nothing => return false,
        }
        true
    }

    /// Follows whatever server there is, until there will be none any more.
    pub async fn follow(mut self, mut server: watch::Receiver<Option<SocketAddr>>) -> Follower {
        while let Some(address) = address(&mut server).await {
            let any = self.random.below(self.transports.len() as u64);
            let transport = self.transports[usize::try_from(any).unwrap()];
            let Some(mut session) = self.open(address, transport).await else {
                // It opens its database, or is gone.
                tokio::time::sleep(ASK_AGAIN).await;
                continue;
            };
            for _ in 0..=self.random.below(MESSAGES_MAX) {
                if !self.take(&session.next().await) {
                    break;
                }
            }
            if self.random.below(SESSIONS_AWAY) == 0 {
                let away_ms = self.random.below(AWAY_MS_MAX);
                tokio::time::sleep(Duration::from_millis(away_ms)).await;
            }
        }
        self
    }

    /// Polls everything that is left, of a database that nobody writes to, and once more, which tells
    /// the last page's position.
    pub async fn finish(mut self, server: SocketAddr) {
        for _ in 0..2 {
            loop {
                let session = self.open(server, Transport::Poll).await;
                let mut session = session.expect("it is open");
                let before = self.feed.token().map(|at| at.token.clone());
                while self.take(&session.next().await) {}
                if self.feed.token().map(|at| at.token.clone()) == before {
                    break;
                }
            }
        }
        self.feed.drained();
    }
}

/// Where the server is, once there is one; `None` where there will be none.
pub(crate) async fn address(
    server: &mut watch::Receiver<Option<SocketAddr>>,
) -> Option<SocketAddr> {
    *server.wait_for(Option::is_some).await.ok()?
}
