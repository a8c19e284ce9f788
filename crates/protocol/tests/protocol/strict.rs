//! gRPC requests are refused for what prost would drop in silence.

use proptest::prelude::*;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::pb::{self, content, elements, from, transform};
use wellspring_protocol::strict::{StrictError, check_request};

const COMMIT: &str = "wellspring.v1.CommitRequest";
const SUBSCRIBE: &str = "wellspring.v1.SubscribeRequest";

/// Field 500, a varint.
const UNKNOWN: [u8; 3] = [0xa0, 0x1f, 1];

fn nested(levels: usize) -> pb::Content {
    let mut value = Struct::default();
    for _ in 1..levels {
        let kind = Some(Kind::StructValue(value));
        value = Struct {
            fields: [("a".to_owned(), prost_types::Value { kind })].into(),
        };
    }
    pb::Content {
        form: Some(content::Form::Value(value)),
        inexact: false,
    }
}

fn subscribe(filter: pb::Content) -> pb::SubscribeRequest {
    pb::SubscribeRequest {
        r#where: Some(filter),
        ..Default::default()
    }
}

/// `inner` as the value of nested fields with these numbers, outermost first.
fn wrapped(numbers: &[u8], inner: Vec<u8>) -> Vec<u8> {
    numbers.iter().rev().fold(inner, |inner, number| {
        let mut outer = vec![number << 3 | 2];
        prost::encode_length_delimiter(inner.len(), &mut outer).unwrap();
        outer.extend(inner);
        outer
    })
}

/// A request with every kind of message in it.
fn rich_commit() -> pb::CommitRequest {
    let list = ListValue {
        values: vec![prost_types::Value {
            kind: Some(Kind::NumberValue(1.5)),
        }],
    };
    let transforms = vec![
        pb::Transform {
            field: "n".into(),
            operation: Some(transform::Operation::Increment("1".into())),
        },
        pb::Transform {
            field: "l".into(),
            operation: Some(transform::Operation::ArrayUnion(pb::Elements {
                form: Some(elements::Form::Values(list)),
            })),
        },
    ];
    let update = pb::Write {
        op: pb::WriteOp::Update.into(),
        path: "a/b".into(),
        patch: Some(nested(3)),
        transforms,
        precondition: Some(pb::write::Precondition::IfVersion(7)),
        ..Default::default()
    };
    let read = pb::Read {
        collection: "a".into(),
        r#where: Some(nested(2)),
        at: Some(3),
        ..Default::default()
    };
    pb::CommitRequest {
        mutation_id: "m".into(),
        writes: vec![update],
        reads: vec![read],
    }
}

#[test]
fn what_prost_encodes_is_accepted() {
    assert_eq!(
        check_request(COMMIT, &rich_commit().encode_to_vec()),
        Ok(())
    );
    let request = pb::SubscribeRequest {
        collection: "a".into(),
        select: vec!["x".into(), "y".into()],
        from: Some(pb::From {
            position: Some(from::Position::Time(prost_types::Timestamp {
                seconds: 1,
                nanos: 2,
            })),
        }),
        known: Some(pb::Known {
            token: "T".into(),
            versions: [("b".to_owned(), u64::MAX)].into(),
        }),
        checkpoint_interval_ms: 100,
        format: 2,
        old: true,
        ..subscribe(nested(30))
    };
    assert_eq!(check_request(SUBSCRIBE, &request.encode_to_vec()), Ok(()));
}

#[test]
fn an_unknown_field_is_refused_at_any_level_and_named() {
    let mut bytes = rich_commit().encode_to_vec();
    bytes.extend(UNKNOWN);
    let error = check_request(COMMIT, &bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "wellspring.v1.CommitRequest has no field 500"
    );
    assert_eq!(WireError::from(error).code, Code::InvalidArgument);

    // In a write, in its data, in that Struct, and in its entry and Value.
    let inside = |tags: &[u8]| {
        let bytes = wrapped(tags, UNKNOWN.to_vec());
        check_request(COMMIT, &bytes).unwrap_err().to_string()
    };
    assert_eq!(inside(&[2]), "wellspring.v1.Write has no field 500");
    assert_eq!(inside(&[2, 3]), "wellspring.v1.Content has no field 500");
    assert_eq!(
        inside(&[2, 3, 2]),
        "google.protobuf.Struct has no field 500"
    );
    assert_eq!(
        inside(&[2, 3, 2, 1]),
        "google.protobuf.Struct.FieldsEntry has no field 500"
    );
    assert_eq!(
        inside(&[2, 3, 2, 1, 2]),
        "google.protobuf.Value has no field 500"
    );
    assert_eq!(
        inside(&[2, 3, 2, 1, 2, 6]),
        "google.protobuf.ListValue has no field 500"
    );
    assert_eq!(inside(&[2, 5]), "wellspring.v1.Transform has no field 500");
    assert_eq!(
        inside(&[3, 4, 2]),
        "google.protobuf.Struct has no field 500"
    );
}

#[test]
fn structs_have_at_most_thirty_levels() {
    let check = |levels| check_request(SUBSCRIBE, &subscribe(nested(levels)).encode_to_vec());
    assert_eq!(check(30), Ok(()));
    assert_eq!(check(31), Err(StrictError::TooDeep));
    // Deeper than prost would decode, and than a stack would hold: field, entry, Value, Struct.
    let mut tags = vec![2, 2];
    tags.extend([1, 2, 5].repeat(20_000));
    let bytes = wrapped(&tags, Vec::new());
    assert_eq!(check_request(SUBSCRIBE, &bytes), Err(StrictError::TooDeep));
    assert_eq!(WireError::from(StrictError::TooDeep).code, Code::TooDeep);
}

#[test]
fn what_passes_at_the_greatest_depth_prost_decodes() {
    let deepest = pb::CommitRequest {
        writes: vec![pb::Write {
            data: Some(nested(30)),
            ..Default::default()
        }],
        ..Default::default()
    };
    let bytes = deepest.encode_to_vec();
    assert_eq!(check_request(COMMIT, &bytes), Ok(()));
    assert_eq!(pb::CommitRequest::decode(bytes.as_slice()), Ok(deepest));
}

#[test]
fn malformed_bytes_are_refused() {
    let error = |bytes: &[u8]| check_request(COMMIT, bytes).unwrap_err().to_string();
    assert!(error(&[0x0a, 5, b'x']).ends_with("it ends within a field"));
    assert!(error(&[0xff; 11]).ends_with("a varint does not end"));
    assert!(error(&[0x80]).ends_with("a varint does not end"));
    assert!(error(&[0x02, 0]).ends_with("a field's number is out of range"));
    assert!(error(&[0x0b, 0x0c]).ends_with("a wire type that is not used"));
    assert_eq!(
        error(&[0x10, 1]),
        "field 2 of wellspring.v1.CommitRequest is not encoded as a message"
    );
}

#[test]
fn responses_and_other_messages_pass() {
    assert_eq!(
        check_request("wellspring.v1.SubscribeResponse", &UNKNOWN),
        Ok(())
    );
    assert_eq!(
        check_request("grpc.health.v1.HealthCheckRequest", &UNKNOWN),
        Ok(())
    );
}

proptest! {
    #[test]
    fn an_unknown_field_anywhere_is_refused(
        number in 100_u32..1 << 28,
        value in any::<u64>(),
        levels in 1_usize..30,
    ) {
        let mut unknown = Vec::new();
        prost::encoding::uint64::encode(number, &value, &mut unknown);
        let mut bytes = nested(levels).encode_to_vec();
        bytes.extend(&unknown);
        let outer = wrapped(&[2], bytes);
        let message = "wellspring.v1.Content".to_owned();
        let expected = StrictError::UnknownField { message, number };
        prop_assert_eq!(check_request(SUBSCRIBE, &outer), Err(expected));
    }
}
