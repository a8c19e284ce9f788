//! Wellspring's server: one port for HTTP, WebSocket, gRPC and gRPC-web.

pub mod config;

mod listener;
mod origin;
mod session;
mod tasks;
