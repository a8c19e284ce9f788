//! What a session says, as WebSocket messages.

use std::sync::Arc;

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::{JsonChanges, feed, reply};
use wellspring_types::ResumeToken;
use wellspring_types::feed::{ChangesWriter, FeedMessage, WrittenChanges};

use crate::session::{Framed, Framing};

/// The client broke the protocol.
const CLOSE_PROTOCOL: u16 = 4400;
/// The client did not say `hello` in time.
pub(super) const CLOSE_NO_HELLO: u16 = 4408;
/// A message was too large (RFC 6455, section 7.4.1).
const CLOSE_TOO_LARGE: u16 = 1009;
/// Bytes of a reason that a close frame has room for.
const REASON_BYTES_MAX: usize = 123;

/// Frames of a WebSocket session.
#[derive(Clone, Copy, Debug)]
pub(super) struct WebSocketFraming;

/// A text message.
pub(super) fn text(text: String) -> Framed<Message> {
    Framed {
        bytes: text.len(),
        frame: Message::text(text),
    }
}

/// A close frame.
pub(super) fn close(code: u16, reason: &str) -> Message {
    let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
    Message::Close(Some(CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    }))
}

fn close_code(why: &WireError) -> u16 {
    match why.code {
        Code::TooLarge => CLOSE_TOO_LARGE,
        code => code.close_code().unwrap_or(CLOSE_PROTOCOL),
    }
}

impl Framing for WebSocketFraming {
    type Frame = Message;

    fn feed(&self, id: &str, message: &FeedMessage) -> Vec<Framed<Message>> {
        let mut frames = Vec::new();
        feed::write(Some(id), message, &mut |message, _token| {
            frames.push(text(message))
        });
        frames
    }

    fn writer(&self, id: &str) -> Option<Arc<dyn ChangesWriter>> {
        Some(Arc::new(JsonChanges::new(Some(id))))
    }

    fn written(&self, changes: WrittenChanges) -> Vec<Framed<Message>> {
        vec![text(changes.text)]
    }

    fn ended(&self, id: &str, why: &WireError, from: Option<&ResumeToken>) -> Vec<Framed<Message>> {
        vec![text(feed::ended(Some(id), why, from))]
    }

    fn refused(&self, id: &str, why: &WireError) -> Vec<Framed<Message>> {
        vec![text(reply::error(Some(id), why))]
    }

    fn farewell(&self, why: &WireError, _from: Option<&ResumeToken>) -> Vec<Framed<Message>> {
        let mut frames = Vec::new();
        if why.code == Code::Unavailable {
            frames.push(text(reply::closing(why)));
        }
        frames.push(Framed {
            frame: close(close_code(why), &why.message),
            bytes: 1,
        });
        frames
    }

    fn beat(&self) -> Option<Framed<Message>> {
        Some(Framed {
            frame: Message::Ping(Bytes::new()),
            bytes: 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_words(code: Code) -> (usize, u16) {
        let frames = WebSocketFraming.farewell(&WireError::new(code, "x".repeat(200)), None);
        let Some(Message::Close(Some(close))) = frames.last().map(|framed| framed.frame.clone())
        else {
            panic!("no close frame")
        };
        assert!(close.reason.len() <= REASON_BYTES_MAX);
        (frames.len(), close.code.into())
    }

    #[test]
    fn a_session_ends_with_the_close_code_of_its_error() {
        assert_eq!(last_words(Code::Slow), (1, 4409));
        assert_eq!(last_words(Code::Unavailable), (2, 4500));
        assert_eq!(last_words(Code::TooLarge), (1, 1009));
        assert_eq!(last_words(Code::InvalidArgument), (1, 4400));
    }
}
