//! The server over real sockets. Each module is one transport or one concern.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, helpers included; its runtime owns its tasks"
)]

mod admin;
mod collections;
mod consumers;
mod crowd;
mod feed;
mod floors;
mod grpc;
mod hostile;
mod life;
mod log_level;
mod metrics;
mod origins;
mod past;
mod rest;
mod slow;
mod support;
mod together;
mod websocket;
