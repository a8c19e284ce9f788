//! What every request may need.

use std::sync::Arc;
use std::time::Duration;

use wellspring_engine::Subscriber;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::origin::OriginPolicy;
use crate::phase::PhaseReader;
use crate::session::{Limits, Terms};
use crate::tasks::Tasks;

/// What every request may need. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: Arc<Config>,
    pub(crate) phase: PhaseReader,
    pub(crate) origins: OriginPolicy,
    pub(crate) tasks: Tasks,
    pub(crate) metrics: Metrics,
}

impl std::ops::Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Shared {
    pub(crate) fn new(config: Arc<Config>, phase: PhaseReader, tasks: Tasks) -> Shared {
        let origins = OriginPolicy::new(&config);
        let metrics = Metrics::new(phase.clone());
        Shared(Arc::new(Inner {
            config,
            phase,
            origins,
            tasks,
            metrics,
        }))
    }

    /// How much may be queued for a client.
    pub(crate) fn outbox_limits(&self) -> Limits {
        Limits {
            bytes_max: self.config.queue_bytes_max,
            stalled: Duration::from_millis(self.config.stalled_write_ms),
            queued: self.metrics.outbox_bytes(),
        }
    }

    /// The terms of a session.
    pub(crate) fn terms(&self, subscriber: Subscriber) -> Terms {
        let draining = self.tasks.draining();
        Terms::new(&self.config, draining, subscriber, self.metrics.clone())
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.config.body_timeout_ms)
    }
}
