//! What the tests over real processes share: the server as a process that can be killed, clients
//! of every transport that go on through its deaths, and the history of what they saw.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test helpers"
)]

mod followers;
pub mod golden;
mod grpc;
pub mod process;
pub mod readers;
pub mod scene;
pub mod server;
pub mod store_loss;
mod transports;
mod workers;
pub mod writers;

pub use followers::Follower;
pub use transports::{PATIENCE, Transport};
pub use workers::{Group, Worker};
