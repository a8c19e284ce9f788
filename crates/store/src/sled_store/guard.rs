//! Bulkheads around sled, which panics on some damaged files and may never come back from others.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::StoreError;

/// Runs `call` and turns a panic into [`StoreError::Panicked`].
pub(super) fn catch<T>(call: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    // Unwind safety: sled's own locks do not poison and are released on the way, and no state of
    // ours is changed inside. What sled itself makes of it later is caught again.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        Err(StoreError::Panicked {
            message: message(panic.as_ref()).into(),
        })
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Runs `call` in a thread of its own, catches its panic, and waits for it no longer than
/// `deadline`. The one case in which a thread is not joined is that it does not end: there is no
/// way to stop it.
pub(super) fn within<T: Send + 'static>(
    deadline: Duration,
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (sender, receiver) = sync_channel(1);
    let thread = thread::Builder::new()
        .name("store".into())
        .spawn(move || {
            // Nobody waits any longer if this fails: then the result, a whole store perhaps, is
            // dropped here.
            sender.send(catch(call)).is_ok()
        })
        .map_err(|source| StoreError::NoThread { source })?;
    match receiver.recv_timeout(deadline) {
        Ok(result) => {
            // It has sent its result and does nothing more: this returns at once.
            if thread.join().is_err() {
                tracing::warn!("the store's thread panicked after its work was done");
            }
            result
        }
        Err(RecvTimeoutError::Timeout) => Err(StoreError::TimedOut { after: deadline }),
        Err(RecvTimeoutError::Disconnected) => Err(StoreError::Panicked {
            message: "the thread ended without a result".into(),
        }),
    }
}
