//! Index of the tests over real processes, real kills and real files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests and their helpers"
)]

mod damage;
mod golden_directories;
mod hops;
mod kills;
mod real;
mod server_kills;
