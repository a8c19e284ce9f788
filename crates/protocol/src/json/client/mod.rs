//! The client's side: requests are written, the server's messages are read leniently. What a
//! newer server adds is passed over.

mod answer;
mod feed;
mod lenient;
mod write;

pub use answer::{Answer, ServerMessage};
pub use feed::{FeedPart, ReceivedCommit};
pub use lenient::ReadError;
pub use write::write;
