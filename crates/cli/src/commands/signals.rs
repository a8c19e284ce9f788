//! Being asked to stop.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::output::tell;

/// SIGINT and SIGTERM.
struct Requests {
    interrupt: Signal,
    terminate: Signal,
}

impl Requests {
    /// Begins to watch: none that comes from now on is missed, save that several at once may
    /// count as one.
    fn watch() -> Result<Requests, Failure> {
        let watch = |kind| signal(kind).map_err(|source| Failure::Signals { source });
        Ok(Requests {
            interrupt: watch(SignalKind::interrupt())?,
            terminate: watch(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Begins to watch for SIGINT and SIGTERM; the future ends at the first of them.
pub(crate) fn stop() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut requests = Requests::watch()?;
    Ok(async move {
        requests.next().await;
        end_line();
    })
}

/// Begins to watch for SIGINT and SIGTERM; the future ends at the second of them: whoever asks
/// again does not want to wait.
pub(crate) fn stop_at_once() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut requests = Requests::watch()?;
    Ok(async move {
        requests.next().await;
        requests.next().await;
        end_line();
    })
}

/// A terminal has written `^C`: what follows begins on a line of its own.
fn end_line() {
    if io::stderr().is_terminal() {
        tell("");
    }
}
