//! Requests of protobuf mean what the same requests in JSON mean.

use prost_types::Struct;
use prost_types::value::Kind;
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::consumers::ConsumerRequest;
use wellspring_protocol::json::{ClientMessage, parse_commit, parse_query};
use wellspring_protocol::pb::{self, at, content, elements, from, transform};
use wellspring_types::consumer::ConsumersQuery;
use wellspring_types::feed::{Known, SubscribeRequest};
use wellspring_types::history::HistoryQuery;
use wellspring_types::listing::CollectionsQuery;
use wellspring_types::query::{Get, Query};
use wellspring_types::write::{CommitRequest, Precondition, WriteAction};
use wellspring_types::{Data, ResumeToken, Sequence};

fn json(text: &str) -> Option<pb::Content> {
    Some(pb::Content {
        form: Some(content::Form::Json(text.into())),
        inexact: false,
    })
}

fn value(kind: Kind) -> prost_types::Value {
    prost_types::Value { kind: Some(kind) }
}

fn write(op: pb::WriteOp) -> pb::Write {
    pb::Write {
        op: op.into(),
        path: "rooms/7".into(),
        ..Default::default()
    }
}

fn commit_of(writes: Vec<pb::Write>) -> Result<CommitRequest, WireError> {
    pb::CommitRequest {
        writes,
        ..Default::default()
    }
    .try_into()
}

/// That it is refused as `invalid_argument`, in words that contain `expected`.
fn check_refused<T>(result: Result<T, WireError>, expected: &str) {
    let error = result.err().unwrap();
    assert_eq!(error.code, Code::InvalidArgument, "{error}");
    assert!(error.message.contains(expected), "{error}");
}

#[test]
fn a_commit_is_the_same_in_both() {
    let transforms = vec![
        pb::Transform {
            field: "votes".into(),
            operation: Some(transform::Operation::Increment("1.50".into())),
        },
        pb::Transform {
            field: "tags".into(),
            operation: Some(transform::Operation::ArrayUnion(pb::Elements {
                form: Some(elements::Form::Json("[1, {\"a\":null}]".into())),
            })),
        },
        pb::Transform {
            field: "at".into(),
            operation: Some(transform::Operation::ServerTime(true)),
        },
        pb::Transform {
            field: "x".into(),
            operation: Some(transform::Operation::Remove(true)),
        },
    ];
    let request = pb::CommitRequest {
        mutation_id: "7f0c".into(),
        writes: vec![
            pb::Write {
                path: "rooms/42".into(),
                data: json(r#"{"topic": "tea"}"#),
                precondition: Some(pb::write::Precondition::IfAbsent(true)),
                ..write(pb::WriteOp::Insert)
            },
            pb::Write {
                patch: json(r#"{"open":null}"#),
                transforms,
                precondition: Some(pb::write::Precondition::IfVersion(40)),
                ..write(pb::WriteOp::Update)
            },
            pb::Write {
                path: "rooms/8".into(),
                ..write(pb::WriteOp::Delete)
            },
        ],
        reads: vec![
            pb::Read {
                path: "users/ann".into(),
                version: Some(0),
                ..Default::default()
            },
            pb::Read {
                collection: "users".into(),
                r#where: json(r#"{"a":1}"#),
                at: Some(12),
                ..Default::default()
            },
        ],
    };
    let expected = parse_commit(
        br#"{"mutation_id":"7f0c","writes":[
            {"op":"insert","path":"rooms/42","data":{"topic":"tea"},"if_absent":true},
            {"op":"update","path":"rooms/7","patch":{"open":null},"if_version":40,"transforms":[
                {"field":"votes","increment":1.50},{"field":"tags","array_union":[1,{"a":null}]},
                {"field":"at","server_time":true},{"field":"x","remove":true}]},
            {"op":"delete","path":"rooms/8"}],
          "reads":[{"path":"users/ann","version":0},{"collection":"users","where":{"a":1},"at":12}]}"#,
    );
    assert_eq!(CommitRequest::try_from(request), expected);
}

#[test]
fn reads_are_the_same_in_both() {
    let request = pb::QueryRequest {
        collection: "rooms".into(),
        r#where: json(r#"{"open":true}"#),
        select: vec!["topic".into()],
        order_by: vec!["-year".into(), "title".into()],
        limit: 7,
        cursor: "c".into(),
        format: 0,
        at: at(at::Position::Seq(41)),
    };
    let expected = parse_query(
        br#"{"collection":"rooms","where":{"open":true},"select":["topic"],
            "order_by":["-year","title"],"limit":7,"cursor":"c","at":{"seq":41}}"#,
    );
    assert_eq!(Query::try_from(request), expected);
    let list = pb::ListDocumentsRequest {
        collection: "rooms".into(),
        ..Default::default()
    };
    assert_eq!(
        Query::try_from(list),
        parse_query(br#"{"collection":"rooms"}"#)
    );
}

#[test]
fn reads_of_the_past_are_the_same_in_both() {
    let positions = [
        (at::Position::Seq(0), r#"{"seq":0}"#),
        (
            at::Position::Token("AZ8sWgA".into()),
            r#"{"token":"AZ8sWgA"}"#,
        ),
        (
            at::Position::Time(prost_types::Timestamp {
                seconds: 1_795_510_800,
                nanos: 5_999_999,
            }),
            r#"{"time":"2026-11-24T09:00:00.005Z"}"#,
        ),
    ];
    for (position, text) in positions {
        let get = pb::GetDocumentRequest {
            path: "a/b".into(),
            format: 0,
            at: at(position),
        };
        let text = format!(r#"{{"type":"get","id":"g","path":"a/b","at":{text}}}"#);
        match ClientMessage::parse(text.as_bytes()) {
            Ok(ClientMessage::Get { get: expected, .. }) => {
                assert_eq!(Get::try_from(get), Ok(expected));
            }
            other => panic!("{other:?}"),
        }
    }
    let nowhere = pb::GetDocumentRequest {
        path: "a/b".into(),
        at: Some(pb::At { position: None }),
        ..Default::default()
    };
    assert_eq!(
        Get::try_from(nowhere).unwrap_err().code,
        Code::InvalidArgument
    );
    let history = pb::GetHistoryRequest {
        path: "a/b".into(),
        cursor: "c".into(),
        ..Default::default()
    };
    match ClientMessage::parse(br#"{"type":"history","id":"h","path":"a/b","cursor":"c"}"#) {
        Ok(ClientMessage::History { query, .. }) => {
            assert_eq!(HistoryQuery::try_from(history), Ok(query));
        }
        other => panic!("{other:?}"),
    }
    let list = pb::ListConsumersRequest {
        limit: 3,
        ..Default::default()
    };
    match ClientMessage::parse(br#"{"type":"consumers","id":"l","limit":3}"#) {
        Ok(ClientMessage::Consumers {
            request: ConsumerRequest::List(query),
            ..
        }) => assert_eq!(ConsumersQuery::try_from(list), Ok(query)),
        other => panic!("{other:?}"),
    }
    let list = pb::ListCollectionsRequest {
        below: "a/b".into(),
        limit: 3,
        ..Default::default()
    };
    match ClientMessage::parse(br#"{"type":"collections","id":"l","below":"a/b","limit":3}"#) {
        Ok(ClientMessage::Collections { query, .. }) => {
            assert_eq!(CollectionsQuery::try_from(list), Ok(query));
        }
        other => panic!("{other:?}"),
    }
}

fn at(position: at::Position) -> Option<pb::At> {
    Some(pb::At {
        position: Some(position),
    })
}

#[test]
fn a_subscription_is_the_same_in_both() {
    let at = prost_types::Timestamp {
        seconds: 1_795_510_800,
        nanos: 5_999_999,
    };
    let request = pb::SubscribeRequest {
        collection: "rooms".into(),
        r#where: json(r#"{"open":true}"#),
        from: Some(pb::From {
            position: Some(from::Position::Time(at)),
        }),
        old: true,
        end_on_gap: true,
        checkpoint_interval_ms: 500,
        ..Default::default()
    };
    let text = br#"{"type":"subscribe","id":"s","collection":"rooms","where":{"open":true},
        "from":{"time":"2026-11-24T09:00:00.005Z"},"old":true,"end_on_gap":true,
        "checkpoint_interval_ms":500}"#;
    match ClientMessage::parse(text) {
        Ok(ClientMessage::Subscribe {
            request: expected, ..
        }) => {
            assert_eq!(SubscribeRequest::try_from(request), Ok(expected));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn single_document_methods_are_commits_of_one_write() {
    let create = pb::CreateDocumentRequest {
        collection: "rooms".into(),
        data: json("{}"),
        ..Default::default()
    };
    let named = pb::CreateDocumentRequest {
        id: "9".into(),
        ..create.clone()
    };
    let path = |request: pb::CreateDocumentRequest| {
        let commit = request.into_commit(|| "made".into()).unwrap();
        assert_eq!(
            commit.writes[0].action,
            WriteAction::Insert(Data::parse(b"{}").unwrap())
        );
        commit.writes[0].path.as_str().to_owned()
    };
    assert_eq!(
        (path(create), path(named)),
        ("rooms/made".into(), "rooms/9".into())
    );

    let update = pb::UpdateDocumentRequest {
        path: "rooms/7".into(),
        patch: json(r#"{"a":1}"#),
        precondition: Some(pb::update_document_request::Precondition::IfVersion(3)),
        mutation_id: "m".into(),
        ..Default::default()
    };
    let commit = CommitRequest::try_from(update).unwrap();
    assert_eq!(
        commit.writes[0].precondition,
        Some(Precondition::Version(Sequence(3)))
    );
    assert_eq!(commit.mutation_id.unwrap().as_str(), "m");

    let delete = pb::DeleteDocumentRequest {
        path: "rooms/7".into(),
        precondition: Some(pb::delete_document_request::Precondition::IfExists(true)),
        ..Default::default()
    };
    let commit = CommitRequest::try_from(delete).unwrap();
    assert_eq!(commit.writes[0].action, WriteAction::Delete);
    assert_eq!(commit.writes[0].precondition, Some(Precondition::Exists));
}

#[test]
fn a_struct_is_the_object_it_shows() {
    let fields = [
        ("n".to_owned(), value(Kind::NumberValue(3.0))),
        ("x".to_owned(), value(Kind::NumberValue(0.1))),
        ("z".to_owned(), value(Kind::NullValue(0))),
        ("s".to_owned(), value(Kind::StringValue("tea".into()))),
    ];
    let data = pb::Content {
        form: Some(content::Form::Value(Struct {
            fields: fields.into(),
        })),
        inexact: false,
    };
    let commit = commit_of(vec![pb::Write {
        data: Some(data),
        ..write(pb::WriteOp::Set)
    }])
    .unwrap();
    let expected = Data::parse(br#"{"n":3,"s":"tea","x":0.1,"z":null}"#).unwrap();
    assert_eq!(commit.writes[0].action, WriteAction::Set(expected));

    for number in [f64::NAN, f64::INFINITY] {
        let fields = [("n".to_owned(), value(Kind::NumberValue(number)))].into();
        let form = Some(content::Form::Value(Struct { fields }));
        let data = Some(pb::Content {
            form,
            inexact: false,
        });
        let result = commit_of(vec![pb::Write {
            data,
            ..write(pb::WriteOp::Set)
        }]);
        check_refused(result, "writes[0]: data: ");
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    check_refused(commit_of(vec![]), "at least one write");
    check_refused(
        commit_of(vec![write(pb::WriteOp::Unspecified)]),
        "op must be",
    );
    check_refused(
        commit_of(vec![pb::Write {
            op: 99,
            ..write(pb::WriteOp::Set)
        }]),
        "not 99",
    );
    check_refused(commit_of(vec![write(pb::WriteOp::Set)]), "data is needed");
    check_refused(
        commit_of(vec![write(pb::WriteOp::Update)]),
        "patch or transforms",
    );
    let data = json("{}");
    let delete = pb::Write {
        data: data.clone(),
        ..write(pb::WriteOp::Delete)
    };
    check_refused(commit_of(vec![delete]), "WRITE_OP_DELETE does not take");
    let set = pb::Write {
        data: data.clone(),
        patch: data,
        ..write(pb::WriteOp::Set)
    };
    check_refused(commit_of(vec![set]), "WRITE_OP_SET does not take");
    let precondition = Some(pb::write::Precondition::IfExists(false));
    let unsure = pb::Write {
        precondition,
        ..write(pb::WriteOp::Delete)
    };
    check_refused(commit_of(vec![unsure]), "if_exists must be true");
    let array = pb::Write {
        data: json("[]"),
        ..write(pb::WriteOp::Set)
    };
    check_refused(
        commit_of(vec![array]),
        "json must hold an object, not an array",
    );

    let read = |read| {
        CommitRequest::try_from(pb::CommitRequest {
            writes: vec![write(pb::WriteOp::Delete)],
            reads: vec![read],
            ..Default::default()
        })
    };
    let document = pb::Read {
        path: "a/b".into(),
        ..Default::default()
    };
    check_refused(read(document.clone()), "reads[0]: a read needs");
    check_refused(
        read(pb::Read {
            version: Some(1),
            at: Some(2),
            ..document
        }),
        "a read needs",
    );
}

#[test]
fn what_is_known_is_read_and_checked() {
    let read = |token: &str, versions: Vec<(String, u64)>| {
        SubscribeRequest::try_from(pb::SubscribeRequest {
            collection: "rooms".into(),
            known: Some(pb::Known {
                token: token.into(),
                versions: versions.into_iter().collect(),
            }),
            ..Default::default()
        })
    };
    let known = read("AZ8sWgA", vec![("9".into(), 17), ("3".into(), 12)]);
    let expected = Known {
        token: Some(ResumeToken::new("AZ8sWgA")),
        versions: [("3".into(), Sequence(12)), ("9".into(), Sequence(17))].into(),
    };
    assert_eq!(known.unwrap().known, Some(expected));
    assert_eq!(read("", Vec::new()).unwrap().known, Some(Known::default()));
    let code = |versions| read("AZ8sWgA", versions).unwrap_err().code;
    for id in ["", "a/b", "..", "__x"] {
        assert_eq!(code(vec![(id.into(), 1)]), Code::InvalidArgument, "{id}");
    }
    assert_eq!(code(vec![("9".into(), 0)]), Code::InvalidArgument);
    let many =
        |count: usize, bytes: usize| (0..count).map(|n| (format!("{n:0bytes$}"), 1)).collect();
    assert!(read("AZ8sWgA", many(10_000, 5)).is_ok());
    assert_eq!(code(many(10_001, 5)), Code::TooLarge);
    assert_eq!(code(many(5_000, 250)), Code::TooLarge);
}

#[test]
fn times_out_of_range_are_refused() {
    for (seconds, nanos) in [
        (-1, 0),
        (253_402_300_800, 0),
        (0, -1),
        (0, 1_000_000_000),
        (i64::MAX, 0),
    ] {
        let position = Some(from::Position::Time(prost_types::Timestamp {
            seconds,
            nanos,
        }));
        let request = pb::SubscribeRequest {
            collection: "a".into(),
            from: Some(pb::From { position }),
            ..Default::default()
        };
        assert_eq!(
            SubscribeRequest::try_from(request).unwrap_err().code,
            Code::InvalidArgument
        );
    }
    assert!(pb::ContentForm::of(3).is_err());
}
