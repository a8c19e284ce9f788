//! The checker on real histories: recorded from the engine and from a server, with writers, readers
//! and subscriptions of many kinds.

mod engine;
mod server;
