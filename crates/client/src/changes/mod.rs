//! The change feed.

mod assembly;
mod builder;
mod consumer;
mod event;
mod stream;

pub use builder::{ChangesBuilder, ConsumerBuilder};
pub use consumer::Consumer;
pub use event::{ChangeEvent, Commit, Differences, Snapshot};
pub use stream::Changes;
