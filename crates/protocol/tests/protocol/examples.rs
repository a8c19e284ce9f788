//! One conversation, byte for byte, in both directions.

use std::sync::Arc;

use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::client::{self, Answer, FeedPart, ServerMessage};
use wellspring_protocol::json::reply::{Welcome, WelcomeLimits};
use wellspring_protocol::json::{ClientMessage, Hello, feed, reply};
use wellspring_types::feed::{
    Cause, Change, Encoded, FeedCommit, FeedMessage, From, How, Known, Op, ResetReason,
    SubscribeRequest, View,
};
use wellspring_types::query::Page;
use wellspring_types::write::{
    CommitRequest, CommitResult, Precondition, Read, Transform, TransformOperation, Write,
    WriteAction,
};
use wellspring_types::{CollectionPath, CollectionSet, Document, Epoch, Filter, Number, Sequence};

use crate::samples::{data, path, time, token};

/// That `text` is read as `message`, and that the client writes it so.
fn check_client(text: &str, message: &ClientMessage) {
    assert_eq!(ClientMessage::parse(text.as_bytes()).as_ref(), Ok(message));
    let written = client::write(message);
    assert_eq!(
        ClientMessage::parse(written.as_bytes()).as_ref(),
        Ok(message),
        "{written}"
    );
}

fn check_feed(text: &str, message: &FeedMessage) {
    let mut written = Vec::new();
    feed::write(Some("s1"), message, &mut |part, token| {
        written.push((part, token.cloned()))
    });
    let token = text
        .split("\"token\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    assert_eq!(
        written,
        [(text.to_owned(), token.map(crate::samples::token))]
    );

    let mut without_id = String::new();
    feed::write(None, message, &mut |part, _token| without_id = part);
    assert_eq!(without_id, text.replace(",\"id\":\"s1\"", ""));
}

#[test]
fn hello_and_welcome() {
    let hello = Hello {
        access_token: None,
        client: Some("notes/1.0".into()),
    };
    let text = r#"{"type":"hello","client":"notes/1.0"}"#;
    check_client(text, &ClientMessage::Hello(hello.clone()));
    assert_eq!(client::write(&ClientMessage::Hello(hello)), text);

    let welcome = Welcome {
        session: "01JD8".into(),
        epoch: Epoch(0x9f3c_2a7e),
        seq: Sequence(41),
        heartbeat_ms: 25_000,
        features: vec!["conflate".into()],
        limits: WelcomeLimits {
            message_bytes: 4_194_304,
            subscriptions: 128,
        },
    };
    let text = r#"{"type":"welcome","session":"01JD8","epoch":"9f3c2a7e","seq":41,"heartbeat_ms":25000,"features":["conflate"],"limits":{"message_bytes":4194304,"subscriptions":128}}"#;
    assert_eq!(reply::welcome(&welcome), text);
    assert_eq!(
        ServerMessage::parse(text.as_bytes()),
        Ok(ServerMessage::Welcome(welcome))
    );
}

#[test]
fn commit_and_result() {
    let mut update = Write::update(path("rooms/7"), data(r#"{"open":false}"#).object().clone());
    update.action = match update.action {
        WriteAction::Update { patch, .. } => WriteAction::Update {
            patch,
            transforms: vec![Transform {
                field: "votes".parse().unwrap(),
                operation: TransformOperation::Increment(Number::from(1_u64)),
            }],
        },
        other => other,
    };
    let request = CommitRequest {
        mutation_id: Some("7f0c".parse().unwrap()),
        writes: vec![
            Write::insert(path("rooms/42"), data(r#"{"topic":"tea"}"#)),
            update.only_if(Precondition::Version(Sequence(40))),
        ],
        reads: vec![Read::Document {
            path: path("users/ann"),
            version: Sequence(12),
        }],
    };
    let text = r#"{"type":"commit","id":"c1","mutation_id":"7f0c","writes":[{"op":"insert","path":"rooms/42","data":{"topic":"tea"}},{"op":"update","path":"rooms/7","patch":{"open":false},"transforms":[{"field":"votes","increment":1}],"if_version":40}],"reads":[{"path":"users/ann","version":12}]}"#;
    let message = ClientMessage::Commit {
        id: "c1".into(),
        request,
    };
    check_client(text, &message);
    assert_eq!(client::write(&message), text);

    let result = CommitResult {
        seq: Sequence(42),
        time: time("2026-11-24T09:00:00.000Z"),
        paths: vec![path("rooms/42"), path("rooms/7")],
    };
    let text = r#"{"type":"result","id":"c1","seq":42,"time":"2026-11-24T09:00:00.000Z","paths":["rooms/42","rooms/7"]}"#;
    assert_eq!(reply::commit_result("c1", &result), text);
    assert_eq!(
        reply::commit_body(&result),
        r#"{"seq":42,"time":"2026-11-24T09:00:00.000Z","paths":["rooms/42","rooms/7"]}"#
    );
    let answer = Answer::Committed(result);
    let expected = ServerMessage::Result {
        id: "c1".into(),
        answer,
    };
    assert_eq!(ServerMessage::parse(text.as_bytes()), Ok(expected));
}

#[test]
fn an_error_names_its_request() {
    let error = WireError::new(Code::PreconditionFailed, "rooms/7 is at version 42, not 40")
        .detail("path", "rooms/7")
        .detail("version", 42_u64);
    let text = r#"{"type":"error","id":"c2","code":"precondition_failed","message":"rooms/7 is at version 42, not 40","retry":"never","details":{"path":"rooms/7","version":42}}"#;
    assert_eq!(reply::error(Some("c2"), &error), text);
    let expected = ServerMessage::Error {
        id: Some("c2".into()),
        error,
    };
    assert_eq!(ServerMessage::parse(text.as_bytes()), Ok(expected));
}

#[test]
fn subscribe_and_its_end() {
    let request = SubscribeRequest {
        collections: "rooms".parse::<CollectionPath>().unwrap().into(),
        view: View {
            filter: Some(Filter::parse(r#"{"open":true,"votes":{"gte":3}}"#).unwrap()),
            old: true,
            ..View::default()
        },
        from: From::Snapshot,
        known: None,
        consumer: None,
        conflate: false,
        end_on_gap: false,
        checkpoint_interval_ms: 25_000,
    };
    let text = r#"{"type":"subscribe","id":"s1","collection":"rooms","where":{"open":true,"votes":{"gte":3}},"from":{"snapshot":true},"old":true}"#;
    check_client(
        text,
        &ClientMessage::Subscribe {
            id: "s1".into(),
            request,
        },
    );

    let patterns = ["users", "rooms/*/messages"].map(|pattern| pattern.parse().unwrap());
    let collections = CollectionSet::matching(patterns).unwrap();
    check_client(
        r#"{"type":"subscribe","id":"s3","collections":["users","rooms/*/messages"]}"#,
        &ClientMessage::Subscribe {
            id: "s3".into(),
            request: SubscribeRequest::of(collections, From::Now),
        },
    );

    let known = Known {
        token: None,
        versions: [("3".into(), Sequence(12)), ("9".into(), Sequence(17))].into(),
    };
    let mut request = SubscribeRequest {
        known: Some(known.clone()),
        ..SubscribeRequest::new("rooms".parse().unwrap(), From::Token(token("AZ8sWgA")))
    };
    let id = || "s1".to_owned();
    check_client(
        r#"{"type":"subscribe","id":"s1","collection":"rooms","from":{"token":"AZ8sWgA"},"known":{"versions":{"3":12,"9":17}}}"#,
        &ClientMessage::Subscribe {
            id: id(),
            request: request.clone(),
        },
    );
    request.from = From::Snapshot;
    request.known = Some(Known {
        token: Some(token("AZ8sWgA")),
        ..known
    });
    check_client(
        r#"{"type":"subscribe","id":"s1","collection":"rooms","from":{"snapshot":true},"known":{"token":"AZ8sWgA","versions":{"3":12,"9":17}}}"#,
        &ClientMessage::Subscribe { id: id(), request },
    );

    let error = WireError::new(Code::Unauthenticated, "access token expired");
    let text = r#"{"type":"ended","id":"s1","code":"unauthenticated","message":"access token expired","retry":"reauth","token":"AZ8sWgA"}"#;
    assert_eq!(
        feed::ended(Some("s1"), &error, Some(&token("AZ8sWgA"))),
        text
    );
    let expected = ServerMessage::Ended {
        id: Some("s1".into()),
        error,
        token: Some(token("AZ8sWgA")),
    };
    assert_eq!(ServerMessage::parse(text.as_bytes()), Ok(expected));
}

fn room_9() -> Document {
    Document {
        path: path("rooms/9"),
        version: Sequence(17),
        created_at: time("2026-11-24T08:00:00.000Z"),
        updated_at: time("2026-11-24T08:10:00.000Z"),
        data: data(r#"{"open":true,"votes":5}"#),
    }
}

#[test]
fn a_subscription_up_to_current() {
    let subscribed = FeedMessage::Subscribed {
        how: How::Snapshot,
        seq: Sequence(42),
        token: None,
        known: false,
    };
    check_feed(
        r#"{"type":"subscribed","id":"s1","how":"snapshot","seq":42}"#,
        &subscribed,
    );
    let differences = FeedMessage::Subscribed {
        how: How::Snapshot,
        seq: Sequence(90),
        token: None,
        known: true,
    };
    check_feed(
        r#"{"type":"subscribed","id":"s1","how":"snapshot","seq":90,"known":true}"#,
        &differences,
    );
    let snapshot = FeedMessage::Snapshot {
        documents: vec![room_9()],
        removed: Vec::new(),
        token: token("AZ8sKg9"),
    };
    check_feed(
        r#"{"type":"snapshot","id":"s1","documents":[{"path":"rooms/9","version":17,"created_at":"2026-11-24T08:00:00.000Z","updated_at":"2026-11-24T08:10:00.000Z","data":{"open":true,"votes":5}}],"token":"AZ8sKg9"}"#,
        &snapshot,
    );
    let current = FeedMessage::Current {
        seq: Sequence(42),
        token: token("AZ8sKgA"),
    };
    check_feed(
        r#"{"type":"current","id":"s1","seq":42,"token":"AZ8sKgA"}"#,
        &current,
    );
}

fn two_commits() -> FeedMessage {
    let change = |op, cause, version, after: Option<&str>, before: &str| Change {
        op,
        cause,
        path: path("rooms/9"),
        version: Sequence(version),
        data: after.map(data),
        old: Some(data(before)),
        patch: None,
    };
    let before = r#"{"open":true,"votes":5}"#;
    let after = r#"{"open":true,"votes":6}"#;
    let first = FeedCommit {
        seq: Sequence(43),
        time: time("2026-11-24T09:00:01.000Z"),
        actor: Some("ann".into()),
        mutation_id: Some("7f0d".parse().unwrap()),
        changes: vec![change(Op::Update, None, 43, Some(after), before)],
        conflated: false,
        encoded: Encoded::default(),
    };
    let second = FeedCommit {
        seq: Sequence(44),
        time: time("2026-11-24T09:00:02.000Z"),
        actor: None,
        mutation_id: None,
        changes: vec![change(Op::Delete, Some(Cause::Filter), 44, None, after)],
        conflated: false,
        encoded: Encoded::default(),
    };
    FeedMessage::Changes {
        commits: vec![Arc::new(first), Arc::new(second)],
        token: token("AZ8sLAA"),
    }
}

#[test]
fn a_subscription_after_current() {
    check_feed(
        r#"{"type":"changes","id":"s1","commits":[{"seq":43,"time":"2026-11-24T09:00:01.000Z","actor":"ann","mutation_id":"7f0d","changes":[{"op":"update","path":"rooms/9","version":43,"data":{"open":true,"votes":6},"old":{"open":true,"votes":5}}]},{"seq":44,"time":"2026-11-24T09:00:02.000Z","changes":[{"op":"delete","cause":"filter","path":"rooms/9","version":44,"old":{"open":true,"votes":6}}]}],"token":"AZ8sLAA"}"#,
        &two_commits(),
    );
    let checkpoint = FeedMessage::Checkpoint {
        seq: Sequence(90),
        token: token("AZ8sWgA"),
    };
    check_feed(
        r#"{"type":"checkpoint","id":"s1","seq":90,"token":"AZ8sWgA"}"#,
        &checkpoint,
    );
    let reset = |known| FeedMessage::Reset {
        reason: ResetReason::Retention,
        known,
    };
    check_feed(
        r#"{"type":"reset","id":"s1","reason":"retention"}"#,
        &reset(false),
    );
    check_feed(
        r#"{"type":"reset","id":"s1","reason":"retention","known":true}"#,
        &reset(true),
    );
}

#[test]
fn a_page_of_a_feed_is_its_messages_with_a_token() {
    let checkpoint = FeedMessage::Checkpoint {
        seq: Sequence(90),
        token: token("A"),
    };
    let reset = FeedMessage::Reset {
        reason: ResetReason::Epoch,
        known: false,
    };
    assert_eq!(
        feed::page(&[reset, checkpoint], &token("B"), false),
        r#"{"messages":[{"type":"reset","reason":"epoch"},{"type":"checkpoint","seq":90,"token":"A"}],"token":"B","more":false}"#
    );
    assert_eq!(
        feed::page(&[], &token("B"), true),
        r#"{"messages":[],"token":"B","more":true}"#
    );
}

#[test]
fn reads_and_their_results() {
    let text = reply::document_result("g1", Sequence(42), &room_9());
    assert_eq!(
        text,
        format!(
            r#"{{"type":"result","id":"g1","seq":42,"document":{}}}"#,
            reply::document_body(&room_9())
        )
    );
    let answer = Answer::Document {
        seq: Sequence(42),
        document: room_9(),
    };
    let expected = ServerMessage::Result {
        id: "g1".into(),
        answer,
    };
    assert_eq!(ServerMessage::parse(text.as_bytes()), Ok(expected));

    let page = Page {
        documents: vec![room_9()],
        seq: Sequence(42),
        cursor: Some("next\"".into()),
    };
    let text = reply::page_result("q1", &page);
    assert!(text.starts_with(r#"{"type":"result","id":"q1","seq":42,"documents":[{"path""#));
    assert!(text.ends_with(r#"],"cursor":"next\""}"#));
    assert_eq!(
        reply::page_body(&page),
        text.replace(r#""type":"result","id":"q1","#, "")
    );
    let expected = ServerMessage::Result {
        id: "q1".into(),
        answer: Answer::Page(page),
    };
    assert_eq!(ServerMessage::parse(text.as_bytes()), Ok(expected));
}

#[test]
fn the_small_ones() {
    let check = |text: String, expected: &str, message: ServerMessage| {
        assert_eq!(text, expected);
        assert_eq!(ServerMessage::parse(text.as_bytes()), Ok(message));
    };
    let answer = Answer::Done { seq: Sequence(7) };
    check(
        reply::done("s1", Sequence(7)),
        r#"{"type":"result","id":"s1","seq":7}"#,
        ServerMessage::Result {
            id: "s1".into(),
            answer,
        },
    );
    check(
        reply::pong(3),
        r#"{"type":"pong","n":3}"#,
        ServerMessage::Pong { n: 3 },
    );
    check(
        reply::auth_expiring(60_000),
        r#"{"type":"auth_expiring","in_ms":60000}"#,
        ServerMessage::AuthExpiring { in_ms: 60_000 },
    );
    check(
        reply::closing(&WireError::new(Code::Unavailable, "").after_ms(500)),
        r#"{"type":"closing","code":"unavailable","retry":"backoff","after_ms":500}"#,
        ServerMessage::Closing(WireError::new(Code::Unavailable, "").after_ms(500)),
    );
}

#[test]
fn a_client_passes_over_what_it_does_not_know() {
    let text = br#"{"type":"reset","id":"s1","reason":"tides","moon":"full"}"#;
    let part = FeedPart::Reset {
        reason: ResetReason::Epoch,
        known: false,
    };
    let expected = ServerMessage::Feed {
        id: Some("s1".into()),
        part,
    };
    assert_eq!(ServerMessage::parse(text), Ok(expected));
    let text = br#"{"type":"presence","id":"p1","join":[]}"#;
    let expected = ServerMessage::Unknown {
        kind: "presence".into(),
    };
    assert_eq!(ServerMessage::parse(text), Ok(expected));
}
