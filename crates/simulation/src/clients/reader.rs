//! A client that reads: documents, and queries page by page.

use std::sync::Arc;

use wellspring_engine::{Database, ReadError};
use wellspring_testkit::history::DocumentHash;
use wellspring_testkit::history::record::{ReadRecord, Record, StateRecord};
use wellspring_testkit::history::recorder::Recorder;
use wellspring_types::query::{OrderBy, Query, compare};
use wellspring_types::{At, CollectionPath, Document, DocumentPath, Sequence};

use super::patience::turns;
use super::{collection, filter, past};
use crate::world::World;

/// Reads until the database closes, or the process ends.
pub(crate) async fn read(world: Arc<World>, database: Database, recorder: Recorder) {
    loop {
        turns(1 + world.below(10)).await;
        let went_on = match world.below(4) {
            0 | 1 => document(&world, &database, &recorder).await.map(|_| ()),
            2 => query(&world, &database, &recorder).await,
            _ => past::read(&world, &database, &recorder).await,
        };
        match went_on {
            Ok(()) => {}
            Err(ReadError::Cancelled) => return,
            Err(
                ReadError::TooMuchChanged | ReadError::CursorExpired | ReadError::Expired { .. },
            ) => {}
            Err(error) if world.may_fail() => world.note(|| format!("a read fails: {error}")),
            Err(error) => {
                world.fail(format!("a read fails: {error}"));
                return;
            }
        }
    }
}

pub(super) async fn document(
    world: &World,
    database: &Database,
    recorder: &Recorder,
) -> Result<Option<(DocumentPath, Sequence)>, ReadError> {
    let id = world.below(world.plan.documents).to_string();
    let Some(collection) = collection(world) else {
        return Ok(None);
    };
    let path = collection.join(&id);
    let t_inv = recorder.now();
    let found = database.get(&path).await?;
    recorder.read("reader", &path, t_inv, found.as_ref());
    world.count(|counts| counts.reads += 1);
    let version = found.map_or(Sequence::ZERO, |document| document.version);
    Ok(Some((path, version)))
}

async fn query(world: &World, database: &Database, recorder: &Recorder) -> Result<(), ReadError> {
    let Some(collection) = collection(world) else {
        return Ok(());
    };
    let t_inv = recorder.now();
    query_at(world, database, recorder, (collection, None, t_inv)).await?;
    Ok(())
}

/// Reads all pages of some query of a collection and records them, as if it had been asked for at
/// `t_inv`. Returns the query and its documents.
pub(super) async fn query_at(
    world: &World,
    database: &Database,
    recorder: &Recorder,
    (collection, at, t_inv): (CollectionPath, Option<At>, u64),
) -> Result<(Query, Vec<Document>), ReadError> {
    let order: Vec<OrderBy> = match world.below(3) {
        0 => "-n".parse().into_iter().collect(),
        1 => "room".parse().into_iter().collect(),
        _ => Vec::new(),
    };
    let mut query = Query {
        collection,
        filter: filter(world),
        select: None,
        order_by: order.clone(),
        limit: u32::try_from(1 + world.below(6)).unwrap_or(1),
        cursor: None,
        at,
    };
    let mut documents: Vec<Document> = Vec::new();
    let seq = loop {
        let page = database.query(query.clone()).await?;
        documents.extend(page.documents);
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            break page.seq;
        }
        turns(world.below(8)).await;
    };
    let ordered = documents.is_sorted_by(|one, other| compare(&order, one, other).is_lt());
    if !ordered {
        world.fail(format!("a query of {} is not in order", query.collection));
    }
    let hashed = documents.iter().map(|document| StateRecord {
        path: document.path.as_str().into(),
        version: document.version.0,
        hash: Some(DocumentHash::of(&document.data)),
        data: None,
    });
    let filter = query.filter.as_ref().map(|f| f.canonical().to_owned());
    recorder.record(&Record::G(ReadRecord {
        client: "reader".into(),
        t_inv,
        t_ret: recorder.now(),
        collection: Some(query.collection.as_str().into()),
        filter: filter.and_then(|text| serde_json::value::RawValue::from_string(text).ok()),
        seq: Some(seq.0),
        documents: hashed.collect(),
        ..ReadRecord::default()
    }));
    world.count(|counts| counts.reads += 1);
    Ok((query, documents))
}
