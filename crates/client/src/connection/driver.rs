//! The task that owns the connection, and makes it again when it is lost.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use wellspring_protocol::error::Retry;

use super::queue::End;
use super::routes::{Ending, Id, Outcome, Routes};
use super::socket::{self, IncomingHalf, OutgoingHalf, Received, Socket};
use crate::address::Address;
use crate::backoff::Backoff;
use crate::builder::Options;
use crate::error::ConnectError;
use crate::wire::{self, Incoming};

/// Commands taken at once: their messages leave in as few packets as possible.
const COMMANDS_AT_ONCE: usize = 64;

/// How long a closing handshake may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A message to send, if its sender still waits when its turn comes.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) id: Id,
    pub(crate) text: String,
}

/// The connection's task.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) address: Address,
    pub(crate) options: Arc<Options>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) closed: CancellationToken,
}

/// How a connection ended: with the wait that the server asked for.
struct Lost {
    after: Option<Duration>,
}

impl Driver {
    /// Serves the connection, and those made after it, until the client is closed or the server
    /// refuses it for good.
    pub(crate) async fn run(mut self, first: Socket) {
        let mut backoff = Backoff::new(self.options.backoff);
        let mut socket = first;
        let ending = loop {
            let began = Instant::now();
            let lost = self.serve(socket).await;
            self.routes.lose();
            if self.closed.is_cancelled() {
                break Ending::Closed;
            }
            // A server that welcomes and hangs up at once is not to be asked without end.
            if began.elapsed() > self.options.backoff.longest {
                backoff.reset();
            }
            match self.reconnect(&mut backoff, lost.after).await {
                ControlFlow::Continue(again) => socket = again,
                ControlFlow::Break(ending) => break ending,
            }
        };
        self.routes.finish(&ending);
    }

    async fn reconnect(
        &self,
        backoff: &mut Backoff,
        mut asked: Option<Duration>,
    ) -> ControlFlow<Ending, Socket> {
        loop {
            let attempt = async {
                tokio::time::sleep(backoff.next(asked)).await;
                socket::open(&self.address, &self.options).await
            };
            let opened = tokio::select! {
                opened = attempt => opened,
                () = self.closed.cancelled() => return ControlFlow::Break(Ending::Closed),
            };
            asked = match opened {
                Ok(socket) => return ControlFlow::Continue(socket),
                Err(ConnectError::Refused(error)) => match error.code.retry() {
                    Retry::Never | Retry::Reauth => {
                        return ControlFlow::Break(Ending::Refused(error));
                    }
                    _ => error.after_ms.map(Duration::from_millis),
                },
                Err(_) => None,
            };
        }
    }

    /// Both directions at once: a client that read nothing while it waits to write, and a server
    /// that does the same, would wait for each other for ever.
    async fn serve(&mut self, socket: Socket) -> Lost {
        let Socket {
            incoming,
            mut outgoing,
            silence_max,
        } = socket;
        let deadline = async {
            self.closed.cancelled().await;
            tokio::time::sleep(GOODBYE).await;
        };
        tokio::select! {
            lost = receive(&self.routes, incoming, silence_max) => lost,
            () = send(&mut self.commands, &self.routes, &self.closed, &mut outgoing) => {
                Lost { after: None }
            }
            () = deadline => Lost { after: None },
        }
    }
}

/// Sends what is commanded until the connection fails or the client is closed.
async fn send(
    commands: &mut mpsc::Receiver<Command>,
    routes: &Routes,
    closed: &CancellationToken,
    outgoing: &mut OutgoingHalf,
) {
    let mut batch = Vec::with_capacity(COMMANDS_AT_ONCE);
    loop {
        tokio::select! {
            // Closing comes first: after it, `recv_many` may be ready without end.
            biased;
            () = closed.cancelled() => return outgoing.close().await,
            () = routes.unwanted.notified() => {}
            _ = commands.recv_many(&mut batch, COMMANDS_AT_ONCE) => {}
        }
        let mut texts: Vec<String> = routes
            .take_unwanted()
            .into_iter()
            .map(wire::unsubscribe)
            .collect();
        // Marked before the first await: from here on, what does not get through is lost with
        // the connection, and whoever waits for it is told so.
        texts.extend(
            batch
                .drain(..)
                .filter(|c| routes.mark_sent(c.id))
                .map(|c| c.text),
        );
        for text in texts {
            if outgoing.push(text).await.is_err() {
                return;
            }
        }
        if outgoing.flush().await.is_err() {
            return;
        }
    }
}

/// Hands out what arrives until the connection ends or falls silent.
async fn receive(routes: &Routes, mut incoming: IncomingHalf, silence_max: Duration) -> Lost {
    let mut after = None;
    loop {
        let received = tokio::time::timeout(silence_max, incoming.receive()).await;
        let text = match received {
            Ok(Received::Text(text)) => text,
            Ok(Received::Heartbeat) => continue,
            Ok(Received::End) | Err(_) => return Lost { after },
        };
        match wire::read(&text) {
            Some(Incoming::Closing(error)) => after = error.after_ms.map(Duration::from_millis),
            Some(message) => route(routes, message, text.len()),
            // Not a message of ours: nothing that follows can be relied on.
            None => return Lost { after },
        }
    }
}

/// Hands a message to whoever waits for it. What is about nobody's id needs no answer.
fn route(routes: &Routes, message: Incoming, bytes: usize) {
    let find = |text: Option<String>| text.as_deref().and_then(wire::id);
    match message {
        Incoming::Result { id, answer } => {
            if let Some(id) = wire::id(&id) {
                routes.answer(id, Outcome::Answered(answer));
            }
        }
        Incoming::Error { id, error } => {
            if let Some(id) = find(id) {
                routes.refuse(id, error);
            }
        }
        Incoming::Feed { id, part } => {
            if let Some(id) = find(id) {
                routes.deliver(id, part, bytes);
            }
        }
        Incoming::Ended { id, error, token } => {
            if let Some(id) = find(id) {
                routes.end_feed(id, End::Ended { error, token });
            }
        }
        _ => {}
    }
}
