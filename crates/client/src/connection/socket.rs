//! The WebSocket itself. No other module names its library, so that it can be replaced.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use wellspring_protocol::error::{Code, WireError};
use wellspring_types::limits::REQUEST_BYTES_MAX;

use crate::address::Address;
use crate::builder::Options;
use crate::error::ConnectError;
use crate::wire::{self, Incoming};

const SUBPROTOCOL: &str = "wellspring.v1.json";

/// Bytes of a whole incoming message, and of one frame of it. The server's are smaller; a proxy
/// between is not trusted to be.
const INCOMING_BYTES_MAX: usize = 16 << 20;

/// A connection that has been welcomed.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) incoming: IncomingHalf,
    pub(crate) outgoing: OutgoingHalf,
    /// A longer silence means that the connection is dead: the server pings more often.
    pub(crate) silence_max: Duration,
}

/// What the server sends.
#[derive(Debug)]
pub(crate) struct IncomingHalf(SplitStream<WebSocketStream<TcpStream>>);

/// What the client sends.
#[derive(Debug)]
pub(crate) struct OutgoingHalf(SplitSink<WebSocketStream<TcpStream>, Message>);

/// Something that arrived.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message's text.
    Text(Bytes),
    /// A sign of life.
    Heartbeat,
    /// The connection ended.
    End,
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(32 << 10)
        .write_buffer_size(32 << 10)
        // Has to hold the largest message besides what is buffered.
        .max_write_buffer_size(2 * REQUEST_BYTES_MAX)
        .max_message_size(Some(INCOMING_BYTES_MAX))
        .max_frame_size(Some(INCOMING_BYTES_MAX))
}

/// Connects, greets, and waits for the welcome.
pub(crate) async fn open(address: &Address, options: &Options) -> Result<Socket, ConnectError> {
    let after = options.connect_timeout;
    match tokio::time::timeout(after, greet(address, options)).await {
        Ok(opened) => opened,
        Err(_elapsed) => Err(ConnectError::TimedOut {
            endpoint: endpoint(address),
            after,
        }),
    }
}

fn endpoint(address: &Address) -> Box<str> {
    address.endpoint.as_str().into()
}

async fn greet(address: &Address, options: &Options) -> Result<Socket, ConnectError> {
    let unreachable = |source| ConnectError::Unreachable {
        endpoint: endpoint(address),
        source,
    };
    let handshake = |source| ConnectError::Handshake {
        endpoint: endpoint(address),
        source: Box::new(source),
    };
    let tcp = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(unreachable)?;
    // A commit is one small message that somebody waits for.
    tcp.set_nodelay(true).map_err(unreachable)?;
    let mut request = address
        .endpoint
        .as_str()
        .into_client_request()
        .map_err(handshake)?;
    let offered = HeaderValue::from_static(SUBPROTOCOL);
    request
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, offered);
    let (stream, _response) =
        tokio_tungstenite::client_async_with_config(request, tcp, Some(config()))
            .await
            .map_err(|error| refused_handshake(&error).unwrap_or_else(|| handshake(error)))?;
    let (sink, stream) = stream.split();
    let (mut incoming, mut outgoing) = (IncomingHalf(stream), OutgoingHalf(sink));
    outgoing
        .push(wire::hello(options))
        .await
        .map_err(handshake)?;
    outgoing.flush().await.map_err(handshake)?;
    let heartbeat_ms = welcome(address, &mut incoming).await?;
    // As long as the server's own patience with us: 60 s for the default heartbeat of 25 s.
    let silence_max = Duration::from_millis(heartbeat_ms.saturating_mul(12) / 5);
    Ok(Socket {
        incoming,
        outgoing,
        silence_max,
    })
}

/// What a server says that answers, but not with a WebSocket: one that is opening its database, or
/// does not allow it.
fn refused_handshake(error: &Error) -> Option<ConnectError> {
    let Error::Http(response) = error else {
        return None;
    };
    let problem = response
        .body()
        .as_deref()
        .and_then(WireError::from_problem_json);
    // The body may not have arrived with the head; a proxy's is none of ours.
    let refusal = problem.or_else(|| match response.status() {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => {
            Some(WireError::new(Code::Unavailable, "the server is not ready"))
        }
        StatusCode::TOO_MANY_REQUESTS => Some(WireError::new(
            Code::RateLimited,
            "the server has too many clients",
        )),
        _ => None,
    });
    refusal.map(ConnectError::Refused)
}

/// Waits for the welcome and returns the heartbeat's interval in milliseconds.
async fn welcome(address: &Address, incoming: &mut IncomingHalf) -> Result<u64, ConnectError> {
    loop {
        match incoming.receive().await {
            Received::Text(text) => match wire::read(&text) {
                Some(Incoming::Welcome(welcome)) => return Ok(welcome.heartbeat_ms),
                Some(Incoming::Error { error, .. } | Incoming::Closing(error)) => {
                    return Err(ConnectError::Refused(error));
                }
                _ => {}
            },
            Received::Heartbeat => {}
            Received::End => {
                return Err(ConnectError::Closed {
                    endpoint: endpoint(address),
                });
            }
        }
    }
}

impl IncomingHalf {
    /// Waits for the next thing that arrives.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn receive(&mut self) -> Received {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Received::Text(text.into()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Received::End,
            Some(Ok(_)) => Received::Heartbeat,
        }
    }
}

impl OutgoingHalf {
    /// Puts a message into the buffer, which is written out when it is full.
    pub(crate) async fn push(&mut self, text: String) -> Result<(), Error> {
        self.0.feed(Message::text(text)).await
    }

    /// Writes the buffer out.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        self.0.flush().await
    }

    /// Says goodbye.
    pub(crate) async fn close(&mut self) {
        // A connection that fails now has ended all the same.
        self.0.close().await.ok();
    }
}
