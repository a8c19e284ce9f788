//! The gRPC client's side: its messages as those of the other transports.

use std::net::SocketAddr;

use tonic::Streaming;
use tonic::transport::Channel;
use wellspring_protocol::json::client::{FeedPart, ReceivedCommit};
use wellspring_protocol::pb::changes_client::ChangesClient;
use wellspring_protocol::pb::consumers_client::ConsumersClient;
use wellspring_protocol::pb::subscribe_response::Message;
use wellspring_protocol::pb::{self, content};
use wellspring_types::feed::{Cause, Change, From, How, Op, ResetReason, SubscribeRequest};
use wellspring_types::{Data, Document, ResumeToken, Sequence, Timestamp};

use crate::transports::Got;
use crate::workers::Acked;

pub(crate) async fn subscribe(
    server: SocketAddr,
    request: &SubscribeRequest,
) -> Option<Streaming<pb::SubscribeResponse>> {
    let channel = Channel::from_shared(format!("http://{server}")).unwrap();
    let mut client = ChangesClient::new(channel.connect().await.ok()?);
    let position = match &request.from {
        From::Now => pb::from::Position::Now(true),
        From::Snapshot => pb::from::Position::Snapshot(true),
        From::Beginning => pb::from::Position::Beginning(true),
        From::Token(token) => pb::from::Position::Token(token.as_str().to_owned()),
        From::Time(_) => panic!("not used here"),
    };
    let consumer = request.consumer.as_ref();
    let filter = request.view.filter.as_ref();
    let select = request.view.select.as_ref().map(|select| select.fields());
    let select = select.unwrap_or_default().iter();
    let request = pb::SubscribeRequest {
        collection: request.collections.to_string(),
        r#where: filter.map(|filter| pb::Content {
            form: Some(content::Form::Json(filter.canonical().to_owned())),
            inexact: false,
        }),
        select: select.map(ToString::to_string).collect(),
        from: Some(pb::From {
            position: Some(position),
        }),
        old: request.view.old,
        patch: request.view.patch,
        conflate: request.conflate,
        consumer: consumer.map_or_else(String::new, |of| of.name.to_string()),
        unacked_max: consumer.map_or(0, |of| of.unacked_max),
        ack_timeout_ms: consumer.map_or(0, |of| u32::try_from(of.ack_timeout_ms).unwrap()),
        ..pb::SubscribeRequest::default()
    };
    Some(client.subscribe(request).await.ok()?.into_inner())
}

/// Acknowledges a token; `None` where nobody knows whether that was done.
pub(crate) async fn acknowledge(server: SocketAddr, token: &ResumeToken) -> Option<Acked> {
    let channel = Channel::from_shared(format!("http://{server}")).unwrap();
    let mut client = ConsumersClient::new(channel.connect().await.ok()?);
    let token = token.as_str().to_owned();
    match client.acknowledge(pb::AcknowledgeRequest { token }).await {
        Ok(answer) => Some(Acked::Through(Sequence(answer.into_inner().seq))),
        Err(status) if status.code() == tonic::Code::NotFound => Some(Acked::TooLate),
        Err(status) => {
            let may_be_done = [
                tonic::Code::Unavailable,
                tonic::Code::Unknown,
                tonic::Code::Cancelled,
                tonic::Code::Internal,
            ];
            assert!(may_be_done.contains(&status.code()), "{status:?}");
            None
        }
    }
}

pub(crate) fn got(response: pb::SubscribeResponse) -> Got {
    Got::Part(match response.message.unwrap() {
        Message::Subscribed(message) => FeedPart::Subscribed {
            how: match pb::How::try_from(message.how).unwrap() {
                pb::How::Live => How::Live,
                pb::How::Snapshot => How::Snapshot,
                pb::How::Resumed => How::Resumed,
                pb::How::Unspecified => panic!("unspecified"),
            },
            seq: Sequence(message.seq),
            token: token(&message.token),
            known: message.known,
        },
        Message::Snapshot(message) => {
            let removed = message.removed.iter().map(|path| path.parse().unwrap());
            FeedPart::Snapshot {
                documents: message.documents.into_iter().map(document).collect(),
                removed: removed.collect(),
                token: token(&message.token),
            }
        }
        Message::Current(message) => FeedPart::Current {
            seq: Sequence(message.seq),
            token: token(&message.token).unwrap(),
        },
        Message::Changes(message) => FeedPart::Changes {
            commits: message.commits.into_iter().map(commit).collect(),
            token: token(&message.token),
        },
        Message::Checkpoint(message) => FeedPart::Checkpoint {
            seq: Sequence(message.seq),
            token: token(&message.token).unwrap(),
        },
        Message::Reset(message) => FeedPart::Reset {
            reason: match pb::Reason::try_from(message.reason).unwrap() {
                pb::Reason::Retention => ResetReason::Retention,
                pb::Reason::Epoch => ResetReason::Epoch,
                reason => panic!("{reason:?}"),
            },
            known: message.known,
        },
        Message::Ended(message) => return Got::Ended(message.code),
    })
}

fn token(text: &str) -> Option<ResumeToken> {
    (!text.is_empty()).then(|| ResumeToken::new(text))
}

fn data(content: pb::Content) -> Data {
    match content.form.unwrap() {
        content::Form::Json(text) => Data::parse(text.as_bytes()).unwrap(),
        content::Form::Value(_) => panic!("JSON was asked for"),
    }
}

fn time(time: Option<prost_types::Timestamp>) -> Timestamp {
    let time = time.unwrap();
    let millis = time.seconds * 1000 + i64::from(time.nanos) / 1_000_000;
    Timestamp::from_millis(u64::try_from(millis).unwrap())
}

fn document(document: pb::Document) -> Document {
    Document {
        path: document.path.parse().unwrap(),
        version: Sequence(document.version),
        created_at: time(document.created_at),
        updated_at: time(document.updated_at),
        data: data(document.data.unwrap()),
    }
}

fn commit(commit: pb::SharedCommit) -> ReceivedCommit {
    let commit = commit.into_commit().unwrap();
    ReceivedCommit {
        seq: Sequence(commit.seq),
        time: time(commit.time),
        actor: (!commit.actor.is_empty()).then_some(commit.actor),
        mutation_id: (!commit.mutation_id.is_empty()).then(|| commit.mutation_id.parse().unwrap()),
        changes: commit.changes.into_iter().map(change).collect(),
        conflated: commit.conflated,
        more: commit.more,
    }
}

fn change(change: pb::Change) -> Change {
    Change {
        op: match pb::Op::try_from(change.op).unwrap() {
            pb::Op::Insert => Op::Insert,
            pb::Op::Update => Op::Update,
            pb::Op::Delete => Op::Delete,
            pb::Op::Unspecified => panic!("unspecified"),
        },
        cause: match pb::Cause::try_from(change.cause).unwrap() {
            pb::Cause::Unspecified => None,
            pb::Cause::Filter => Some(Cause::Filter),
            cause => panic!("{cause:?}"),
        },
        path: change.path.parse().unwrap(),
        version: Sequence(change.version),
        data: change.data.map(data),
        old: change.old.map(data),
        patch: change.patch.map(data),
    }
}
