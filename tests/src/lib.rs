//! What the tests over real processes share. `main.rs` is the index of the tests.

pub mod random;
pub mod workload;
