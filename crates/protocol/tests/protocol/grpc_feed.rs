//! Feeds and documents as protobuf.

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::pb::feed::{ended, responses};
use wellspring_protocol::pb::subscribe_response::Message as Response;
use wellspring_protocol::pb::{self, ContentForm, content};
use wellspring_types::feed::{Change, FeedMessage, Form, How, Op, ResetReason};
use wellspring_types::history::{DocumentVersion, HistoryPage};
use wellspring_types::limits::MESSAGE_BYTES_MAX;
use wellspring_types::query::Page;
use wellspring_types::write::CommitResult;
use wellspring_types::{Data, Document, Sequence};

use crate::samples::{commit, data, insert, path, text_of, time, token};

const MEBIBYTE: usize = (1 << 20) - 100;

fn document(text: &str) -> Document {
    Document {
        path: path("a/b"),
        version: Sequence(3),
        created_at: time("2026-11-24T09:00:00.000Z"),
        updated_at: time("2026-11-24T09:00:00.007Z"),
        data: data(text),
    }
}

fn content_of(text: &str, form: ContentForm) -> pb::Content {
    pb::Document::of(&document(text), form).data.unwrap()
}

fn is_json(content: &pb::Content) -> bool {
    matches!(content.form, Some(content::Form::Json(_)))
}

/// The commits of each response, after a trip over the wire, and whether it had the token.
fn commits(message: &FeedMessage, form: ContentForm) -> Vec<(Vec<pb::Commit>, bool)> {
    let unpack = |response: pb::SubscribeResponse| {
        let bytes = response.encode_to_vec();
        assert!(bytes.len() <= MESSAGE_BYTES_MAX, "{} bytes", bytes.len());
        match pb::SubscribeResponse::decode(bytes.as_slice())
            .unwrap()
            .message
        {
            Some(Response::Changes(batch)) => {
                let commits = batch
                    .commits
                    .into_iter()
                    .map(|commit| commit.into_commit().unwrap());
                (commits.collect(), batch.token == "T")
            }
            other => panic!("{other:?}"),
        }
    };
    responses(message, form).into_iter().map(unpack).collect()
}

fn changes_of(changes: Vec<Change>) -> FeedMessage {
    FeedMessage::Changes {
        commits: vec![commit(5, changes)],
        token: token("T"),
    }
}

#[test]
fn messages_have_the_fields_of_their_json() {
    let only = |message| match responses(&message, ContentForm::Json).as_slice() {
        [response] => response.message.clone().unwrap(),
        other => panic!("{other:?}"),
    };
    let subscribed = FeedMessage::Subscribed {
        how: How::Live,
        seq: Sequence(4),
        token: None,
        known: false,
    };
    assert_eq!(
        only(subscribed),
        Response::Subscribed(pb::Subscribed {
            how: pb::How::Live.into(),
            seq: 4,
            token: String::new(),
            known: false,
        })
    );
    let snapshot = FeedMessage::Snapshot {
        documents: vec![document("{}")],
        removed: vec![path("a/c")],
        token: token("T"),
    };
    assert_eq!(
        only(snapshot),
        Response::Snapshot(pb::Snapshot {
            documents: vec![pb::Document::of(&document("{}"), ContentForm::Json)],
            removed: vec!["a/c".into()],
            token: "T".into(),
        })
    );
    let reset = FeedMessage::Reset {
        reason: ResetReason::Rules,
        known: true,
    };
    let expected = pb::Reset {
        reason: pb::Reason::Rules.into(),
        known: true,
    };
    assert_eq!(only(reset), Response::Reset(expected));
    let checkpoint = FeedMessage::Checkpoint {
        seq: Sequence(9),
        token: token("T"),
    };
    let expected = pb::Checkpoint {
        seq: 9,
        token: "T".into(),
    };
    assert_eq!(only(checkpoint), Response::Checkpoint(expected));
    let current = FeedMessage::Current {
        seq: Sequence(9),
        token: token("T"),
    };
    assert_eq!(
        only(current),
        Response::Current(pb::Current {
            seq: 9,
            token: "T".into()
        })
    );
}

#[test]
fn a_commit_is_encoded_once_and_arrives_whole() {
    let shared = commit(5, vec![insert(5, "a/b", r#"{"n":1.50}"#)]);
    let message = FeedMessage::Changes {
        commits: vec![shared.clone()],
        token: token("T"),
    };
    let expected = pb::Commit {
        seq: 5,
        time: Some(prost_types::Timestamp {
            seconds: 1_795_510_801,
            nanos: 0,
        }),
        changes: vec![pb::Change {
            op: pb::Op::Insert.into(),
            path: "a/b".into(),
            version: 5,
            data: Some(content_of(r#"{"n":1.50}"#, ContentForm::Json)),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(
        commits(&message, ContentForm::Json),
        [(vec![expected.clone()], true)]
    );
    let again = || -> bytes::Bytes { panic!("it was encoded already") };
    let bytes = shared.encoded.get_or_encode(Form::Protobuf, again);
    assert_eq!(bytes.as_ref(), expected.encode_to_vec());
}

#[test]
fn a_large_commit_is_split_between_its_changes() {
    let changes: Vec<Change> = (0..8)
        .map(|index| insert(5, &format!("a/{index}"), &text_of(MEBIBYTE)))
        .collect();
    for form in [ContentForm::Json, ContentForm::Struct] {
        let parts = commits(&changes_of(changes.clone()), form);
        let shape: Vec<(usize, bool, bool)> = parts
            .iter()
            .map(|(commits, has_token)| (commits[0].changes.len(), commits[0].more, *has_token))
            .collect();
        assert_eq!(
            shape,
            [(3, true, false), (3, true, false), (2, false, true)]
        );
        let paths: Vec<&str> = parts
            .iter()
            .flat_map(|(commits, _)| &commits[0].changes)
            .map(|change| change.path.as_str())
            .collect();
        assert_eq!(
            paths,
            ["a/0", "a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "a/7"]
        );
    }
}

#[test]
fn a_change_that_is_too_large_loses_its_patch_then_its_structs() {
    let ones = |bytes: usize| format!("{{\"n\":[1{}]}}", ",1".repeat(bytes / 2));
    let update = Change {
        op: Op::Update,
        old: Some(data(&ones(300_000))),
        patch: Some(Data::from_stored(ones(300_000).into())),
        ..insert(5, "a/b", &ones(300_000))
    };
    let sent = |change| {
        let mut parts = commits(&changes_of(vec![change]), ContentForm::Struct);
        parts.remove(0).0.remove(0).changes.remove(0)
    };
    let change = sent(update.clone());
    assert!(change.patch.is_none());
    assert!(!is_json(&change.data.unwrap()) && !is_json(&change.old.unwrap()));
    let larger = Change {
        data: Some(data(&ones(1_000_000))),
        ..update
    };
    let change = sent(larger);
    assert!(is_json(&change.data.unwrap()) && is_json(&change.old.unwrap()));
}

#[test]
fn structs_say_where_digits_were_lost() {
    let inexact = |text: &str| {
        let content = content_of(text, ContentForm::Struct);
        assert!(!is_json(&content));
        content.inexact
    };
    assert!(!inexact(
        r#"{"a":[0.1,1e300,-0,1.50,9007199254740992,null,true,"x"]}"#
    ));
    assert!(inexact(r#"{"a":[9007199254740993]}"#));
    assert!(inexact(
        r#"{"a":{"b":3.14159265358979323846264338327950288}}"#
    ));
    assert!(!content_of(r#"{"a":9007199254740993}"#, ContentForm::Json).inexact);
}

#[test]
fn data_deeper_than_a_struct_can_be_is_text() {
    let nested = |levels: usize| {
        format!(
            "{}{{}}{}",
            "{\"a\":".repeat(levels - 1),
            "}".repeat(levels - 1)
        )
    };
    assert!(!is_json(&content_of(&nested(30), ContentForm::Struct)));
    assert!(is_json(&content_of(&nested(31), ContentForm::Struct)));
    let list = |levels: usize| {
        format!(
            "{{\"a\":{}{}}}",
            "[".repeat(levels - 1),
            "]".repeat(levels - 1)
        )
    };
    assert!(!is_json(&content_of(&list(30), ContentForm::Struct)));
    assert!(is_json(&content_of(&list(31), ContentForm::Struct)));
    // What is sent, a client's prost can read in the deepest place there is.
    let change = Change {
        old: Some(data(&nested(30))),
        ..insert(5, "a/b", &nested(30))
    };
    assert_eq!(
        commits(&changes_of(vec![change]), ContentForm::Struct).len(),
        1
    );
}

#[test]
fn a_page_of_structs_fits_into_a_message() {
    let ones = format!("{{\"n\":[1{}]}}", ",1".repeat(250_000));
    let documents = vec![document(&ones), document(r#"{"small":1}"#), document(&ones)];
    let page = Page {
        documents,
        seq: Sequence(9),
        cursor: None,
    };
    let response = pb::QueryResponse::of(page, ContentForm::Struct);
    assert!(
        response.encoded_len() <= MESSAGE_BYTES_MAX,
        "{}",
        response.encoded_len()
    );
    let forms: Vec<bool> = response
        .documents
        .iter()
        .map(|document| is_json(document.data.as_ref().unwrap()))
        .collect();
    assert_eq!(forms, [false, false, true]);
    let large = document(&format!("{{\"n\":[1{}]}}", ",1".repeat(500_000)));
    let response = pb::GetDocumentResponse::of(&large, Sequence(9), ContentForm::Struct);
    assert!(response.encoded_len() <= MESSAGE_BYTES_MAX);
}

#[test]
fn a_history_of_structs_fits_into_a_message_and_says_what_happened() {
    let ones = data(&format!("{{\"n\":[1{}]}}", ",1".repeat(250_000)));
    let version = |seq, op, data| DocumentVersion {
        version: Sequence(seq),
        time: time("2026-11-24T09:00:00.007Z"),
        op,
        data,
        actor: None,
        mutation_id: None,
    };
    let versions = vec![
        version(9, Some(Op::Delete), None),
        version(8, Some(Op::Update), Some(ones.clone())),
        version(7, None, Some(ones)),
    ];
    let page = HistoryPage {
        versions,
        seq: Sequence(9),
        cursor: None,
        truncated: true,
    };
    let response = pb::GetHistoryResponse::of(page, ContentForm::Struct);
    assert!(response.encoded_len() <= MESSAGE_BYTES_MAX);
    assert!(response.truncated);
    let found: Vec<_> = response
        .versions
        .iter()
        .map(|version| (version.op(), version.data.as_ref().map(is_json)))
        .collect();
    let expected = [
        (pb::Op::Delete, None),
        (pb::Op::Update, Some(false)),
        (pb::Op::Unspecified, Some(true)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_commit_answers_each_of_its_methods() {
    let result = CommitResult {
        seq: Sequence(42),
        time: time("2026-11-24T09:00:00.007Z"),
        paths: vec![path("a/b")],
    };
    let at = Some(prost_types::Timestamp {
        seconds: 1_795_510_800,
        nanos: 7_000_000,
    });
    let expected = pb::CommitResponse {
        seq: 42,
        time: at,
        paths: vec!["a/b".into()],
    };
    assert_eq!(pb::CommitResponse::from(result.clone()), expected);
    let expected = pb::CreateDocumentResponse {
        seq: 42,
        time: at,
        path: "a/b".into(),
    };
    assert_eq!(pb::CreateDocumentResponse::from(result.clone()), expected);
    let expected = pb::UpdateDocumentResponse { seq: 42, time: at };
    assert_eq!(pb::UpdateDocumentResponse::from(result.clone()), expected);
    let expected = pb::DeleteDocumentResponse { seq: 42, time: at };
    assert_eq!(pb::DeleteDocumentResponse::from(result), expected);
}

#[test]
fn an_end_has_its_error() {
    let error = WireError::new(Code::Slow, "read faster").after_ms(0);
    let expected = pb::Ended {
        code: "slow".into(),
        message: "read faster".into(),
        retry: pb::Retry::Now.into(),
        after_ms: Some(0),
        token: "T".into(),
    };
    let response = ended(&error, Some(&token("T")));
    assert_eq!(response.message, Some(Response::Ended(expected)));
}

#[test]
fn the_batch_that_is_written_by_hand_is_the_one_of_the_proto_files() {
    let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
    let descriptor = pool
        .get_message_by_name("wellspring.v1.SubscribeResponse")
        .unwrap();
    let message = changes_of(vec![insert(5, "a/b", "{}")]);
    let [response] = responses(&message, ContentForm::Json).try_into().unwrap();
    let dynamic = DynamicMessage::decode(descriptor, response.encode_to_vec().as_slice()).unwrap();
    let field = |message: &DynamicMessage, name: &str| {
        message
            .get_field_by_name(name)
            .map(std::borrow::Cow::into_owned)
            .unwrap()
    };
    let batch = field(&dynamic, "changes");
    let batch = batch.as_message().unwrap();
    assert_eq!(batch.unknown_fields().count(), 0);
    assert_eq!(field(batch, "token").as_str(), Some("T"));
    let commits = field(batch, "commits");
    let [commit] = commits.as_list().unwrap() else {
        panic!("{commits:?}")
    };
    assert_eq!(field(commit.as_message().unwrap(), "seq").as_u64(), Some(5));
}
