//! A client that commits: with preconditions, reads that it relies on, repeats, and again what it
//! never learned the outcome of.

use std::sync::Arc;

use parking_lot::Mutex;
use wellspring_engine::{CommitError, Database};
use wellspring_testkit::history::recorder::Recorder;
use wellspring_types::write::{
    CommitRequest, Precondition, Read, Transform, TransformOperation, Write, WriteAction,
};
use wellspring_types::{Data, DocumentPath, Object, Sequence, Value, json};

use super::patience::turns;
use super::reader::document;
use super::{collection, filter, one_of};
use crate::world::World;

/// A commit that was accepted, and what it relied on.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) seq: Sequence,
    pub(crate) reads: Vec<Read>,
}

/// What writers know, through all lives.
#[derive(Default)]
pub(crate) struct Commits {
    next: u64,
    /// Of unknown outcome, or acknowledged, to be sent again.
    again: Vec<Sent>,
    pub(crate) accepted: Vec<Accepted>,
}

#[derive(Clone)]
struct Sent {
    id: String,
    request: CommitRequest,
}

/// Commits until the database closes, or the process ends.
pub(crate) async fn write(
    world: Arc<World>,
    database: Database,
    recorder: Recorder,
    commits: Arc<Mutex<Commits>>,
) {
    loop {
        turns(world.below(8)).await;
        let again = again(&world, &commits);
        let sent = match again {
            Some(sent) => {
                world.count(|counts| counts.repeated += 1);
                sent
            }
            None => match request(&world, &database, &recorder, &commits).await {
                Some(sent) => sent,
                None => continue,
            },
        };
        if !commit(&world, &database, &recorder, (&commits, sent)).await {
            return;
        }
    }
}

fn again(world: &World, commits: &Mutex<Commits>) -> Option<Sent> {
    let mut commits = commits.lock();
    let count = u64::try_from(commits.again.len()).unwrap_or(0);
    if count == 0 || !world.chance(1, 4) {
        return None;
    }
    let place = usize::try_from(world.below(count)).unwrap_or(0);
    Some(commits.again.swap_remove(place))
}

/// Sends it. False: the database is closed.
async fn commit(
    world: &World,
    database: &Database,
    recorder: &Recorder,
    (commits, sent): (&Mutex<Commits>, Sent),
) -> bool {
    // Unknown until something else is known: this client may end while it waits.
    commits.lock().again.push(sent.clone());
    let pending = recorder.write("writer", &sent.id, &sent.request);
    world.note(|| format!("{} is sent", sent.id));
    let answer = database.commit(sent.request.clone()).await;
    world.note(|| {
        format!(
            "{}: {:?}",
            sent.id,
            answer.as_ref().map(|result| result.seq)
        )
    });
    match answer {
        Ok(result) => {
            pending.acknowledged(result.seq);
            world.count(|counts| counts.acknowledged += 1);
            let mut commits = commits.lock();
            let (seq, reads) = (result.seq, sent.request.reads.clone());
            commits.accepted.push(Accepted { seq, reads });
            if world.chance(9, 10) {
                commits.again.retain(|other| other.id != sent.id);
            }
        }
        Err(CommitError::Closed) => return false,
        Err(error @ (CommitError::OutcomeUnknown | CommitError::StoreFailed)) => {
            pending.unknown();
            world.count(|counts| counts.unknown += 1);
            if !world.may_fail() {
                world.fail(format!("a commit fails: {error}"));
            }
            turns(20).await;
        }
        Err(CommitError::ReadOnly(reason)) => {
            // What came before it may be there.
            pending.unknown();
            world.note(|| format!("read-only: {reason}"));
            turns(20).await;
        }
        Err(error) => {
            pending.refused();
            world.count(|counts| counts.refused += 1);
            if matches!(error, CommitError::MutationIdReused { .. }) {
                world.fail(format!("{}: {error}", sent.id));
            }
            commits.lock().again.retain(|other| other.id != sent.id);
        }
    }
    true
}

async fn request(
    world: &World,
    database: &Database,
    recorder: &Recorder,
    commits: &Mutex<Commits>,
) -> Option<Sent> {
    let number = {
        let mut commits = commits.lock();
        commits.next += 1;
        commits.next
    };
    let id = format!("w{number}");
    let mut writes: Vec<Write> = Vec::new();
    for _ in 0..=world.below(3) {
        let (path, version) = if world.chance(1, 4) {
            let (path, version) = document(world, database, recorder).await.ok()??;
            (path, Some(version))
        } else {
            let document = world.below(world.plan.documents).to_string();
            (collection(world)?.join(&document), None)
        };
        if writes.iter().all(|write| write.path != path) {
            let mut write = one(world, &id, path)?;
            write.precondition = version.map(Precondition::Version);
            writes.push(write);
        }
    }
    let mut request = CommitRequest::of(writes);
    request.mutation_id = Some(id.parse().ok()?);
    if world.chance(1, 6) {
        request
            .reads
            .push(reliance(world, database, recorder).await?);
    }
    Some(Sent { id, request })
}

async fn reliance(world: &World, database: &Database, recorder: &Recorder) -> Option<Read> {
    if world.chance(1, 2) {
        let (path, version) = document(world, database, recorder).await.ok()??;
        return Some(Read::Document { path, version });
    }
    let at = Sequence(database.visible().0.saturating_sub(world.below(4)));
    Some(Read::Query {
        collection: collection(world)?,
        filter: filter(world),
        at,
    })
}

fn one(world: &World, id: &str, path: DocumentPath) -> Option<Write> {
    let padding = "x".repeat(usize::try_from(world.below(world.plan.padding_max)).unwrap_or(0));
    let (room, n) = (world.below(3), world.below(10));
    let text = format!(r#"{{"by":"{id}","room":{room},"n":{n},"pad":"{padding}"}}"#);
    let data = Data::parse(text.as_bytes()).ok()?;
    Some(match world.below(10) {
        0 => Write::insert(path, data),
        1 | 2 => Write::delete(path),
        3 => Write::update(path, object(&format!(r#"{{"n":{n}}}"#))?),
        4 => {
            let mut write = Write::update(path, Object::new());
            let by = one_of(world, &["1", "-1", "0.1"]).parse().ok()?;
            write.action = WriteAction::Update {
                patch: Object::new(),
                transforms: vec![Transform {
                    field: "n".parse().ok()?,
                    operation: TransformOperation::Increment(by),
                }],
            };
            write
        }
        _ => Write::set(path, data),
    })
}

fn object(text: &str) -> Option<Object> {
    match json::parse(text.as_bytes()) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}
