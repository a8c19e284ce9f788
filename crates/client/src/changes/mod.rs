//! The change feed.

mod assembly;
mod builder;
mod event;
mod stream;

pub use builder::ChangesBuilder;
pub use event::{ChangeEvent, Commit, Snapshot};
pub use stream::Changes;
