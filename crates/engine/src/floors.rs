//! Floors: the last sequence whose changes are no longer offered to those who come back, of the
//! whole database and of single collections.
//!
//! A floor moves by a commit, like everything that clients can observe: it is a document of the
//! reserved collection [`COLLECTION`], so that every replay of the log has it at the same place in
//! the order. What settings ask for decides about that commit, never about what is offered. What
//! is below a floor may stay in the log for as long as its disk space is not wanted back.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use wellspring_store::{ScanLimit, Scanned, Store, StoreError};
use wellspring_types::write::{CommitRequest, Precondition, Write};
use wellspring_types::{
    CollectionId, CollectionPath, CollectionSet, Data, Number, Object, Sequence, Timestamp, Value,
    limits,
};

use crate::collections::Collections;
use crate::commit::{Commit, CommitError, DocumentChange};
use crate::pipeline::Command;

/// The reserved collection of the floors.
pub(crate) const COLLECTION: &str = "__floors";
/// The document of the whole database's; a collection's is called by the collection's number.
pub(crate) const ALL: &str = "all";

/// A wish that changes are no longer offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloorMove {
    /// Whose; `None`: everybody's.
    pub collection: Option<CollectionPath>,
    /// The last sequence that is to be no longer offered.
    pub through: Sequence,
}

/// What became of a [`FloorMove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorMoved {
    /// Where the floor is now. A collection's is never below that of the whole database.
    pub floor: Sequence,
    /// The commit that has moved it; `None`: it was there already, or further, and never moves
    /// back.
    pub seq: Option<Sequence>,
}

/// Why a floor was not moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FloorError {
    /// It would withhold what is not committed yet.
    #[error("a floor at {through} is beyond the last commit, {visible}")]
    Ahead {
        /// Where it was to be.
        through: Sequence,
        /// The last visible sequence.
        visible: Sequence,
    },
    /// Nothing was ever written to the collection, so that there is nothing to withhold.
    #[error("nothing was ever written to {collection}")]
    UnknownCollection {
        /// The collection.
        collection: CollectionPath,
    },
    /// The commit was refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// A collection's own floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionFloor {
    /// The collection.
    pub collection: CollectionPath,
    /// The last sequence whose changes are no longer offered.
    pub through: Sequence,
}

/// The floors as of what is visible.
pub(crate) struct Floors {
    state: RwLock<State>,
    collections: Arc<Collections>,
}

#[derive(Default)]
struct State {
    all: Floor,
    of: HashMap<CollectionId, Floor>,
}

#[derive(Clone, Copy, Default)]
struct Floor {
    through: Sequence,
    /// Of the document that says so; zero: there is none.
    version: Sequence,
}

/// Whom a floor concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Concerned {
    Everybody,
    Collection(CollectionPath),
}

impl Floors {
    /// The floors that are in `store`, which has applied everything.
    pub(crate) fn load(
        store: &dyn Store,
        collections: Arc<Collections>,
    ) -> Result<Floors, StoreError> {
        let mut state = State::default();
        if let Some(id) = collections.id(COLLECTION) {
            let limit = ScanLimit {
                documents: 512,
                bytes: limits::PAGE_BYTES_MAX,
            };
            let mut after: Option<Box<str>> = None;
            loop {
                let page = store.scan(id, after.as_deref(), limit)?;
                for entry in page.entries {
                    // Nobody writes yet: none is replaced while it is read.
                    let Scanned::Document(document) = entry else {
                        continue;
                    };
                    let data = Data::from_stored(document.data);
                    state.note(&document.id, &data, document.version);
                    after = Some(document.id);
                }
                if page.end {
                    break;
                }
            }
        }
        Ok(Floors {
            state: RwLock::new(state),
            collections,
        })
    }

    /// Takes note of what a commit that has become visible says.
    pub(crate) fn absorb(&self, commit: &Commit) {
        for change in moves(commit) {
            if let Some(data) = &change.after {
                self.state.write().note(change.path.id(), data, commit.seq);
            }
        }
    }

    /// The whole database's floor.
    pub(crate) fn all(&self) -> Sequence {
        self.state.read().all.through
    }

    /// The floor of a collection: its own or the whole database's, whichever is higher.
    pub(crate) fn of(&self, collection: &str) -> Sequence {
        let id = self.collections.id(collection);
        let state = self.state.read();
        let own = id.and_then(|id| state.of.get(&id));
        own.map_or(state.all.through, |own| own.through.max(state.all.through))
    }

    /// The same, by the collection's number.
    pub(crate) fn of_number(&self, id: CollectionId) -> Sequence {
        let state = self.state.read();
        let own = state.of.get(&id).copied().unwrap_or_default();
        own.through.max(state.all.through)
    }

    /// The highest floor of any of these collections.
    pub(crate) fn of_set(&self, set: &CollectionSet) -> Sequence {
        if let Some(only) = set.only() {
            return self.of(only.as_str());
        }
        let state = self.state.read();
        let concerns = |id: &CollectionId| {
            let path = self.collections.path(*id);
            path.is_some_and(|path| set.contains(&path))
        };
        let own = state.of.iter().filter(|(id, _)| concerns(id));
        let own = own.map(|(_, own)| own.through).max().unwrap_or_default();
        own.max(state.all.through)
    }

    /// How many collections have a floor of their own.
    pub(crate) fn count(&self) -> usize {
        self.state.read().of.len()
    }

    /// The floors that collections have of their own, in the order of their paths.
    pub(crate) fn own(&self) -> Vec<CollectionFloor> {
        let own: Vec<_> = {
            let state = self.state.read();
            state
                .of
                .iter()
                .map(|(id, own)| (*id, own.through))
                .collect()
        };
        let named = own.into_iter().filter_map(|(id, through)| {
            let collection = self.collections.path(id)?;
            Some(CollectionFloor {
                collection,
                through,
            })
        });
        let mut named: Vec<_> = named.collect();
        named.sort_unstable_by(|a, b| a.collection.cmp(&b.collection));
        named
    }

    /// The command that makes these moves, without those that would move a floor back; `None` if
    /// nothing is left. It is refused if one of the floors has moved when its turn comes.
    ///
    /// It has no time of its own, but that of the commit before: age is counted to the newest
    /// commit, and a floor that moved time on would be the reason for the next.
    pub(crate) fn command(&self, wished: &[FloorMove]) -> Option<Command> {
        let writes: Vec<Write> = wished.iter().filter_map(|one| self.write(one)).collect();
        if writes.is_empty() {
            return None;
        }
        Some(Command {
            request: CommitRequest::of(writes),
            principal: None,
            digest: None,
            stamped: Timestamp::default(),
            reads_checked: Ok(Sequence::ZERO),
            frees_space: true,
        })
    }

    fn write(&self, wished: &FloorMove) -> Option<Write> {
        let state = self.state.read();
        let (name, now) = match &wished.collection {
            None => (ALL.to_owned(), state.all),
            Some(collection) => {
                let id = self.collections.id(collection.as_str())?;
                let now = state.of.get(&id).copied().unwrap_or_default();
                (id.0.to_string(), now)
            }
        };
        let least = now.through.max(state.all.through);
        if wished.through <= least {
            return None;
        }
        let mut data = Object::new();
        if let Some(collection) = &wished.collection {
            data.insert("collection", Value::String(collection.as_str().into()));
        }
        data.insert("through", Value::Number(Number::from(wished.through.0)));
        let mut write = Write::set(collection().join(&name), Data::from_object(data).ok()?);
        write.precondition = Some(if now.version == Sequence::ZERO {
            Precondition::Absent
        } else {
            Precondition::Version(now.version)
        });
        Some(write)
    }
}

impl State {
    fn note(&mut self, name: &str, data: &Data, version: Sequence) {
        let through = data.object().get("through");
        let through = through.and_then(|through| through.as_number()?.as_u64());
        let floor = match (name, name.parse()) {
            (ALL, _) => Some(&mut self.all),
            (_, Ok(id)) => Some(self.of.entry(CollectionId(id)).or_default()),
            _ => None,
        };
        let (Some(through), Some(floor)) = (through.map(Sequence), floor) else {
            // It passed its checksums: another program has written it.
            tracing::error!(%version, name, "a floor cannot be read and is not heeded");
            return;
        };
        floor.version = version;
        floor.through = floor.through.max(through);
    }
}

fn collection() -> CollectionPath {
    #[expect(clippy::expect_used, reason = "one segment, of letters")]
    CollectionPath::from_stored(COLLECTION).expect("a path")
}

fn moves(commit: &Commit) -> impl Iterator<Item = &DocumentChange> {
    let changes = commit.changes.iter();
    changes.filter(|change| change.path.collection_str() == COLLECTION)
}

/// Whose floors a commit moves.
pub(crate) fn concerned(commit: &Commit) -> impl Iterator<Item = Concerned> {
    moves(commit).map(|change| {
        let data = change.after.as_ref();
        let named = data.and_then(|data| data.object().get("collection")?.as_str());
        let named = named.and_then(|named| CollectionPath::from_stored(named).ok());
        named.map_or(Concerned::Everybody, Concerned::Collection)
    })
}
