//! Commits: atomicity, preconditions, effects, reads, mutation ids.

use wellspring_engine::{CommitError, EffectError};
use wellspring_types::write::{
    CommitRequest, Precondition, Read, Transform, TransformOperation, Write, WriteAction,
};
use wellspring_types::{MutationId, Object, Sequence, Value};

use crate::common::{Fixture, PATIENCE, data, filter, fixture, fixture_with, path, set};

async fn refused(fixture: &Fixture, request: CommitRequest) -> CommitError {
    fixture.database.commit(request).await.unwrap_err()
}

fn object(json: &str) -> Object {
    data(json).object().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_takes_the_next_sequence_and_shows_at_once() {
    let db = fixture();
    assert_eq!(db.set("rooms/1", r#"{"n":1}"#).await, Sequence(1));
    assert_eq!(db.set("rooms/2", r#"{"n":2}"#).await, Sequence(2));
    assert_eq!(db.get("rooms/1").await.as_deref(), Some(r#"{"n":1}"#));
    assert_eq!(db.get("rooms/3").await, None);
    assert_eq!(db.get("nowhere/3").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_come_back_digit_for_digit() {
    let db = fixture();
    let json = r#"{"a":9007199254740993,"b":123456789012345678901234567890,"c":1.10,"d":-0.0}"#;
    db.set("rooms/1", json).await;
    assert_eq!(db.get("rooms/1").await.as_deref(), Some(json));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_commit_is_written_or_nothing() {
    let db = fixture();
    db.set("rooms/1", r#"{"n":1}"#).await;
    let request = CommitRequest::of(vec![
        set("other/9", "{}"),
        Write::insert(path("rooms/1"), data("{}")),
    ]);
    let error = refused(&db, request).await;
    let expected = CommitError::AlreadyExists {
        path: path("rooms/1"),
        version: Sequence(1),
    };
    assert_eq!(error, expected);
    assert_eq!(db.get("other/9").await, None);
    assert_eq!(db.database.visible(), Sequence(1), "no sequence was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn update_and_delete_need_a_document() {
    let db = fixture();
    for write in [
        Write::update(path("rooms/1"), Object::new()),
        Write::delete(path("rooms/1")),
    ] {
        let error = refused(&db, CommitRequest::of(vec![write])).await;
        assert_eq!(
            error,
            CommitError::NotFound {
                path: path("rooms/1")
            }
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions_are_judged_on_the_state_before() {
    let db = fixture();
    let one = || set("rooms/1", "{}");
    let failed = |expected, version| CommitError::PreconditionFailed {
        path: path("rooms/1"),
        expected,
        version: Sequence(version),
    };
    let version_7 = Precondition::Version(Sequence(7));
    for (precondition, version) in [(Precondition::Exists, 0), (version_7, 0)] {
        let request = CommitRequest::of(vec![one().only_if(precondition)]);
        assert_eq!(refused(&db, request).await, failed(precondition, version));
    }
    db.commit(vec![one().only_if(Precondition::Absent)]).await;
    for (precondition, version) in [(Precondition::Absent, 1), (version_7, 1)] {
        let request = CommitRequest::of(vec![one().only_if(precondition)]);
        assert_eq!(refused(&db, request).await, failed(precondition, version));
    }
    db.commit(vec![one().only_if(Precondition::Version(Sequence(1)))])
        .await;
    db.commit(vec![one().only_if(Precondition::Exists)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_occurs_once_and_a_commit_has_1_to_500_writes() {
    let db = fixture();
    assert_eq!(
        refused(&db, CommitRequest::default()).await,
        CommitError::NoWrites
    );
    let twice = CommitRequest::of(vec![set("rooms/1", "{}"), Write::delete(path("rooms/1"))]);
    assert_eq!(
        refused(&db, twice).await,
        CommitError::PathTwice {
            path: path("rooms/1")
        }
    );
    let writes = |n: usize| (0..n).map(|n| set(&format!("rooms/{n}"), "{}")).collect();
    let error = refused(&db, CommitRequest::of(writes(501))).await;
    assert_eq!(error, CommitError::TooManyWrites { writes: 501 });
    db.commit(writes(500)).await;
}

fn update(transforms: Vec<(&str, TransformOperation)>) -> Write {
    let transforms = transforms.into_iter();
    let transforms = transforms
        .map(|(field, operation)| Transform {
            field: field.parse().unwrap(),
            operation,
        })
        .collect();
    let patch = object(r#"{"gone":null,"kept":{"deep":1}}"#);
    let action = WriteAction::Update { patch, transforms };
    Write {
        path: path("rooms/1"),
        action,
        precondition: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_merges_then_transforms() {
    let db = fixture();
    db.set(
        "rooms/1",
        r#"{"gone":1,"n":0.1,"tags":["a"],"kept":{"x":2},"old":1}"#,
    )
    .await;
    let text = |text: &str| Value::String(text.into());
    let result = db.commit(vec![update(vec![
        ("n", TransformOperation::Increment("0.2".parse().unwrap())),
        (
            "new",
            TransformOperation::Increment("9007199254740993".parse().unwrap()),
        ),
        (
            "tags",
            TransformOperation::ArrayUnion(vec![text("a"), text("b"), text("b")]),
        ),
        ("none", TransformOperation::ArrayRemove(vec![text("a")])),
        ("at.time", TransformOperation::ServerTime),
        ("old", TransformOperation::Remove),
        ("missing.field", TransformOperation::Remove),
    ])]);
    let time = result.await.time;
    let expected = format!(
        r#"{{"n":0.3,"tags":["a","b"],"kept":{{"x":2,"deep":1}},"new":9007199254740993,"none":[],"at":{{"time":"{time}"}}}}"#
    );
    assert_eq!(db.get("rooms/1").await, Some(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_that_does_not_fit_is_refused_by_name() {
    let db = fixture();
    db.set("rooms/1", r#"{"s":"text","big":1e308}"#).await;
    let increment = |field: &'static str, by: &str| {
        update(vec![(
            field,
            TransformOperation::Increment(by.parse().unwrap()),
        )])
    };
    let effect = |error| match error {
        CommitError::Effect { source, .. } => source,
        other => panic!("{other:?}"),
    };
    let refusal = refused(&db, CommitRequest::of(vec![increment("s", "1")])).await;
    let field = "s".parse().unwrap();
    let expected = EffectError::WrongType {
        field,
        found: "a string",
        expected: "a number",
    };
    assert_eq!(effect(refusal), expected);
    let refusal = refused(&db, CommitRequest::of(vec![increment("big", "1e308")])).await;
    assert!(matches!(effect(refusal), EffectError::OutOfRange { .. }));
    let refusal = refused(&db, CommitRequest::of(vec![increment("s.deep", "1")])).await;
    assert!(matches!(effect(refusal), EffectError::NoWay { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn transforms_that_would_hold_up_every_writer_are_refused() {
    let db = fixture();
    let long = format!(r#"{{"a":[{}1],"gone":1}}"#, "1,".repeat(100_000));
    db.set("rooms/1", &long).await;
    let one = || {
        let values = vec![Value::Number("2".parse().unwrap())];
        ("a", TransformOperation::ArrayUnion(values))
    };
    let ten = update((0..10).map(|_| one()).collect());
    db.commit(vec![ten]).await;
    let eleven = update((0..11).map(|_| one()).collect());
    let refusal = refused(&db, CommitRequest::of(vec![eleven])).await;
    let source = EffectError::TooManyValues;
    let path = path("rooms/1");
    assert_eq!(refusal, CommitError::Effect { path, source });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_was_read_is_a_conflict() {
    let db = fixture();
    db.set("rooms/1", r#"{"open":true}"#).await;
    let at = db.set("rooms/2", r#"{"open":false}"#).await;
    let with = |read| CommitRequest {
        writes: vec![set("log/1", "{}")],
        reads: vec![read],
        mutation_id: None,
    };
    let document = |version| Read::Document {
        path: path("rooms/1"),
        version: Sequence(version),
    };
    let open = |at| Read::Query {
        collection: "rooms".parse().unwrap(),
        filter: Some(filter(r#"{"open":true}"#)),
        at,
    };
    db.database.commit(with(document(1))).await.unwrap();
    assert!(matches!(
        refused(&db, with(document(0))).await,
        CommitError::Conflict { .. }
    ));
    db.database.commit(with(open(at))).await.unwrap();

    db.set("rooms/2", r#"{"open":false,"n":1}"#).await;
    db.database.commit(with(open(at))).await.unwrap();
    let at = db.set("rooms/1", r#"{"open":false}"#).await;
    let before = Sequence(at.0 - 1);
    assert!(matches!(
        refused(&db, with(open(before))).await,
        CommitError::Conflict { .. }
    ));
    db.database.commit(with(open(at))).await.unwrap();
    let ahead = refused(&db, with(open(Sequence(1000)))).await;
    assert!(matches!(ahead, CommitError::ReadAhead { .. }));
}

fn named(id: &str, writes: Vec<Write>) -> CommitRequest {
    CommitRequest {
        mutation_id: Some(id.parse::<MutationId>().unwrap()),
        writes,
        reads: vec![],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_id_is_applied_once_across_reopening_and_crash() {
    let db = fixture();
    let request = || named("m1", vec![Write::insert(path("rooms/1"), data("{}"))]);
    let (first, again) = tokio::join!(db.database.commit(request()), db.database.commit(request()));
    let first = first.unwrap();
    assert_eq!(again.unwrap(), first);
    let db = db.reopen().await;
    assert_eq!(db.database.commit(request()).await.unwrap(), first);
    let db = db.crash();
    assert_eq!(db.database.commit(request()).await.unwrap(), first);
    let other = refused(&db, named("m1", vec![set("rooms/1", "{}")])).await;
    assert_eq!(
        other,
        CommitError::MutationIdReused {
            id: "m1".into(),
            seq: first.seq
        }
    );
    assert_eq!(db.database.visible(), Sequence(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_commit_leaves_its_mutation_id_free() {
    let db = fixture();
    refused(&db, named("m1", vec![Write::delete(path("rooms/1"))])).await;
    db.database
        .commit(named("m1", vec![set("rooms/1", "{}")]))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_mutation_ids_are_remembered() {
    let db = fixture_with(|options| options.mutation_ids_max = 3);
    for n in 0..4 {
        let writes = vec![set(&format!("rooms/{n}"), "{}")];
        db.database
            .commit(named(&format!("m{n}"), writes))
            .await
            .unwrap();
    }
    let again = |n: u64| named(&format!("m{n}"), vec![set(&format!("rooms/{n}"), "{}")]);
    assert_eq!(db.database.commit(again(1)).await.unwrap().seq, Sequence(2));
    assert_eq!(
        db.database.commit(again(0)).await.unwrap().seq,
        Sequence(5),
        "forgotten"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_refused_before_it_is_full_and_reads_and_repeats_go_on() {
    let db = fixture();
    let request = || named("m1", vec![set("rooms/1", "{}")]);
    let first = db.database.commit(request()).await.unwrap();
    db.database.close().await.unwrap();
    let Fixture {
        database,
        directory,
    } = db;
    drop(database);
    let mut options = crate::common::options(&directory);
    options.reserve_bytes = u64::MAX;
    let database = wellspring_engine::Database::open(options, &mut |_| {}).unwrap();
    let db = Fixture {
        database,
        directory,
    };
    let error = refused(&db, CommitRequest::of(vec![set("rooms/2", "{}")])).await;
    assert!(matches!(
        error,
        CommitError::ReadOnly(wellspring_engine::ReadOnlyReason::DiskFull)
    ));
    assert_eq!(db.get("rooms/1").await.as_deref(), Some("{}"));
    assert_eq!(db.database.commit(request()).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_closing_nothing_is_accepted() {
    let db = fixture();
    db.database.close().await.unwrap();
    let error = refused(&db, CommitRequest::of(vec![set("rooms/2", "{}")])).await;
    assert_eq!(error, CommitError::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_of_too_long_ago_is_a_conflict_rather_than_a_long_search() {
    let db = fixture_with(|options| options.query_scan_ms_max = 0);
    db.set("rooms/1", r#"{"open":false}"#).await;
    let since = |at| CommitRequest {
        reads: vec![Read::Query {
            collection: "rooms".parse().unwrap(),
            filter: Some(filter(r#"{"open":true}"#)),
            at: Sequence(at),
        }],
        ..CommitRequest::of(vec![set("rooms/2", "{}")])
    };
    assert!(matches!(
        refused(&db, since(0)).await,
        CommitError::Conflict { .. }
    ));
    db.database.commit(since(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_not_in_conflict_with_what_it_did_the_first_time() {
    let db = fixture();
    let at = db.set("rooms/1", r#"{"open":false}"#).await;
    let query = Read::Query {
        collection: "rooms".parse().unwrap(),
        filter: Some(filter(r#"{"open":true}"#)),
        at,
    };
    let document = Read::Document {
        path: path("rooms/1"),
        version: at,
    };
    let request = |read, id: &str| CommitRequest {
        reads: vec![read],
        mutation_id: Some(id.parse().unwrap()),
        ..CommitRequest::of(vec![set("rooms/1", r#"{"open":true}"#)])
    };
    let first = db.database.commit(request(query.clone(), "q")).await;
    assert_eq!(db.database.commit(request(query.clone(), "q")).await, first);
    assert!(matches!(
        refused(&db, request(query, "other")).await,
        CommitError::Conflict { .. }
    ));
    assert!(matches!(
        refused(&db, request(document, "q")).await,
        CommitError::MutationIdReused { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_does_not_wait_for_whoever_is_slow_to_take_an_answer() {
    let db = fixture();
    let mut slow = std::pin::pin!(
        db.database
            .commit(CommitRequest::of(vec![set("rooms/1", "{}")]))
    );
    // Sent, and not asked for its answer again.
    std::future::poll_fn(|context| {
        assert!(slow.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    let closed = tokio::time::timeout(PATIENCE, db.database.close()).await;
    closed.expect("it closes").unwrap();
    assert_eq!(slow.await.unwrap().seq, Sequence(1));
}
