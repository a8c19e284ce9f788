//! What a session says, as messages of a gRPC stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use prost::Message;
use tonic::Status;
use wellspring_protocol::error::WireError;
use wellspring_protocol::pb::{ContentForm, SubscribeResponse, feed};
use wellspring_types::ResumeToken;
use wellspring_types::feed::{FeedMessage, WrittenChanges};

use crate::session::{Framed, Framing, Taker};

type Frame = Result<SubscribeResponse, Status>;

/// Frames of a gRPC session, with documents in the form that the request asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrpcFraming(pub(super) ContentForm);

impl Framing for GrpcFraming {
    type Frame = Frame;

    fn feed(&self, _id: &str, message: &FeedMessage) -> Vec<Framed<Frame>> {
        feed::responses(message, self.0)
            .into_iter()
            .map(framed)
            .collect()
    }

    fn written(&self, _changes: WrittenChanges) -> Vec<Framed<Frame>> {
        // It has no writer: its messages are no text.
        Vec::new()
    }

    fn ended(&self, _id: &str, why: &WireError, from: Option<&ResumeToken>) -> Vec<Framed<Frame>> {
        let status = Framed {
            frame: Err(why.to_status()),
            bytes: 1,
        };
        vec![framed(feed::ended(why, from)), status]
    }
}

fn framed(response: SubscribeResponse) -> Framed<Frame> {
    Framed {
        bytes: response.encoded_len(),
        frame: Ok(response),
    }
}

/// The frames of a session as a stream.
pub(crate) struct Responses(pub(super) Taker<Frame>);

impl Stream for Responses {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        self.0.poll_take(context)
    }
}
