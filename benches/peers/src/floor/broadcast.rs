//! `limit-ws`: a client of the broadcast, over tokio-tungstenite as it comes.

use anyhow::{Result, bail};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::hub::Hub;
use super::{WRITE, parts};

type Socket = WebSocketStream<TcpStream>;

pub(super) async fn client(stream: TcpStream, hub: Hub) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut path = String::new();
    let mut messages = None;
    #[expect(
        clippy::result_large_err,
        reason = "the type that the callback must have"
    )]
    let opening = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        request.uri().path().clone_into(&mut path);
        // Before the answer: who has it misses nothing.
        messages = hub.subscribe_at(&path).ok();
        Ok(response)
    };
    let socket = Box::pin(accept_hdr_async(stream, opening)).await?;
    match messages {
        Some(messages) => subscriber(socket, messages).await,
        None if path == WRITE => writer(socket, &hub).await,
        None => bail!("nothing is served at {path}"),
    }
}

async fn writer(mut socket: Socket, hub: &Hub) -> Result<()> {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            let (topic, document) = parts(text.into())?;
            hub.send(&topic, &document);
            socket
                .send(Message::Text(Utf8Bytes::from_static("ok")))
                .await?;
        }
    }
    Ok(())
}

/// Sends whatever waits with one flush.
async fn subscriber(mut socket: Socket, mut messages: mpsc::Receiver<Bytes>) -> Result<()> {
    while let Some(first) = messages.recv().await {
        socket.feed(text(first)?).await?;
        while let Ok(next) = messages.try_recv() {
            socket.feed(text(next)?).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

fn text(document: Bytes) -> Result<Message> {
    Ok(Message::Text(Utf8Bytes::try_from(document)?))
}
