//! JSON messages: requests are read strictly, answers and feeds are written; and for the client
//! the mirror of both.

pub mod client;
pub mod consumers;
pub mod feed;
pub mod reply;

mod changes;
mod commit;
mod fields;
mod message;
mod query;
mod recover;
mod subscribe;
mod text;

pub use changes::JsonChanges;
pub use commit::parse_commit;
pub use message::{ClientMessage, Hello, RequestError};
pub use query::parse_query;
