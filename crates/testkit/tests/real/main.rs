//! The checker on real histories: recorded from the engine and from a server, with writers, readers
//! and subscriptions of many kinds. The index of its tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test helpers"
)]

mod engine;
mod grpc;
mod scene;
mod server;
mod transports;
mod writers;
