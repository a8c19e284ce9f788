//! What metrics are told apart by. Every label has few values: none is made of what a client
//! sends, so that no client can make a server remember series without end.

use prometheus_client::encoding::EncodeLabelSet;
use wellspring_protocol::error::Code;

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    Http,
    Grpc,
    WebSocket,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Route {
    /// One document.
    Get,
    /// A collection.
    List,
    /// A change of one document.
    Write,
    Commit,
    Query,
    /// The versions of one document.
    History,
    /// Which collections there are.
    Collections,
    /// Which consumers there are, or the end of one.
    Consumers,
    /// An acknowledgement of what a consumer was sent.
    Ack,
    /// A page of the feed. It may wait for one.
    Poll,
    /// A subscription; served once it is accepted.
    Subscribe,
    /// A WebSocket; served once it is open.
    Connect,
    Health,
    Other,
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    WebSocket,
    /// Whatever is spoken on the port for operators.
    Admin,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Served,
    Failed(Code),
}

impl Transport {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Transport::Http => "http",
            Transport::Grpc => "grpc",
            Transport::WebSocket => "websocket",
        }
    }
}

impl Route {
    /// Of an HTTP request, by its path and method.
    pub(crate) fn of_http(method: &http::Method, path: &str, is_stream: bool) -> Route {
        let is_read = matches!(*method, http::Method::GET | http::Method::HEAD);
        if let Some(document) = path.strip_prefix("/v1/documents/") {
            return match (is_read, document.split('/').count() % 2) {
                (false, _) => Route::Write,
                (true, 0) => Route::Get,
                (true, _) => Route::List,
            };
        }
        match path {
            "/v1/commit" => Route::Commit,
            "/v1/query" => Route::Query,
            "/v1/collections" => Route::Collections,
            "/v1/ack" => Route::Ack,
            "/v1/consumers" => Route::Consumers,
            "/v1/changes" if is_stream => Route::Subscribe,
            "/v1/changes" => Route::Poll,
            "/v1/ws" => Route::Connect,
            "/healthz" | "/readyz" => Route::Health,
            _ if path.starts_with("/v1/history/") => Route::History,
            _ if path.starts_with("/v1/consumers/") => Route::Consumers,
            _ if path.starts_with("/v1/changes/") && is_stream => Route::Subscribe,
            _ if path.starts_with("/v1/changes/") => Route::Poll,
            _ => Route::Other,
        }
    }

    /// Of a gRPC request, by its path: service and method.
    pub(crate) fn of_grpc(path: &str) -> Route {
        match path {
            "/wellspring.v1.Documents/GetDocument" => Route::Get,
            "/wellspring.v1.Documents/GetHistory" => Route::History,
            "/wellspring.v1.Documents/ListDocuments" => Route::List,
            "/wellspring.v1.Documents/ListCollections" => Route::Collections,
            "/wellspring.v1.Documents/CreateDocument"
            | "/wellspring.v1.Documents/UpdateDocument"
            | "/wellspring.v1.Documents/DeleteDocument" => Route::Write,
            "/wellspring.v1.Documents/Commit" => Route::Commit,
            "/wellspring.v1.Documents/Query" => Route::Query,
            "/wellspring.v1.Changes/Subscribe" => Route::Subscribe,
            "/wellspring.v1.Consumers/Acknowledge" => Route::Ack,
            "/wellspring.v1.Consumers/ListConsumers"
            | "/wellspring.v1.Consumers/DeleteConsumer" => Route::Consumers,
            _ if path.starts_with("/grpc.health.v1.Health/") => Route::Health,
            _ => Route::Other,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Route::Get => "get",
            Route::List => "list",
            Route::Write => "write",
            Route::Commit => "commit",
            Route::Query => "query",
            Route::History => "history",
            Route::Collections => "collections",
            Route::Consumers => "consumers",
            Route::Ack => "ack",
            Route::Poll => "poll",
            Route::Subscribe => "subscribe",
            Route::Connect => "connect",
            Route::Health => "health",
            Route::Other => "other",
        }
    }
}

impl Protocol {
    pub(super) const ALL: [Protocol; 4] = [
        Protocol::Http1,
        Protocol::Http2,
        Protocol::WebSocket,
        Protocol::Admin,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Protocol::Http1 => "http1",
            Protocol::Http2 => "http2",
            Protocol::WebSocket => "websocket",
            Protocol::Admin => "admin",
        }
    }
}

impl Outcome {
    /// Of an HTTP response; what it was made of is among its extensions.
    pub(crate) fn of<B>(response: &http::Response<B>) -> Outcome {
        match response.extensions().get::<Code>() {
            Some(code) => Outcome::Failed(*code),
            None => Outcome::Served,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Outcome::Served => "ok",
            Outcome::Failed(code) => code.as_str(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) transport: &'static str,
    pub(super) route: &'static str,
    pub(super) code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    pub(super) transport: &'static str,
    pub(super) route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CodeLabel {
    pub(super) code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ProtocolLabel {
    pub(super) protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BuildLabels {
    pub(super) version: &'static str,
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn a_path_tells_what_a_request_asks_for() {
        let route = |method, path| Route::of_http(&method, path, false);
        assert_eq!(route(Method::GET, "/v1/documents/rooms/1"), Route::Get);
        assert_eq!(route(Method::GET, "/v1/documents/rooms"), Route::List);
        assert_eq!(route(Method::PUT, "/v1/documents/rooms/1"), Route::Write);
        assert_eq!(route(Method::POST, "/v1/documents/rooms"), Route::Write);
        assert_eq!(route(Method::GET, "/v1/history/rooms/1"), Route::History);
        assert_eq!(route(Method::GET, "/v1/changes/rooms"), Route::Poll);
        assert_eq!(route(Method::GET, "/v1/changes"), Route::Poll);
        assert_eq!(route(Method::GET, "/v1/collections"), Route::Collections);
        assert_eq!(route(Method::DELETE, "/v1/consumers/a"), Route::Consumers);
        assert_eq!(route(Method::POST, "/v1/ack"), Route::Ack);
        assert_eq!(route(Method::GET, "/v1/whatever/else"), Route::Other);
        let stream = Route::of_http(&Method::GET, "/v1/changes/rooms", true);
        assert_eq!(stream, Route::Subscribe);
    }

    #[test]
    fn a_client_cannot_make_a_label() {
        for path in ["/wellspring.v1.Documents/Evil", "/a.b/c", ""] {
            assert_eq!(Route::of_grpc(path), Route::Other);
        }
    }
}
