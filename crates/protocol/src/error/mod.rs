//! The error table, and an error's form on each transport.

mod code;
mod convert;
mod problem;
mod status;
mod wire;

pub use code::{Code, Retry, UnknownName};
pub use wire::WireError;
