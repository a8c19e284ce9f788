//! What one side writes, the other reads as the same.

use proptest::prelude::*;
use wellspring_protocol::json::client::{self, Answer, FeedPart, ReceivedCommit, ServerMessage};
use wellspring_protocol::json::{ClientMessage, feed, reply};
use wellspring_types::feed::FeedMessage;

use crate::samples::{any_client_message, any_collections, any_feed_message, any_history};

/// A message as a client is to receive it.
fn received(message: FeedMessage) -> FeedPart {
    match message {
        FeedMessage::Subscribed {
            how,
            seq,
            token,
            known,
        } => FeedPart::Subscribed {
            how,
            seq,
            token,
            known,
        },
        FeedMessage::Snapshot {
            documents,
            removed,
            token,
        } => FeedPart::Snapshot {
            documents,
            removed,
            token: Some(token),
        },
        FeedMessage::Current { seq, token } => FeedPart::Current { seq, token },
        FeedMessage::Changes { commits, token } => {
            let commits = commits.iter().map(|commit| ReceivedCommit {
                seq: commit.seq,
                time: commit.time,
                actor: commit.actor.as_deref().map(str::to_owned),
                mutation_id: commit.mutation_id.clone(),
                changes: commit.changes.clone(),
                conflated: commit.conflated,
                more: false,
            });
            FeedPart::Changes {
                commits: commits.collect(),
                token: Some(token),
            }
        }
        FeedMessage::Checkpoint { seq, token } => FeedPart::Checkpoint { seq, token },
        FeedMessage::Reset { reason, known } => FeedPart::Reset { reason, known },
    }
}

proptest! {
    #[test]
    fn a_request_arrives_as_it_was_meant(message in any_client_message()) {
        let text = client::write(&message);
        prop_assert_eq!(ClientMessage::parse(text.as_bytes()), Ok(message), "{}", text);
    }

    #[test]
    fn a_feed_arrives_as_it_was_meant(message in any_feed_message(), id in ".{1,8}") {
        let mut texts = Vec::new();
        feed::write(Some(&id), &message, &mut |text, _token| texts.push(text));
        prop_assert_eq!(texts.len(), 1);
        let expected = ServerMessage::Feed { id: Some(id), part: received(message) };
        prop_assert_eq!(ServerMessage::parse(texts[0].as_bytes()), Ok(expected), "{}", texts[0]);
    }

    #[test]
    fn a_history_arrives_as_it_was_meant(page in any_history(), id in ".{1,8}") {
        let text = reply::history_result(&id, &page);
        let expected = ServerMessage::Result { id, answer: Answer::History(page) };
        prop_assert_eq!(ServerMessage::parse(text.as_bytes()), Ok(expected), "{}", text);
    }

    #[test]
    fn a_list_of_collections_arrives_as_it_was_meant(page in any_collections(), id in ".{1,8}") {
        let text = reply::collections_result(&id, &page);
        let expected = ServerMessage::Result { id, answer: Answer::Collections(page) };
        prop_assert_eq!(ServerMessage::parse(text.as_bytes()), Ok(expected), "{}", text);
    }

    #[test]
    fn a_page_of_a_feed_holds_what_a_stream_would_send(messages in proptest::collection::vec(any_feed_message(), 0..4)) {
        let page = feed::page(&messages, &crate::samples::token("T"), true);
        let mut texts = Vec::new();
        for message in &messages {
            feed::write(None, message, &mut |text, _token| texts.push(text));
        }
        let expected = format!(r#"{{"messages":[{}],"token":"T","more":true}}"#, texts.join(","));
        prop_assert_eq!(page, expected);
    }
}
