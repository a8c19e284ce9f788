//! What is no longer offered, as operators see and move it.

use wellspring_types::Sequence;

use super::Database;
use crate::commit::CommitError;
use crate::floors::{CollectionFloor, FloorError, FloorMove, FloorMoved};

/// How often a move is tried again, as somebody else has moved the same floor.
const ATTEMPTS: usize = 8;

impl Database {
    /// The last sequence whose changes are no longer offered, of any collection.
    #[must_use]
    pub fn floor(&self) -> Sequence {
        self.inner.read.floor_of_all()
    }

    /// The floors that collections have of their own, in the order of their paths; one that is
    /// below that of the whole database says nothing any more.
    ///
    /// Copies all of them: off the runtime's threads where there are many.
    #[must_use]
    pub fn collection_floors(&self) -> Vec<CollectionFloor> {
        self.inner.read.floors.own()
    }

    /// Moves a floor by a commit: positions before it are answered with a reset, or
    /// `token_expired`, once that is visible. Each live subscription has a checkpoint in its queue
    /// by then, which one that is cut off just now may not get. Documents, queries and snapshots are as before.
    ///
    /// # Errors
    /// If that would withhold what is not committed, or the commit is refused.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the commit back.
    pub async fn move_floor(&self, wished: FloorMove) -> Result<FloorMoved, FloorError> {
        let visible = self.visible();
        if wished.through > visible {
            let through = wished.through;
            return Err(FloorError::Ahead { through, visible });
        }
        let read = &self.inner.read;
        if let Some(collection) = &wished.collection
            && read.collections.id(collection.as_str()).is_none()
        {
            let collection = collection.clone();
            return Err(FloorError::UnknownCollection { collection });
        }
        let wishes = std::slice::from_ref(&wished);
        self.inner.feed.hub.checkpoint_before(wishes);
        let mut seq = None;
        for attempt in 1..=ATTEMPTS {
            let Some(command) = read.floors.command(wishes) else {
                break;
            };
            match self.inner.pipeline.order(command).await {
                Ok(committed) => {
                    seq = Some(committed.seq);
                    break;
                }
                Err(CommitError::PreconditionFailed { .. }) if attempt < ATTEMPTS => {}
                Err(refused) => return Err(refused.into()),
            }
        }
        let floor = match &wished.collection {
            Some(collection) => read.floor(collection.as_str()),
            None => read.floor_of_all(),
        };
        Ok(FloorMoved { floor, seq })
    }
}
