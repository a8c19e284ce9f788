//! Behaviour of the engine through its public surface. The index of its tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test helpers"
)]

mod common;

mod backups;
mod collections;
mod commits;
mod conflate;
mod consumers;
mod faults;
mod feeds;
mod filters;
mod floors;
mod herd;
mod history;
mod known;
mod model;
mod past;
mod past_model;
mod queries;
mod reopening;
mod retention;
mod several;
mod snapshots;
mod statistics;
mod views;
mod written;
