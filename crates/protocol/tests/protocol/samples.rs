//! Values that tests are made of.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use wellspring_protocol::json::consumers::ConsumerRequest;
use wellspring_protocol::json::{ClientMessage, Hello};
use wellspring_types::consumer::{ConsumerName, ConsumersQuery, Consuming};
use wellspring_types::feed::{
    Cause, Change, Encoded, FeedCommit, FeedMessage, From, How, Known, Op, ResetReason,
    SubscribeRequest, View,
};
use wellspring_types::history::{DocumentVersion, HistoryPage, HistoryQuery};
use wellspring_types::listing::{CollectionsPage, CollectionsQuery};
use wellspring_types::query::{Get, OrderBy, Query};
use wellspring_types::write::{
    CommitRequest, Precondition, Read, Transform, TransformOperation, Write, WriteAction,
};
use wellspring_types::{
    At, CollectionPath, CollectionSet, Data, Document, DocumentPath, FieldPath, Filter, MutationId,
    Number, Object, ResumeToken, Select, Sequence, Timestamp, Value,
};

pub(crate) fn data(text: &str) -> Data {
    Data::parse(text.as_bytes()).unwrap()
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn path(text: &str) -> DocumentPath {
    text.parse().unwrap()
}

pub(crate) fn token(text: &str) -> ResumeToken {
    ResumeToken::new(text)
}

pub(crate) fn commit(seq: u64, changes: Vec<Change>) -> Arc<FeedCommit> {
    Arc::new(FeedCommit {
        seq: Sequence(seq),
        time: time("2026-11-24T09:00:01.000Z"),
        actor: None,
        mutation_id: None,
        changes,
        conflated: false,
        encoded: Encoded::default(),
    })
}

pub(crate) fn insert(seq: u64, at: &str, document: &str) -> Change {
    Change {
        op: Op::Insert,
        cause: None,
        path: path(at),
        version: Sequence(seq),
        data: Some(data(document)),
        old: None,
        patch: None,
    }
}

/// A document of about `bytes` bytes.
pub(crate) fn text_of(bytes: usize) -> String {
    format!("{{\"text\":\"{}\"}}", "x".repeat(bytes))
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        Just("0"),
        Just("-0.0"),
        Just("1e300"),
        Just("123456789012345678901234567890.5"),
        Just("9007199254740993"),
        Just("-1.50E-7"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(|text| Value::Number(text.parse().unwrap())),
        any::<i64>().prop_map(|number| Value::Number(Number::from(number))),
        ".{0,8}".prop_map(|text| Value::String(text.into())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((".{0,4}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

pub(crate) fn any_object() -> impl Strategy<Value = Object> {
    vec((".{0,6}", any_value()), 0..4).prop_map(|members| members.into_iter().collect())
}

pub(crate) fn any_data() -> impl Strategy<Value = Data> {
    any_object().prop_map(|object| Data::from_object(object).unwrap())
}

fn any_collection() -> impl Strategy<Value = CollectionPath> {
    r#"[a-z"\\é]{1,6}"#.prop_map(|text| text.parse().unwrap())
}

pub(crate) fn any_path() -> impl Strategy<Value = DocumentPath> {
    (any_collection(), r#"[a-zA-Z0-9 %"\\-]{1,6}"#)
        .prop_map(|(collection, id)| collection.document(&id).unwrap())
}

fn any_field() -> impl Strategy<Value = FieldPath> {
    "[a-z]{1,4}(\\.[a-z\"]{1,4}){0,2}|/[a-z.]{1,4}".prop_map(|text| text.parse().unwrap())
}

pub(crate) fn any_sequence() -> impl Strategy<Value = Sequence> {
    prop_oneof![(0_u64..100), Just(u64::MAX)].prop_map(Sequence)
}

pub(crate) fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::MAX.as_millis()).prop_map(Timestamp::from_millis)
}

pub(crate) fn any_token() -> impl Strategy<Value = ResumeToken> {
    "[A-Za-z0-9_-]{1,20}".prop_map(|text| ResumeToken::new(&text))
}

fn any_mutation_id() -> impl Strategy<Value = Option<MutationId>> {
    option::of(r#"[a-z"\\]{1,8}"#.prop_map(|text| text.parse().unwrap()))
}

fn any_filter() -> impl Strategy<Value = Option<Filter>> {
    let filter = (any_field(), any_value()).prop_map(|(field, value)| {
        let operator = Object::from_iter([("eq", value)]);
        let text = field.as_str().to_owned();
        Filter::from_value(&Value::Object(Object::from_iter([(
            text,
            Value::Object(operator),
        )])))
        .unwrap()
    });
    option::of(filter)
}

fn any_select() -> impl Strategy<Value = Option<Select>> {
    option::of(vec(any_field(), 1..3).prop_map(|fields| Select::new(fields).unwrap()))
}

fn any_transform() -> impl Strategy<Value = Transform> {
    let operation = prop_oneof![
        any::<i64>().prop_map(|number| TransformOperation::Increment(Number::from(number))),
        vec(any_value(), 0..3).prop_map(TransformOperation::ArrayUnion),
        vec(any_value(), 0..3).prop_map(TransformOperation::ArrayRemove),
        Just(TransformOperation::ServerTime),
        Just(TransformOperation::Remove),
    ];
    (any_field(), operation).prop_map(|(field, operation)| Transform { field, operation })
}

fn any_write() -> impl Strategy<Value = Write> {
    let action = prop_oneof![
        any_data().prop_map(WriteAction::Insert),
        any_data().prop_map(WriteAction::Set),
        (any_object(), vec(any_transform(), 0..3))
            .prop_map(|(patch, transforms)| WriteAction::Update { patch, transforms }),
        Just(WriteAction::Delete),
    ];
    let precondition = prop_oneof![
        any_sequence().prop_map(Precondition::Version),
        Just(Precondition::Absent),
        Just(Precondition::Exists),
    ];
    (any_path(), action, option::of(precondition)).prop_map(|(path, action, precondition)| Write {
        path,
        action,
        precondition,
    })
}

fn any_read() -> impl Strategy<Value = Read> {
    prop_oneof![
        (any_path(), any_sequence()).prop_map(|(path, version)| Read::Document { path, version }),
        (any_collection(), any_filter(), any_sequence()).prop_map(|(collection, filter, at)| {
            Read::Query {
                collection,
                filter,
                at,
            }
        }),
    ]
}

pub(crate) fn any_commit_request() -> impl Strategy<Value = CommitRequest> {
    (
        any_mutation_id(),
        vec(any_write(), 1..4),
        vec(any_read(), 0..3),
    )
        .prop_map(|(mutation_id, writes, reads)| CommitRequest {
            mutation_id,
            writes,
            reads,
        })
}

fn any_at() -> impl Strategy<Value = Option<At>> {
    option::of(prop_oneof![
        any::<u64>().prop_map(|seq| At::Sequence(Sequence(seq))),
        any_token().prop_map(At::Token),
        any_time().prop_map(At::Time),
    ])
}

fn any_query() -> impl Strategy<Value = Query> {
    let order_by = ("-?", any_field())
        .prop_map(|(sign, field)| format!("{sign}{field}").parse::<OrderBy>().unwrap());
    let page = (vec(order_by, 0..3), 1_u32..=1000, option::of(".{0,6}"));
    (any_collection(), any_filter(), any_select(), page, any_at()).prop_map(
        |(collection, filter, select, (order_by, limit, cursor), at)| Query {
            collection,
            filter,
            select,
            order_by,
            limit,
            cursor,
            at,
        },
    )
}

fn any_consumer_name() -> impl Strategy<Value = ConsumerName> {
    "[a-z][a-zé \"-]{0,8}".prop_map(|name| name.parse().unwrap())
}

fn any_consumer_request() -> impl Strategy<Value = ConsumerRequest> {
    let page = (1_u32..=1000, option::of(".{0,6}"));
    prop_oneof![
        any_token().prop_map(ConsumerRequest::Ack),
        page.prop_map(|(limit, cursor)| ConsumerRequest::List(ConsumersQuery { limit, cursor })),
        any_consumer_name().prop_map(ConsumerRequest::Delete),
    ]
}

fn any_subscribe() -> impl Strategy<Value = SubscribeRequest> {
    let from = prop_oneof![
        Just(From::Now),
        Just(From::Snapshot),
        Just(From::Beginning),
        any_token().prop_map(From::Token),
        any_time().prop_map(From::Time),
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let view = (any_filter(), any_select());
    let versions = btree_map("[a-z\\PC&&[^/*._]]{1,9}", any_sequence(), 0..4);
    let known = (option::of(any_token()), versions);
    let known = option::of(known.prop_map(|(token, versions)| {
        let versions = versions
            .into_iter()
            .map(|(id, seq)| (id.into(), seq.max(Sequence(1))));
        Known {
            token,
            versions: versions.collect(),
        }
    }));
    let from = (from, known);
    let patterns =
        proptest::sample::subsequence(vec!["*", "rooms", "rooms/*/b", "a/1/**", "**"], 1..=5);
    let several = patterns.prop_map(|patterns| {
        CollectionSet::matching(patterns.iter().map(|pattern| pattern.parse().unwrap())).unwrap()
    });
    let collections = prop_oneof![any_collection().prop_map(CollectionSet::from), several];
    let consumer = option::of((any_consumer_name(), 1_u32..=10_000, 1000_u64..=3_600_000));
    let consumer = consumer.prop_map(|consumer| {
        consumer.map(|(name, unacked_max, ack_timeout_ms)| Consuming {
            name,
            unacked_max,
            ack_timeout_ms,
        })
    });
    (collections, view, from, flags, 100_u64..=25_000, consumer).prop_map(
        |(
            collections,
            (filter, select),
            (from, known),
            (old, patch, end_on_gap, conflate),
            interval_ms,
            consumer,
        )| {
            SubscribeRequest {
                known: known.filter(|_| collections.only().is_some()),
                collections,
                view: View {
                    filter,
                    select,
                    old,
                    patch,
                },
                from,
                consumer,
                conflate,
                end_on_gap,
                checkpoint_interval_ms: interval_ms,
            }
        },
    )
}

pub(crate) fn any_client_message() -> impl Strategy<Value = ClientMessage> {
    let id = || ".{1,8}";
    prop_oneof![
        (option::of(".{0,8}"), option::of(".{0,8}")).prop_map(|(access_token, client)| {
            ClientMessage::Hello(Hello {
                access_token,
                client,
            })
        }),
        (id(), any_commit_request())
            .prop_map(|(id, request)| ClientMessage::Commit { id, request }),
        (id(), any_path(), any_at()).prop_map(|(id, path, at)| ClientMessage::Get {
            id,
            get: Get { path, at },
        }),
        (id(), any_path(), 1_u32..=1000, option::of(".{0,6}")).prop_map(
            |(id, path, limit, cursor)| ClientMessage::History {
                id,
                query: HistoryQuery {
                    path,
                    limit,
                    cursor,
                },
            },
        ),
        (
            id(),
            option::of(any_path()),
            1_u32..=1000,
            option::of(".{0,6}")
        )
            .prop_map(|(id, below, limit, cursor)| ClientMessage::Collections {
                id,
                query: CollectionsQuery {
                    below,
                    limit,
                    cursor,
                },
            }),
        (id(), any_consumer_request())
            .prop_map(|(id, request)| ClientMessage::Consumers { id, request }),
        (id(), any_query()).prop_map(|(id, query)| ClientMessage::Query { id, query }),
        (id(), any_subscribe()).prop_map(|(id, request)| ClientMessage::Subscribe { id, request }),
        id().prop_map(|id| ClientMessage::Unsubscribe { id }),
        any::<u64>().prop_map(|n| ClientMessage::Ping { n }),
    ]
}

pub(crate) fn any_document() -> impl Strategy<Value = Document> {
    (
        any_path(),
        any_sequence(),
        any_time(),
        any_time(),
        any_data(),
    )
        .prop_map(|(path, version, created_at, updated_at, data)| Document {
            path,
            version,
            created_at,
            updated_at,
            data,
        })
}

pub(crate) fn any_history() -> impl Strategy<Value = HistoryPage> {
    let op = prop_oneof![Just(Op::Insert), Just(Op::Update), Just(Op::Delete)];
    let actor = option::of(r#"[a-z"\\]{1,8}"#);
    let version = (
        (any_sequence(), any_time(), option::of(op)),
        (option::of(any_data()), actor, any_mutation_id()),
    );
    let version =
        version.prop_map(
            |((version, time, op), (data, actor, mutation_id))| DocumentVersion {
                version,
                time,
                op,
                data,
                actor: actor.map(Into::into),
                mutation_id,
            },
        );
    let page = (vec(version, 0..4), any_sequence());
    (page, option::of(".{0,6}"), any::<bool>()).prop_map(|((versions, seq), cursor, truncated)| {
        HistoryPage {
            versions,
            seq,
            cursor,
            truncated,
        }
    })
}

pub(crate) fn any_collections() -> impl Strategy<Value = CollectionsPage> {
    let page = (vec(any_path(), 0..4), any_sequence(), option::of(".{0,6}"));
    page.prop_map(|(documents, seq, cursor)| CollectionsPage {
        collections: documents.iter().map(DocumentPath::collection).collect(),
        seq,
        cursor,
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    let op = prop_oneof![Just(Op::Insert), Just(Op::Update), Just(Op::Delete)];
    let cause = prop_oneof![Just(Cause::Filter), Just(Cause::Rules), Just(Cause::Window)];
    let images = (
        option::of(any_data()),
        option::of(any_data()),
        option::of(any_data()),
    );
    (op, option::of(cause), any_path(), any_sequence(), images).prop_map(
        |(op, cause, path, version, (data, old, patch))| Change {
            op,
            cause,
            path,
            version,
            data,
            old,
            patch,
        },
    )
}

fn any_feed_commit() -> impl Strategy<Value = Arc<FeedCommit>> {
    let actor = option::of(r#"[a-z"\\]{1,8}"#);
    (
        any_sequence(),
        any_time(),
        actor,
        any_mutation_id(),
        vec(any_change(), 1..4),
        any::<bool>(),
    )
        .prop_map(|(seq, time, actor, mutation_id, changes, conflated)| {
            Arc::new(FeedCommit {
                seq,
                time,
                actor: actor.map(Into::into),
                mutation_id,
                changes,
                conflated,
                encoded: Encoded::default(),
            })
        })
}

pub(crate) fn any_feed_message() -> impl Strategy<Value = FeedMessage> {
    let how = prop_oneof![Just(How::Live), Just(How::Snapshot), Just(How::Resumed)];
    let reason = prop_oneof![
        Just(ResetReason::Retention),
        Just(ResetReason::Epoch),
        Just(ResetReason::Rules),
    ];
    prop_oneof![
        (how, any_sequence(), option::of(any_token()), any::<bool>()).prop_map(
            |(how, seq, token, known)| FeedMessage::Subscribed {
                how,
                seq,
                token,
                known
            }
        ),
        (
            vec(any_document(), 0..4),
            vec(any_path(), 0..3),
            any_token()
        )
            .prop_map(|(documents, removed, token)| FeedMessage::Snapshot {
                documents,
                removed,
                token
            }),
        (any_sequence(), any_token()).prop_map(|(seq, token)| FeedMessage::Current { seq, token }),
        (vec(any_feed_commit(), 1..4), any_token())
            .prop_map(|(commits, token)| FeedMessage::Changes { commits, token }),
        (any_sequence(), any_token())
            .prop_map(|(seq, token)| FeedMessage::Checkpoint { seq, token }),
        (reason, any::<bool>()).prop_map(|(reason, known)| FeedMessage::Reset { reason, known }),
    ]
}
