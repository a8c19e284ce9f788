//! How many consumers there may be.

use super::*;

fn named(name: &str) -> SubscribeRequest {
    let mut request = request(From::Now);
    request.consumer = Some(Consuming::new(name.parse().unwrap()));
    request
}

/// What becomes of a consumer that would be one too many: how many there are, of how many.
async fn too_many(db: &Fixture, name: &str) -> (u64, u32) {
    let mut worker = Worker::new(db.database.consume(named(name)).unwrap());
    match worker.next().await.unwrap_err() {
        ConsumeError::TooMany { count, max } => (count, max),
        other => panic!("{other:?}"),
    }
}

async fn delete(db: &Fixture, name: &str) {
    let name = name.parse().unwrap();
    db.database.delete_consumer(&name).await.unwrap();
}

#[tokio::test]
async fn no_more_consumers_are_made_than_there_may_be() {
    let db = fixture_with(|options| options.consumers_max = 2);
    for name in ["a", "b"] {
        drop(join_as(&db, named(name)).await);
    }
    assert_eq!(too_many(&db, "c").await, (2, 2));
    // Those that are there can be taken part in, and make room where they go.
    drop(join_as(&db, named("a")).await);
    delete(&db, "b").await;
    drop(join_as(&db, named("c")).await);
    assert_eq!(too_many(&db, "b").await, (2, 2));
    let there = all(&db).await.into_iter().map(|one| one.name.to_string());
    assert_eq!(there.collect::<Vec<_>>(), ["a", "c"]);
}

#[tokio::test]
async fn those_from_before_an_opening_count_and_go_on_under_a_lower_limit() {
    let db = fixture();
    for name in ["a", "b", "c", "d"] {
        drop(join_as(&db, named(name)).await);
    }
    delete(&db, "b").await;
    let db = db.crash_into(|options| options.consumers_max = 3);
    assert_eq!(too_many(&db, "b").await, (3, 3));
    let db = db.crash_into(|options| options.consumers_max = 1);
    drop(join_as(&db, named("d")).await);
    // One that goes before anybody has counted is not counted.
    delete(&db, "a").await;
    assert_eq!(too_many(&db, "b").await, (2, 1));
    delete(&db, "c").await;
    delete(&db, "d").await;
    drop(join_as(&db, named("b")).await);
    assert_eq!(too_many(&db, "a").await, (1, 1));
}
