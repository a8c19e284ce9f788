//! A client that reads the past: queries page by page, documents, and their histories, which must
//! agree with each other. The judge holds the queries against the log.

use wellspring_engine::{Database, ReadError};
use wellspring_testkit::history::recorder::Recorder;
use wellspring_types::feed::Op;
use wellspring_types::history::HistoryQuery;
use wellspring_types::{At, DocumentPath, Sequence};

use super::collection;
use super::reader::query_at;
use crate::world::World;

/// Reads a collection as of any sequence that is kept, and a document of it.
pub(super) async fn read(
    world: &World,
    database: &Database,
    recorder: &Recorder,
) -> Result<(), ReadError> {
    let Some(collection) = collection(world) else {
        return Ok(());
    };
    let (floor, visible) = (database.floor(), database.visible());
    let pin = Sequence(floor.0 + world.below(visible.0 - floor.0 + 1));
    let at = At::Sequence(pin);
    // Whatever was acknowledged since: the past may have been asked for before.
    let asked = (collection.clone(), Some(at.clone()), 0);
    let (query, documents) = query_at(world, database, recorder, asked).await?;
    let id = world.below(world.plan.documents).to_string();
    let path = collection.join(&id);
    let found = database.get_at(&path, &at).await?;
    let matches = |document: &wellspring_types::Document| {
        let filter = query.filter.as_ref();
        filter.is_none_or(|filter| filter.matches(document.data.object()))
    };
    let listed = documents.iter().find(|document| document.path == path);
    let expected = found.document.as_ref().filter(|found| matches(found));
    if found.seq != pin || listed != expected {
        world.fail(format!("as of {pin} {path} is not what the query shows"));
    }
    history(world, database, &path).await?;
    world.count(|counts| counts.past += 1);
    Ok(())
}

/// Reads the versions of a document, each of which must be what is read as of it.
async fn history(world: &World, database: &Database, path: &DocumentPath) -> Result<(), ReadError> {
    let mut query = HistoryQuery {
        path: path.clone(),
        limit: u32::try_from(1 + world.below(5)).unwrap_or(1),
        cursor: None,
    };
    let mut newer: Option<(Sequence, Option<Op>)> = None;
    loop {
        let page = database.history(query.clone()).await?;
        for version in &page.versions {
            let after = newer.is_none_or(|(newer, _)| version.version < newer);
            let begins = newer.is_some_and(|(_, op)| op == Some(Op::Insert));
            let ends = version.op == Some(Op::Delete);
            if !after || (newer.is_some() && begins != ends) {
                world.fail(format!("the versions of {path} do not follow each other"));
            }
            newer = Some((version.version, version.op));
            let at = At::Sequence(version.version);
            // What made the last one so is below the floor.
            if version.op.is_some() {
                let then = database.get_at(path, &at).await?.document;
                if then.map(|then| then.data) != version.data {
                    world.fail(format!("{path} was not so at {}", version.version));
                }
            }
        }
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            return Ok(());
        }
    }
}
