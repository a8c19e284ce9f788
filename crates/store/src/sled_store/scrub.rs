//! Comparing what is there with what was applied.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};

use wellspring_types::CollectionId;

use super::chain::Walk;
use super::ids::Ids;
use super::read::{Read, document};
use super::{SledStore, guard, keys, lock};
use crate::error::{Damage, from_sled};
use crate::{Digest, Scrub, StoreChange, StoreError};

/// Documents and bytes that are read while `apply` waits.
const PAGE_DOCUMENTS: usize = 64;
const PAGE_BYTES: usize = 256 << 10;

/// A scrub under way. `apply` keeps it exact: a change of a document behind the cursor is taken
/// into what was found there; one ahead of it will be found.
#[derive(Default)]
pub(super) struct Progress {
    /// The last document that was read.
    after: Option<(CollectionId, Box<str>)>,
    documents: u64,
    found: Digest,
}

impl Progress {
    pub(super) fn follow(&mut self, changes: &[StoreChange]) {
        let Some((collection, id)) = &self.after else {
            return;
        };
        let cursor = (*collection, &**id);
        for change in changes
            .iter()
            .filter(|change| (change.collection, &*change.id) <= cursor)
        {
            self.found.change(change);
            self.documents += u64::from(change.after.is_some());
            // A `before` behind the cursor was counted there, unless the store is wrong.
            self.documents = self
                .documents
                .saturating_sub(u64::from(change.before.is_some()));
        }
    }

    /// Reads some more documents; tells whether there are any left.
    fn read_page(&mut self, db: &sled::Db, ids: &Ids) -> Result<bool, StoreError> {
        let start = match &self.after {
            Some((collection, id)) => Bound::Excluded(keys::head(*collection, id)),
            None => Bound::Included(keys::HEADS.to_vec()),
        };
        let end = Bound::Excluded(keys::after_prefix(keys::HEADS));
        let (mut documents, mut bytes) = (0, 0);
        for entry in db.range((start, end)) {
            let (key, value) = entry.map_err(from_sled)?;
            let place = keys::parse_head(&key).ok_or_else(|| Damage::Text.of(&key))?;
            // Nobody applies meanwhile, so it cannot have been overtaken.
            let Read::Found(read) = document(db, place, Some(value))? else {
                return Err(Damage::MissingPart.of(&key));
            };
            ids.add(place);
            self.found.add(place, read.version, &read.data);
            self.documents += 1;
            self.after = Some((place.0, read.id));
            documents += 1;
            bytes += read.data.len();
            if documents >= PAGE_DOCUMENTS || bytes >= PAGE_BYTES {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl SledStore {
    pub(super) fn scrub_all(&self, stop: &AtomicBool) -> Result<Scrub, StoreError> {
        let _one_at_a_time = lock(&self.scrubbing);
        *lock(&self.turn) = Some(Progress::default());
        let scrub = self.in_turns(stop, |progress| {
            let progress = progress.get_or_insert_default();
            if progress.read_page(self.db(), &self.ids)? {
                return Ok(None);
            }
            // They are few, and read in the turn in which all documents are.
            let mut found = progress.found;
            for (id, path) in self.read_collections()? {
                found.add_collection(id, &path);
            }
            let scrub = Scrub {
                documents: progress.documents,
                kept: self.kept().digest,
                found,
            };
            // Where it is another, documents may be there that were not found.
            if scrub.matches() {
                self.ids.know_all();
            }
            Ok(Some(scrub))
        });
        *lock(&self.turn) = None;
        let scrub = scrub?;
        let mut walk = Walk::default();
        self.in_turns(stop, |_| {
            Ok((!walk.page(self.db(), &self.kept())?).then_some(()))
        })?;
        Ok(scrub)
    }

    /// Calls `step` until it has a result, each time while `apply` waits.
    fn in_turns<T>(
        &self,
        stop: &AtomicBool,
        mut step: impl FnMut(&mut Option<Progress>) -> Result<Option<T>, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(StoreError::Stopped);
            }
            let mut turn = lock(&self.turn);
            self.check_not_failed()?;
            if let Some(result) = guard::catch(|| step(&mut turn))? {
                return Ok(result);
            }
            drop(turn);
            // The mutex is not fair: without this the loop could take it again and again before
            // the apply thread has woken up.
            while self.apply_waits.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        }
    }
}
