//! How long a session waits, and how much it takes.

use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use wellspring_engine::Subscriber;

use crate::config::Config;
use crate::ids;
use crate::metrics::Metrics;

/// How long clients are asked to stay away from a server that stops, in milliseconds: some more and
/// some less, so that they do not come back all at once.
const AWAY_MS: Range<u64> = 1000..3000;

/// The terms of a session.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Time between two beats.
    pub(crate) heartbeat: Duration,
    /// A client that says nothing for so long is dead; `None`: it has nothing to say.
    pub(crate) dead_after: Option<Duration>,
    /// When the client wants its stream to end.
    pub(crate) deadline: Option<Instant>,
    /// When the server takes no more work.
    pub(crate) draining: CancellationToken,
    /// How long clients are asked to stay away when the server drains, in milliseconds.
    pub(crate) away_ms: u64,
    /// Requests in progress; no more commands are taken while there are as many.
    pub(crate) requests_max: usize,
    /// Subscriptions at a time.
    pub(crate) subscriptions_max: usize,
    /// Whom its subscriptions serve.
    pub(crate) subscriber: Subscriber,
    pub(crate) metrics: Metrics,
}

impl Terms {
    pub(crate) fn new(
        config: &Config,
        draining: CancellationToken,
        subscriber: Subscriber,
        metrics: Metrics,
    ) -> Terms {
        Terms {
            heartbeat: Duration::from_millis(config.heartbeat_ms),
            dead_after: None,
            deadline: None,
            draining,
            away_ms: ids::random_in(AWAY_MS),
            requests_max: usize::try_from(config.requests_in_progress_max).unwrap_or(usize::MAX),
            subscriptions_max: usize::try_from(config.subscriptions_max).unwrap_or(usize::MAX),
            subscriber,
            metrics,
        }
    }
}
