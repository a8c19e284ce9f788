//! The checker of histories, checked. The index of its tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test helpers"
)]

mod command;
mod files;
mod generate;
mod generated;
mod input;
mod mutate;
mod recording;
