//! The change feed.

mod assembly;
mod builder;
mod event;
mod stream;

pub use builder::ChangesBuilder;
pub use event::{ChangeEvent, Commit, Differences, Snapshot};
pub use stream::Changes;
