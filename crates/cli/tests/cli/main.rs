//! The program, run as people and scripts run it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the clippy settings for tests do not reach the helpers of integration tests"
)]

mod support;

mod backups;
mod bulk;
mod documents;
mod program;
mod soak;
mod supervision;
mod tail;
mod verify;
mod whole;
