//! `/v1/ws`: JSON messages over a WebSocket (RFC 6455). This module alone knows the library.

mod connection;
mod framing;
mod handshake;
mod requests;

pub(crate) use handshake::upgrade;
