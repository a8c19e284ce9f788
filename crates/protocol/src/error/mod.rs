//! The error table, and an error's form on each transport.

mod code;
mod convert;
mod problem;
mod retry;
mod status;
mod wire;

pub use code::{Code, UnknownName};
pub use retry::Retry;
pub use wire::WireError;
