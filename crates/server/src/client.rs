//! Who is at the other end of a connection.

use std::net::SocketAddr;

use wellspring_engine::Subscriber;

/// The address that a request's connection comes from; among the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// How changes go out: what subscriptions are told apart by.
pub(crate) const SUBSCRIPTION_TRANSPORTS: [&str; 5] = [WEBSOCKET, GRPC, EVENTS, LINES, POLL];

pub(crate) const WEBSOCKET: &str = "websocket";
pub(crate) const GRPC: &str = "grpc";
pub(crate) const EVENTS: &str = "sse";
pub(crate) const LINES: &str = "ndjson";
pub(crate) const POLL: &str = "poll";

/// Whom a subscription of a request serves.
pub(crate) fn subscriber(transport: &'static str, extensions: &http::Extensions) -> Subscriber {
    let peer = extensions.get::<Peer>().map(|peer| peer.0);
    Subscriber { transport, peer }
}
