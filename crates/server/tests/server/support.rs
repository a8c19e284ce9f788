//! A server on ports of its own, and small clients.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use wellspring_server::config::{Config, Overrides, Sources};
use wellspring_server::{Addresses, RunError, Server};
use wellspring_types::{Value, json};

/// Longest that a test waits for something that should happen at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct TestServer {
    pub(crate) addresses: Addresses,
    directory: Option<TempDir>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<Result<(), RunError>>>,
}

impl TestServer {
    pub(crate) async fn start() -> TestServer {
        TestServer::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Overrides)) -> TestServer {
        TestServer::start_in(tempfile::tempdir().unwrap(), change).await
    }

    pub(crate) async fn start_in(
        directory: TempDir,
        change: impl FnOnce(&mut Overrides),
    ) -> TestServer {
        let server = TestServer::begin(directory, change).await;
        server.until_ready().await;
        server
    }

    /// Starts without waiting for the database.
    async fn begin(directory: TempDir, change: impl FnOnce(&mut Overrides)) -> TestServer {
        TestServer::begin_with(directory, change, |server| server).await
    }

    /// Starts a server that `prepare` has had, without waiting for the database.
    pub(crate) async fn begin_with(
        directory: TempDir,
        change: impl FnOnce(&mut Overrides),
        prepare: impl FnOnce(Server) -> Server,
    ) -> TestServer {
        let mut overrides = Overrides::default();
        overrides.dev = Some(true);
        overrides.listen = Some("127.0.0.1:0".parse().unwrap());
        overrides.admin = Some("127.0.0.1:0".parse().unwrap());
        overrides.data = Some(directory.path().join("data"));
        overrides.reserve_bytes = Some(1);
        change(&mut overrides);
        let sources = Sources {
            overrides,
            ..Sources::default()
        };
        let server = Server::bind(Config::load(sources).unwrap()).await.unwrap();
        let server = prepare(server);
        let addresses = server.addresses();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::task::spawn(server.run(async {
            stopped.await.ok();
        }));
        let (directory, stop, running) = (Some(directory), Some(stop), Some(running));
        TestServer {
            addresses,
            directory,
            stop,
            running,
        }
    }

    /// Why a server with this data does not start.
    pub(crate) async fn fail_in(data: &std::path::Path) -> String {
        let mut overrides = Overrides::default();
        overrides.dev = Some(true);
        overrides.listen = Some("127.0.0.1:0".parse().unwrap());
        overrides.admin = Some("127.0.0.1:0".parse().unwrap());
        overrides.data = Some(data.to_owned());
        let config = Config::load(Sources {
            overrides,
            ..Sources::default()
        })
        .unwrap();
        let run = wellspring_server::run(config, std::future::pending());
        let ended = tokio::time::timeout(PATIENCE, run).await.expect("it ends");
        ended.unwrap_err().to_string()
    }

    async fn until_ready(&self) {
        let ready = async {
            while self.get("/readyz").await.status != StatusCode::OK {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("the server becomes ready");
    }

    /// Tells the server to stop, and goes on.
    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops and gives back the directory, so that another server may go on with it.
    pub(crate) async fn stop(mut self) -> TempDir {
        self.tell_to_stop();
        let running = self.running.take().unwrap();
        let ended = tokio::time::timeout(PATIENCE, running)
            .await
            .expect("the server stops");
        ended.unwrap().unwrap();
        self.directory.take().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses.clients
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, "")).await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        self.send(request(Method::PUT, path, body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(request(Method::POST, path, body)).await
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        Answer::of(open(self.addresses.clients, request).await).await
    }

    /// Asks the port for operators.
    pub(crate) async fn ask_admin(&self, request: Request<Full<Bytes>>) -> Answer {
        Answer::of(open(self.addresses.admin, request).await).await
    }

    /// Sends a request and gives the response before its body.
    pub(crate) async fn open(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        open(self.addresses.clients, request).await
    }

    pub(crate) async fn websocket(&self) -> Socket {
        let mut socket = self.raw_websocket().await;
        socket.say(r#"{"type":"hello"}"#).await;
        assert_eq!(text(&socket.hear().await, "type"), "welcome");
        socket
    }

    pub(crate) async fn raw_websocket(&self) -> Socket {
        let url = format!("ws://{}/v1/ws", self.address());
        Socket(connect_async(url).await.unwrap().0)
    }
}

pub(crate) async fn open(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn(connection);
    let response = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
    response.expect("a response comes").unwrap()
}

pub(crate) fn request(method: Method, path: &str, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from(body.to_owned()));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    request
        .headers_mut()
        .insert("host", "localhost".parse().unwrap());
    if !body.is_empty() {
        request
            .headers_mut()
            .insert("content-type", "application/json".parse().unwrap());
    }
    request
}

pub(crate) fn with(
    mut request: Request<Full<Bytes>>,
    name: &'static str,
    value: &str,
) -> Request<Full<Bytes>> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    async fn of(response: Response<Incoming>) -> Answer {
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect())
            .await
            .expect("the body ends");
        let body = String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) fn json(&self) -> Value {
        parse(&self.body)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The status and code of a problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let json = self.json();
        assert_eq!(number(&json, "status"), u64::from(self.status.as_u16()));
        (self.status.as_u16(), text(&json, "code").to_owned())
    }
}

pub(crate) fn parse(text: &str) -> Value {
    json::parse_message(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    let found = value.as_object().and_then(|object| object.get(name));
    found.unwrap_or_else(|| panic!("no {name} in {}", value.to_text()))
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    field(value, name).as_str().unwrap()
}

pub(crate) fn number(value: &Value, name: &str) -> u64 {
    field(value, name)
        .as_number()
        .and_then(|number| number.as_u64())
        .unwrap()
}

pub(crate) fn elements<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    field(value, name).as_array().unwrap()
}

pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn say(&mut self, message: &str) {
        self.0.send(Message::text(message)).await.unwrap();
    }

    /// The next JSON message.
    pub(crate) async fn hear(&mut self) -> Value {
        match self.hear_any().await {
            Message::Text(message) => parse(&message),
            other => panic!("not a text message: {other:?}"),
        }
    }

    /// The next message of this type; earlier ones are passed over.
    pub(crate) async fn hear_type(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().await;
            if text(&message, "type") == kind {
                return message;
            }
        }
    }

    /// The code that the server closes with; earlier messages are passed over.
    pub(crate) async fn hear_close(&mut self) -> u16 {
        loop {
            if let Message::Close(close) = self.hear_any().await {
                return close.unwrap().code.into();
            }
        }
    }

    async fn hear_any(&mut self) -> Message {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await;
            match message
                .expect("a message comes")
                .expect("the connection is open")
                .unwrap()
            {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }
}

/// A body that is read line by line.
pub(crate) struct Lines {
    body: Incoming,
    unread: String,
}

impl Lines {
    pub(crate) fn of(response: Response<Incoming>) -> Lines {
        assert_eq!(response.status(), StatusCode::OK);
        Lines {
            body: response.into_body(),
            unread: String::new(),
        }
    }

    /// The next line without its end; `None` at the end of the body.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.find('\n') {
                let rest = self.unread.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.unread, rest);
                line.pop();
                return Some(line);
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
            let frame = frame.expect("something comes")?.unwrap();
            if let Ok(data) = frame.into_data() {
                self.unread.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }

    /// The next line of JSON.
    pub(crate) async fn message(&mut self) -> Value {
        parse(&self.next().await.expect("the stream goes on"))
    }

    /// The next event: its id and its message. Comments are passed over.
    pub(crate) async fn event(&mut self) -> (Option<String>, Value) {
        let mut id = None;
        loop {
            let line = self.next().await.expect("the stream goes on");
            if let Some(data) = line.strip_prefix("data: ") {
                return (id, parse(data));
            }
            assert!(
                !line.starts_with("event:"),
                "onmessage takes events without a name"
            );
            if let Some(token) = line.strip_prefix("id: ") {
                id = Some(token.to_owned());
            }
        }
    }
}
