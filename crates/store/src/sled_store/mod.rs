//! The store on disk. Everything that knows sled is in this module.

mod apply;
mod chain;
#[cfg(test)]
mod crash_tests;
mod files;
mod guard;
mod ids;
mod kept;
mod keys;
mod mutations;
mod open;
mod read;
mod scrub;
mod value;

use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use wellspring_types::{CollectionId, CollectionPath};

pub use self::open::Options;

use self::apply::{Operation, Writer};
use self::ids::Ids;
use self::kept::Kept;
use self::read::{Lookup, Read, document};
use self::scrub::Progress;
use crate::error::{Damage, from_sled};
use crate::model::PageBudget;
use crate::{
    Applied, Batch, RememberedMutation, ScanLimit, ScanPage, Scanned, Scrub, Store, StoreError,
    StoredDocument,
};

/// The store on disk. It is made for files that may be in any state: no call panics or hangs
/// because of them, and what it returns went through checksums.
pub struct SledStore {
    dir: PathBuf,
    /// Taken out only when the store is closed or dropped.
    db: Option<sled::Db>,
    kept: RwLock<Kept>,
    ids: Ids,
    /// Whoever holds it applies, or reads a page of the scrub. Readers never wait for it.
    turn: Mutex<Option<Progress>>,
    /// Whether `apply` waits for its turn.
    apply_waits: AtomicBool,
    scrubbing: Mutex<()>,
    /// Whether an apply failed in the middle.
    failed: AtomicBool,
}

/// Nothing that these mutexes protect is left half-changed by a panic: calls to sled, the only
/// ones that can, are caught inside.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SledStore {
    #[expect(
        clippy::expect_used,
        reason = "taken only by `release`, which ends the store's life"
    )]
    fn db(&self) -> &sled::Db {
        self.db.as_ref().expect("a store that is not closed")
    }

    fn kept(&self) -> Kept {
        *self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_not_failed(&self) -> Result<(), StoreError> {
        if self.failed.load(Ordering::Acquire) {
            Err(StoreError::ApplyFailed)
        } else {
            Ok(())
        }
    }

    /// Applies a batch, through `sink` instead of directly.
    fn apply_through(
        &self,
        batch: &Batch,
        sink: &mut dyn FnMut(Operation) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.check_not_failed()?;
        let kept = self.kept();
        batch.check_follows(kept.applied)?;
        self.apply_waits.store(true, Ordering::Release);
        let mut turn = lock(&self.turn);
        self.apply_waits.store(false, Ordering::Release);
        let mut kept = kept.after(batch);
        // Before it is there for anybody to ask for; whatever was there before, as after a crash the
        // store may lack what the commits begin from.
        for change in batch.changes.iter().filter(|change| change.after.is_some()) {
            self.ids.add((change.collection, &change.id));
        }
        let written =
            guard::catch(|| apply::write(self.db(), batch, &mut kept, &mut Writer::new(sink)));
        if let Err(error) = written {
            self.failed.store(true, Ordering::Release);
            return Err(error);
        }
        if let Some(scrub) = turn.as_mut() {
            scrub.follow(&batch.changes);
        }
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(())
    }

    fn read_page(
        &self,
        collection: CollectionId,
        after: Option<&str>,
        limit: ScanLimit,
    ) -> Result<ScanPage, StoreError> {
        let all = keys::head(collection, "");
        let end = Bound::Excluded(keys::after_prefix(&all));
        let start = match after {
            Some(id) => Bound::Excluded(keys::head(collection, id)),
            None => Bound::Included(all),
        };
        let mut budget = PageBudget::new(limit);
        let mut page = ScanPage {
            entries: Vec::new(),
            end: true,
        };
        for entry in self.db().range((start, end)) {
            let (key, value) = entry.map_err(from_sled)?;
            let (_, id) = keys::parse_head(&key).ok_or_else(|| Damage::Text.of(&key))?;
            // Asked before any chunk is read: a large document that does not fit costs nothing.
            if !budget.take(id, value::payload_bytes(&key, &value)?) {
                page.end = false;
                break;
            }
            match document(self.db(), (collection, id), Some(value))? {
                Read::Found(document) => page.entries.push(Scanned::Document(document)),
                Read::Overtaken => page.entries.push(Scanned::Overtaken(id.into())),
                Read::Absent => {}
            }
        }
        Ok(page)
    }

    fn read_collections(&self) -> Result<Vec<(CollectionId, CollectionPath)>, StoreError> {
        let mut collections = Vec::new();
        for entry in self.db().scan_prefix(keys::COLLECTIONS) {
            let (key, value) = entry.map_err(from_sled)?;
            let damaged = || Damage::Text.of(&key);
            let id = keys::parse_collection(&key).ok_or_else(damaged)?;
            let path = std::str::from_utf8(value::unseal(&key, &value)?.rest()).ok();
            let path = path
                .and_then(|path| CollectionPath::from_stored(path).ok())
                .ok_or_else(damaged)?;
            collections.push((id, path));
        }
        Ok(collections)
    }
}

impl Store for SledStore {
    fn applied(&self) -> Applied {
        self.kept().applied
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        self.apply_through(batch, &mut |operation| operation.run(self.db()))
    }

    fn get(
        &self,
        collection: CollectionId,
        id: &str,
    ) -> Result<Option<StoredDocument>, StoreError> {
        if self.ids.surely_lack((collection, id)) {
            return Ok(None);
        }
        guard::catch(|| {
            let head = self.db().lookup(&keys::head(collection, id))?;
            match document(self.db(), (collection, id), head)? {
                Read::Found(document) => Ok(Some(document)),
                Read::Absent => Ok(None),
                Read::Overtaken => Err(StoreError::Overtaken {
                    collection,
                    id: id.into(),
                }),
            }
        })
    }

    fn scan(
        &self,
        collection: CollectionId,
        after: Option<&str>,
        limit: ScanLimit,
    ) -> Result<ScanPage, StoreError> {
        guard::catch(|| self.read_page(collection, after, limit))
    }

    fn collections(&self) -> Result<Vec<(CollectionId, CollectionPath)>, StoreError> {
        guard::catch(|| self.read_collections())
    }

    fn mutation(
        &self,
        principal: Option<&str>,
        id: &str,
    ) -> Result<Option<RememberedMutation>, StoreError> {
        let key = keys::mutation(principal, id);
        let found = guard::catch(|| mutations::find(self.db(), &key))?;
        // What is forgotten is deleted bit by bit; whether it is does not depend on that.
        let forgotten_through = self.kept().forgotten_through;
        Ok(found.filter(|mutation| mutation.ordinal > forgotten_through))
    }

    fn scrub_until(&self, stop: &AtomicBool) -> Result<Scrub, StoreError> {
        self.scrub_all(stop)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.check_not_failed()?;
        guard::catch(|| self.db().flush().map_err(from_sled))?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.close_all()
    }
}
