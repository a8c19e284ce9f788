//! The wire, through its public surface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail so"
)]

mod docs;
mod errors;
mod examples;
mod grpc_feed;
mod grpc_requests;
mod grpc_service;
mod hostile;
mod refusals;
mod round_trip;
mod samples;
mod splitting;
mod strict;
mod written;
