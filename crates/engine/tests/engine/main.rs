//! Behaviour of the engine through its public surface. The index of its tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test helpers"
)]

mod common;

mod backups;
mod commits;
mod faults;
mod feeds;
mod filters;
mod floors;
mod known;
mod model;
mod queries;
mod reopening;
mod retention;
mod snapshots;
mod statistics;
