//! One session of a subscription over each transport, by small clients. Each takes a server that
//! dies in the middle of anything for the end of the session.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tonic::Streaming;
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::client::{FeedPart, ServerMessage, write};
use wellspring_protocol::json::{ClientMessage, Hello};
use wellspring_protocol::pb;
use wellspring_types::feed::{From, SubscribeRequest};
use wellspring_types::{ResumeToken, Value, json};

use crate::grpc;

/// Longest that anything may take that should be there at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A way of subscribing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket.
    WebSocket,
    /// A gRPC stream.
    Grpc,
    /// Server-sent events.
    Sse,
    /// A stream of JSON lines.
    NdJson,
    /// Polling.
    Poll,
    /// Polling that waits for something to come.
    LongPoll,
}

impl Transport {
    /// All of them.
    pub const ALL: &[Transport] = &[
        Transport::WebSocket,
        Transport::Grpc,
        Transport::Sse,
        Transport::NdJson,
        Transport::Poll,
        Transport::LongPoll,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::WebSocket => "websocket",
            Transport::Grpc => "grpc",
            Transport::Sse => "sse",
            Transport::NdJson => "ndjson",
            Transport::Poll => "poll",
            Transport::LongPoll => "longpoll",
        }
    }
}

/// What a session gives.
pub(crate) enum Got {
    Part(FeedPart),
    /// The server ended it, with this code.
    Ended(String),
    /// A page is over; the next goes on after this token.
    Page(ResumeToken),
    /// The connection is over.
    Nothing,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) enum Session {
    WebSocket(Box<Socket>),
    Grpc(Box<Streaming<pb::SubscribeResponse>>),
    /// With the id of the event that is being read.
    Events(BufReader<TcpStream>, Option<ResumeToken>),
    Lines(BufReader<TcpStream>),
    Page(std::vec::IntoIter<Got>),
}

/// Asks for a session; `None` where the server does not answer any more.
pub(crate) async fn open(
    server: SocketAddr,
    transport: Transport,
    request: &SubscribeRequest,
) -> Option<Session> {
    match transport {
        Transport::WebSocket => {
            let url = format!("ws://{server}/v1/ws");
            let (mut socket, _) = connect_async(url).await.ok()?;
            let subscribe = ClientMessage::Subscribe {
                id: "s".to_owned(),
                request: request.clone(),
            };
            for message in [ClientMessage::Hello(Hello::default()), subscribe] {
                socket.send(Message::text(write(&message))).await.ok()?;
            }
            Some(Session::WebSocket(Box::new(socket)))
        }
        Transport::Grpc => {
            let stream = grpc::subscribe(server, request).await?;
            Some(Session::Grpc(Box::new(stream)))
        }
        Transport::Sse => {
            // As an EventSource does that reconnects: the URL stays, and the header outranks it.
            let stays = SubscribeRequest {
                from: From::Now,
                ..request.clone()
            };
            let (request, headers) = match &request.from {
                From::Token(token) => (&stays, format!("Last-Event-ID: {token}\r\n")),
                _ => (request, String::new()),
            };
            let headers = format!("Accept: text/event-stream\r\n{headers}");
            let stream = get(server, &target(request, ""), &headers).await?;
            Some(Session::Events(stream, None))
        }
        Transport::NdJson => {
            let accept = "Accept: application/x-ndjson\r\n";
            let stream = get(server, &target(request, ""), accept).await?;
            Some(Session::Lines(stream))
        }
        Transport::Poll | Transport::LongPoll => {
            let wait = if transport == Transport::Poll {
                "0"
            } else {
                "1s"
            };
            let target = target(request, &format!("&wait={wait}"));
            let (status, mut stream) =
                answer(server, &target, "Accept: application/json\r\n").await?;
            let mut body = String::new();
            stream.read_to_string(&mut body).await.ok()?;
            let page = if status == 410 {
                // A page has no reset: the poll itself is refused.
                let refusal = WireError::from_problem_json(body.as_bytes())?;
                vec![Got::Ended(refusal.code.to_string())]
            } else {
                assert_eq!(status, 200, "{target}: {body}");
                parse_page(&body)?
            };
            Some(Session::Page(page.into_iter()))
        }
    }
}

impl Session {
    pub(crate) async fn next(&mut self) -> Got {
        loop {
            let got = match self {
                Session::WebSocket(socket) => match socket.next().await {
                    Some(Ok(Message::Text(text))) => parse(&text),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
                    _ => Some(Got::Nothing),
                },
                Session::Grpc(stream) => match stream.message().await {
                    Ok(Some(response)) => Some(grpc::got(response)),
                    _ => Some(Got::Nothing),
                },
                Session::Events(stream, id) => match line(stream).await {
                    Some(line) => event_line(&line, id),
                    None => Some(Got::Nothing),
                },
                Session::Lines(stream) => match line(stream).await {
                    Some(line) => parse(&line),
                    None => Some(Got::Nothing),
                },
                Session::Page(page) => Some(page.next().unwrap_or(Got::Nothing)),
            };
            if let Some(got) = got {
                return got;
            }
        }
    }
}

/// What the line of an event says. The event's id is its message's token, and there is none where
/// the message has none.
fn event_line(line: &str, id: &mut Option<ResumeToken>) -> Option<Got> {
    if let Some(token) = line.strip_prefix("id: ") {
        *id = Some(ResumeToken::new(token));
    }
    let got = parse(line.strip_prefix("data: ")?);
    if let Some(Got::Part(part)) = &got {
        assert_eq!(token_of(part), id.as_ref(), "the event's id");
    }
    *id = None;
    got
}

pub(crate) fn token_of(part: &FeedPart) -> Option<&ResumeToken> {
    match part {
        FeedPart::Subscribed { token, .. }
        | FeedPart::Snapshot { token, .. }
        | FeedPart::Changes { token, .. } => token.as_ref(),
        FeedPart::Current { token, .. } | FeedPart::Checkpoint { token, .. } => Some(token),
        FeedPart::Reset { .. } => None,
    }
}

/// A message; `None` where it is not of the subscription.
fn parse(text: &str) -> Option<Got> {
    match ServerMessage::parse(text.as_bytes()).unwrap() {
        ServerMessage::Feed { part, .. } => Some(Got::Part(part)),
        ServerMessage::Ended { error, .. } => Some(Got::Ended(error.code.to_string())),
        // It opens its database, or is going down.
        ServerMessage::Error { error, .. } if error.code == Code::Unavailable => Some(Got::Nothing),
        ServerMessage::Error { error, .. } => panic!("refused: {error}"),
        _ => None,
    }
}

/// A page's messages, then its token; `None` where the body ends early, with the server.
fn parse_page(body: &str) -> Option<Vec<Got>> {
    let value = json::parse_message(body.as_bytes()).ok()?;
    let page = value.as_object()?;
    let messages = page.get("messages")?.as_array()?.iter();
    let mut page_of: Vec<Got> = messages.filter_map(|m| parse(&m.to_text())).collect();
    let token = page.get("token").and_then(Value::as_str)?;
    page_of.push(Got::Page(ResumeToken::new(token)));
    Some(page_of)
}

fn target(request: &SubscribeRequest, more: &str) -> String {
    let mut target = format!("/v1/changes/{}?", request.collections);
    match &request.from {
        From::Now => target += "from=now",
        From::Snapshot => target += "from=snapshot",
        From::Beginning => target += "from=beginning",
        From::Token(token) => target += &format!("after={token}"),
        From::Time(time) => target += &format!("time={time}"),
    }
    if let Some(filter) = &request.view.filter {
        let bytes = filter.canonical().bytes();
        let encoded: String = bytes.map(|byte| format!("%{byte:02x}")).collect();
        target += &format!("&where={encoded}");
    }
    if let Some(select) = &request.view.select {
        let fields: Vec<_> = select.fields().iter().map(ToString::to_string).collect();
        target += &format!("&select={}", fields.join(","));
    }
    if request.view.old {
        target += "&old=true";
    }
    if request.view.patch {
        target += "&patch=true";
    }
    if request.conflate {
        target += "&conflate=true";
    }
    if let Some(of) = &request.consumer {
        let (name, unacked_max, timeout) = (&of.name, of.unacked_max, of.ack_timeout_ms);
        target += &format!("&consumer={name}&unacked_max={unacked_max}&ack_timeout_ms={timeout}");
    }
    target + more
}

/// The body of an answer that can only be a good one.
async fn get(server: SocketAddr, target: &str, headers: &str) -> Option<BufReader<TcpStream>> {
    let (status, body) = answer(server, target, headers).await?;
    assert_eq!(status, 200, "{target}");
    Some(body)
}

/// An answer's status and its body. HTTP/1.0, so that it comes as it is, and ends with the
/// connection.
async fn answer(
    server: SocketAddr,
    target: &str,
    headers: &str,
) -> Option<(u16, BufReader<TcpStream>)> {
    ask(server, &format!("GET {target} HTTP/1.0\r\n{headers}"), "").await
}

/// The same of any request, which begins with `head`.
async fn ask(server: SocketAddr, head: &str, body: &str) -> Option<(u16, BufReader<TcpStream>)> {
    let mut stream = TcpStream::connect(server).await.ok()?;
    let request = format!("{head}Host: localhost\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut stream = BufReader::new(stream);
    let status = line(&mut stream).await?;
    let status = status.split(' ').nth(1)?.parse().ok()?;
    while !line(&mut stream).await?.is_empty() {}
    // 503: it opens its database, or is going down.
    (status != 503).then_some((status, stream))
}

/// The whole answer to a request over HTTP: its status and its text. `None` where there is none, or
/// the server opens its database or is going down.
pub(crate) async fn exchange(
    server: SocketAddr,
    method_and_target: &str,
    body: &str,
) -> Option<(u16, String)> {
    let length = body.len();
    let head = format!(
        "{method_and_target} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    );
    let (status, mut answer) = ask(server, &head, body).await?;
    let mut text = String::new();
    answer.read_to_string(&mut text).await.ok()?;
    Some((status, text))
}

/// The next line, if it is whole: one without its end was cut by the server's.
async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let line = line.strip_suffix('\n')?;
    Some(line.trim_end_matches('\r').to_owned())
}
