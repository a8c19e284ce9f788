//! How long a read may go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::ReadError;

/// Set when nobody waits for a read any more.
#[derive(Clone, Default)]
pub(crate) struct Cancelled(Arc<AtomicBool>);

/// Cancels when it is dropped.
pub(crate) struct CancelOnDrop(Cancelled);

impl Cancelled {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Lets a read go on until its time is over, or nobody waits for it any more.
#[derive(Clone, Default)]
pub(crate) struct Permit {
    cancelled: Cancelled,
    /// When its time is over, and how long that was, in milliseconds; `None`: never.
    ends: Option<(Instant, u64)>,
}

impl Permit {
    /// For `limit_ms` milliseconds from now.
    pub(crate) fn new(limit_ms: u64, cancelled: Cancelled) -> Permit {
        let ends = Instant::now().checked_add(Duration::from_millis(limit_ms));
        Permit {
            cancelled,
            ends: ends.map(|at| (at, limit_ms)),
        }
    }

    /// Whether the read may go on: asked between any two things that each take a while.
    pub(crate) fn check(&self) -> Result<(), ReadError> {
        if self.cancelled.is_set() {
            return Err(ReadError::Cancelled);
        }
        match self.ends {
            Some((at, limit_ms)) if Instant::now() > at => Err(ReadError::TooLong { limit_ms }),
            _ => Ok(()),
        }
    }
}
