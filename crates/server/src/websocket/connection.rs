//! One WebSocket connection: `hello`, then a session; one task reads and writes.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt, stream};
use hyper::upgrade::Upgraded;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tracing::{Instrument, debug, error, info_span};
use wellspring_engine::{Database, Subscriber};
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::reply::{self, Welcome, WelcomeLimits};
use wellspring_protocol::json::{ClientMessage, RequestError};
use wellspring_types::limits::{MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX};

use super::framing::{CLOSE_NO_HELLO, WebSocketFraming, close, text};
use super::requests;
use crate::ids::new_session_id;
use crate::listener;
use crate::metrics::{Metrics, Protocol};
use crate::session::{Command, Framing, Outbox, Session, Taker, Terms, outbox};
use crate::shared::Shared;

/// Bytes that are read at a time; there may be thousands of connections.
const READ_BYTES: usize = 2 * 1024;
/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 16 * 1024;
/// How long a client has to close its side after the server has.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<listener::Socket<TcpStream>>;

fn limits() -> WebSocketConfig {
    let mut limits = WebSocketConfig::default();
    limits.read_buffer_size = READ_BYTES;
    limits.write_buffer_size = WRITE_BYTES;
    // One message beyond what waits to be written always fits; the outbox bounds the rest.
    limits.max_write_buffer_size = 2 * MESSAGE_BYTES_MAX;
    limits.max_message_size = Some(REQUEST_BYTES_MAX);
    limits.max_frame_size = Some(REQUEST_BYTES_MAX);
    limits
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    upgraded: Upgraded,
    shared: Shared,
    database: Database,
    subscriber: Subscriber,
) {
    let Some((mut socket, read)) = listener::Socket::of(upgraded) else {
        return error!("an upgraded connection is not one of the listener's");
    };
    socket.set_patience(Duration::from_millis(shared.config.stalled_write_ms));
    // Copied: it is the end of a large buffer, which is not to live as long as the connection.
    let first = read.to_vec();
    drop(read);
    let role = Role::Server;
    let socket = WebSocketStream::from_partially_read(socket, first, role, Some(limits())).await;
    // At once: what is awaited below would hold the socket twice.
    let (sink, stream) = socket.split();
    let session = new_session_id();
    let _counted = shared.metrics.connected(Protocol::WebSocket);
    let span = info_span!("websocket", %session);
    Connection {
        shared,
        database,
        subscriber,
        session,
    }
    .serve(sink, stream)
    .instrument(span)
    .await;
}

struct Connection {
    shared: Shared,
    database: Database,
    subscriber: Subscriber,
    session: String,
}

/// Why there is no session.
enum NoSession {
    /// The client is told by a close frame.
    Told(Message, Option<Code>),
    /// The client has left.
    Gone,
}

impl Connection {
    async fn serve(self, mut sink: SplitSink<Socket, Message>, mut stream: SplitStream<Socket>) {
        let metrics = self.shared.metrics.clone();
        match self.hello(&mut stream).await {
            Ok(()) => self.converse(&mut sink, &mut stream).await,
            Err(NoSession::Told(close, code)) => {
                code.into_iter().for_each(|code| metrics.told(code));
                // Where it does not get through there is nobody to tell.
                let _ = timeout(CLOSE_PATIENCE, sink.send(close)).await;
            }
            Err(NoSession::Gone) => {}
        }
        // Closing a socket with unread bytes would reset it, and the close frame be lost.
        let _ = timeout(CLOSE_PATIENCE, async {
            while stream.next().await.is_some() {}
            if let Ok(mut socket) = sink.reunite(stream) {
                read_off(socket.get_mut()).await;
            }
        })
        .await;
        debug!("closed");
    }

    /// Waits for the client's first message.
    async fn hello(&self, stream: &mut SplitStream<Socket>) -> Result<(), NoSession> {
        let patience = Duration::from_millis(self.shared.config.hello_timeout_ms);
        let draining = self.shared.tasks.draining();
        let first = tokio::select! {
            first = timeout(patience, first_message(stream)) => first,
            () = draining.cancelled() => {
                let why = WireError::new(Code::Unavailable, "the server is shutting down");
                return Err(refuse(&why));
            }
        };
        let Ok(message) = first else {
            let close = close(CLOSE_NO_HELLO, "no hello in time");
            return Err(NoSession::Told(close, None));
        };
        match ClientMessage::parse(message?.as_bytes()) {
            Ok(ClientMessage::Hello(hello)) => {
                debug!(client = hello.client.as_deref(), "hello");
                Ok(())
            }
            Ok(_) => Err(refuse(&WireError::invalid_argument(
                "the first message must be hello",
            ))),
            Err(RequestError { error, .. }) => Err(refuse(&error)),
        }
    }

    async fn converse(
        self,
        sink: &mut SplitSink<Socket, Message>,
        stream: &mut SplitStream<Socket>,
    ) {
        let (mut outbox, taker) = outbox(self.shared.outbox_limits());
        let config = &self.shared.config;
        let dead_after = Some(Duration::from_millis(config.dead_after_ms));
        let terms = Terms {
            dead_after,
            ..self.shared.terms(self.subscriber)
        };
        if self.welcome(&mut outbox).await.is_err() {
            return;
        }
        let database = self.database.clone();
        let metrics = self.shared.metrics.clone();
        let commands = stream.map(|received| requests::command(received, &database, &metrics));
        let commands = commands.chain(stream::once(async { Command::Gone })).fuse();
        let session = Session::new(WebSocketFraming, outbox, self.database, terms);
        let taker = taker.polled_after_the_session();
        tokio::join!(biased; session.run(commands), write(sink, taker, &metrics));
    }

    async fn welcome(
        &self,
        outbox: &mut Outbox<Message>,
    ) -> Result<(), crate::session::OutboxError> {
        let config = &self.shared.config;
        let welcome = text(reply::welcome(&Welcome {
            session: self.session.clone(),
            epoch: self.database.epoch(),
            seq: self.database.visible(),
            heartbeat_ms: config.heartbeat_ms,
            features: Vec::new(),
            limits: WelcomeLimits {
                message_bytes: u64::try_from(REQUEST_BYTES_MAX).unwrap_or(u64::MAX),
                subscriptions: config.subscriptions_max.into(),
            },
        }));
        outbox.put(welcome.frame, welcome.bytes).await.map(drop)
    }
}

/// Takes what the client is still sending. After an error such as a message that is too large the
/// library reads no more, and gives no more messages, while the client may be in the middle of it.
async fn read_off(socket: &mut listener::Socket<TcpStream>) {
    if socket.shutdown().await.is_ok() {
        // However it ends, the connection has ended.
        let _ = tokio::io::copy(socket, &mut tokio::io::sink()).await;
    }
}

fn close_for(why: &WireError) -> Message {
    let frames = WebSocketFraming.farewell(why, None);
    frames
        .into_iter()
        .next_back()
        .map_or(Message::Close(None), |framed| framed.frame)
}

fn refuse(why: &WireError) -> NoSession {
    NoSession::Told(close_for(why), Some(why.code))
}

/// The first text message; pings are none.
async fn first_message(stream: &mut SplitStream<Socket>) -> Result<Utf8Bytes, NoSession> {
    while let Some(received) = stream.next().await {
        match received {
            Ok(Message::Text(text)) => return Ok(text),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Ok(Message::Close(_)) => return Err(NoSession::Gone),
            Ok(Message::Binary(_)) => return Err(refuse(&requests::not_text())),
            Err(error) => {
                return Err(requests::why(&error).map_or(NoSession::Gone, |why| refuse(&why)));
            }
        }
    }
    Err(NoSession::Gone)
}

/// Writes frames until the session has no more, or the client takes none.
async fn write(
    sink: &mut SplitSink<Socket, Message>,
    mut taker: Taker<Message>,
    metrics: &Metrics,
) {
    while let Some(frame) = taker.take().await {
        match write_all(sink, frame, &mut taker).await {
            Ok(More::Later) => {}
            Ok(More::Never) => return,
            Err(error) => {
                debug!(%error, "a frame was not written");
                // The session ends with its taker; a client that wakes up before another write
                // has stalled learns why.
                drop(taker);
                if is_stall(&error) {
                    let why = WireError::new(Code::Slow, "the client reads too slowly");
                    metrics.told(why.code);
                    let _ = sink.send(close_for(&why)).await;
                }
                return;
            }
        }
    }
}

/// Whether there is more to write.
enum More {
    Later,
    Never,
}

/// Writes a frame and those that wait behind it, with as few system calls as can be.
async fn write_all(
    sink: &mut SplitSink<Socket, Message>,
    first: Message,
    taker: &mut Taker<Message>,
) -> Result<More, Error> {
    let mut next = Some(first);
    while let Some(frame) = next {
        let is_last = matches!(frame, Message::Close(_));
        sink.feed(frame).await?;
        if is_last {
            sink.flush().await?;
            return Ok(More::Never);
        }
        next = taker.take_now();
    }
    sink.flush().await?;
    Ok(More::Later)
}

fn is_stall(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}
