//! What a session says and is told, whatever the transport.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use wellspring_protocol::error::WireError;
use wellspring_types::ResumeToken;
use wellspring_types::feed::{ChangesWriter, FeedMessage, SubscribeRequest, WrittenChanges};

use super::Answer;

/// A frame on its way to the client, and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Framed<F> {
    pub(crate) frame: F,
    pub(crate) bytes: usize,
}

/// How a transport writes what a session says.
pub(crate) trait Framing: Send + 'static {
    /// What the transport sends as one.
    type Frame: Send + 'static;

    /// A message of the subscription `id`; in several frames where it is too large for one.
    fn feed(&self, id: &str, message: &FeedMessage) -> Vec<Framed<Self::Frame>>;

    /// Writes messages of the subscription `id` in place of [`feed`](Framing::feed), where the
    /// transport sends text.
    fn writer(&self, _id: &str) -> Option<Arc<dyn ChangesWriter>> {
        None
    }

    /// What the writer has written.
    fn written(&self, changes: WrittenChanges) -> Vec<Framed<Self::Frame>>;

    /// The end of the subscription `id`, and from where to go on.
    fn ended(
        &self,
        id: &str,
        why: &WireError,
        from: Option<&ResumeToken>,
    ) -> Vec<Framed<Self::Frame>>;

    /// A request that failed; its `id` may be that of a subscription that goes on.
    fn refused(&self, id: &str, why: &WireError) -> Vec<Framed<Self::Frame>> {
        self.ended(id, why, None)
    }

    /// The end of the whole session; `from` is where its only subscription would go on.
    fn farewell(&self, why: &WireError, from: Option<&ResumeToken>) -> Vec<Framed<Self::Frame>> {
        self.ended("", why, from)
    }

    /// What shows now and then that the connection is alive.
    fn beat(&self) -> Option<Framed<Self::Frame>> {
        None
    }
}

/// What a client says to its session.
pub(crate) enum Command<F> {
    /// Begin a subscription.
    Subscribe(Box<str>, Box<SubscribeRequest>),
    /// End a subscription; the frame says that it is done.
    Unsubscribe(Box<str>, Framed<F>),
    /// Answer a request.
    Request(BoxFuture<'static, Answer<F>>),
    /// Say this.
    Reply(Framed<F>),
    /// The client is alive.
    Alive,
    /// End the session, saying why.
    Leave(WireError),
    /// The client has left.
    Gone,
}
