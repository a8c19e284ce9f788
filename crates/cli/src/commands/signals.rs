//! Being asked to stop.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
use crate::output::tell;

/// Begins to watch for SIGINT and SIGTERM; the future ends at the first of them.
pub(crate) fn stop() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut interrupt = watch(SignalKind::interrupt())?;
    let mut terminate = watch(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => end_line(),
            _ = terminate.recv() => {}
        }
    })
}

fn watch(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind).map_err(|source| Failure::Signals { source })
}

/// A terminal has written `^C`: what follows begins on a line of its own.
fn end_line() {
    if io::stderr().is_terminal() {
        tell("");
    }
}
