//! What every request may need.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
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
        Shared(Arc::new(Inner {
            config,
            phase,
            origins,
            tasks,
        }))
    }

    /// How much may be queued for a client.
    pub(crate) fn outbox_limits(&self) -> Limits {
        Limits {
            bytes_max: self.config.queue_bytes_max,
            stalled: Duration::from_millis(self.config.stalled_write_ms),
        }
    }

    /// The terms of a session.
    pub(crate) fn terms(&self) -> Terms {
        Terms::new(&self.config, self.tasks.draining())
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.config.body_timeout_ms)
    }
}
