//! Tests over real sockets: see `main.rs` for the index.
