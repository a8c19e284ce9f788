//! Stores in memory that live as long as the page cache does: a kill leaves them, in the middle of
//! a batch as well; a power cut leaves what must not be trusted, unless they were closed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use wellspring_engine::{OpenError, Stamp, Stores};
use wellspring_store::{
    Applied, Batch, MemoryStore, RememberedMutation, ScanLimit, ScanPage, Scanned, Scrub, Store,
    StoreError, StoredDocument,
};
use wellspring_types::{CollectionId, CollectionPath, Sequence};

use crate::world::World;

#[derive(Clone)]
pub(crate) struct MemoryStores(Arc<Shared>);

struct Shared {
    world: Arc<World>,
    stores: Mutex<BTreeMap<PathBuf, Kept>>,
    boot: Mutex<u8>,
}

#[derive(Clone)]
struct Kept {
    store: Arc<Contents>,
    inode: u64,
}

#[derive(Default)]
struct Contents {
    /// Whole batches.
    whole: MemoryStore,
    /// What a batch that is being applied, or was when the process was killed, has left already;
    /// with the batch's last commit.
    partly: Mutex<BTreeMap<Key, (Sequence, Option<StoredDocument>)>>,
    is_closed: AtomicBool,
}

type Key = (CollectionId, Box<str>);

impl MemoryStores {
    pub(crate) fn new(world: Arc<World>) -> MemoryStores {
        MemoryStores(Arc::new(Shared {
            world,
            stores: Mutex::default(),
            boot: Mutex::new(1),
        }))
    }

    /// The machine starts again. Of a store that was not closed its place in the log is there, and
    /// nothing else: if it were trusted, everything would be missing.
    pub(crate) fn power_cut(&self) {
        *self.0.boot.lock() += 1;
        for kept in self.0.stores.lock().values_mut() {
            if !kept.store.is_closed.load(Ordering::Relaxed) {
                let hollow = Contents::default();
                let batch = Batch {
                    applied: kept.store.whole.applied(),
                    collections: kept.store.whole.collections().unwrap_or_default(),
                    ..Batch::default()
                };
                // An empty store takes any batch.
                hollow.whole.apply(&batch).ok();
                kept.store = Arc::new(hollow);
            }
        }
    }

    fn open(&self, store: Arc<Contents>) -> Box<dyn Store> {
        store.is_closed.store(false, Ordering::Relaxed);
        Box::new(OpenStore {
            world: Arc::clone(&self.0.world),
            contents: store,
        })
    }
}

impl Stores for MemoryStores {
    fn stamp(&self, directory: &Path) -> Option<Stamp> {
        let boot = *self.0.boot.lock();
        let stores = self.0.stores.lock();
        stores.get(directory).map(|kept| Stamp {
            boot_id: [boot; 16],
            mount_id: 1,
            inode: kept.inode,
        })
    }

    fn open(
        &self,
        directory: &Path,
        _cache_bytes: u64,
    ) -> Result<Option<Box<dyn Store>>, StoreError> {
        let found = self.0.stores.lock().get(directory).cloned();
        Ok(found.map(|kept| self.open(kept.store)))
    }

    fn create(&self, directory: &Path, _cache_bytes: u64) -> Result<Box<dyn Store>, OpenError> {
        let store = Arc::new(Contents::default());
        let inode = self.0.world.moment();
        if !self.0.world.is_dead() {
            let kept = Kept {
                store: Arc::clone(&store),
                inode,
            };
            self.0.stores.lock().insert(directory.to_owned(), kept);
        }
        Ok(self.open(store))
    }

    fn bytes(&self, _directory: &Path) -> u64 {
        // Large now and then: then it is scrubbed by a worker.
        if self.0.world.chance(1, 4) {
            u64::MAX
        } else {
            0
        }
    }

    fn remove_others(&self, current: &Path) {
        if !self.0.world.is_dead() {
            self.0.stores.lock().retain(|path, _| path == current);
        }
    }
}

struct OpenStore {
    world: Arc<World>,
    contents: Arc<Contents>,
}

impl OpenStore {
    fn find(&self, key: &Key) -> Result<Option<StoredDocument>, StoreError> {
        if let Some((_, document)) = self.contents.partly.lock().get(key) {
            return Ok(document.clone());
        }
        self.contents.whole.get(key.0, &key.1)
    }

    /// The first id of the collection after `after`.
    fn next(
        &self,
        collection: CollectionId,
        after: Option<&str>,
    ) -> Result<Option<StoredDocument>, StoreError> {
        let partly = self.contents.partly.lock();
        let mut after: Option<Box<str>> = after.map(Into::into);
        loop {
            let one = ScanLimit {
                documents: 1,
                bytes: usize::MAX,
            };
            let page = self
                .contents
                .whole
                .scan(collection, after.as_deref(), one)?;
            let whole = page.entries.into_iter().find_map(|entry| match entry {
                Scanned::Document(document) => Some(document),
                Scanned::Overtaken(_) => None,
            });
            let newer = partly
                .iter()
                .filter(|((owner, id), _)| {
                    *owner == collection && after.as_deref().is_none_or(|after| &**id > after)
                })
                .map(|((_, id), (_, document))| (id.clone(), document.clone()))
                .next();
            match (whole, newer) {
                (whole, None) => return Ok(whole),
                (Some(whole), Some((id, _))) if whole.id < id => return Ok(Some(whole)),
                (_, Some((_, Some(document)))) => return Ok(Some(document)),
                (_, Some((id, None))) => after = Some(id),
            }
        }
    }
}

impl Store for OpenStore {
    fn applied(&self) -> Applied {
        self.contents.whole.applied()
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let through = batch.applied.sequence;
        for change in &batch.changes {
            if self.world.is_dead() {
                return Err(StoreError::ApplyFailed);
            }
            let key = (change.collection, change.id.clone());
            let mut partly = self.contents.partly.lock();
            partly.insert(key, (through, change.after.clone()));
            drop(partly);
            self.world.let_others();
        }
        if self.world.is_dead() {
            return Err(StoreError::ApplyFailed);
        }
        self.contents.whole.apply(batch)?;
        let mut partly = self.contents.partly.lock();
        partly.retain(|_, (of_batch, _)| *of_batch > through);
        Ok(())
    }

    fn get(&self, c: CollectionId, id: &str) -> Result<Option<StoredDocument>, StoreError> {
        self.world.let_others();
        self.find(&(c, id.into()))
    }

    fn scan(
        &self,
        collection: CollectionId,
        after: Option<&str>,
        limit: ScanLimit,
    ) -> Result<ScanPage, StoreError> {
        let most = limit.documents.min(self.world.plan.scanned);
        let mut entries = Vec::new();
        let mut after: Option<Box<str>> = after.map(Into::into);
        while let Some(seen) = self.next(collection, after.as_deref())? {
            if entries.len() == most {
                return Ok(ScanPage {
                    entries,
                    end: false,
                });
            }
            self.world.let_others();
            let now = self.find(&(collection, seen.id.clone()))?;
            after = Some(seen.id.clone());
            entries.push(match now {
                Some(now) if now.version == seen.version => Scanned::Document(now),
                Some(now) if self.world.chance(1, 2) => Scanned::Document(now),
                _ => Scanned::Overtaken(seen.id),
            });
        }
        // What is scanned may be old by now.
        self.world.let_others();
        Ok(ScanPage { entries, end: true })
    }

    fn collections(&self) -> Result<Vec<(CollectionId, CollectionPath)>, StoreError> {
        self.contents.whole.collections()
    }

    fn mutation(
        &self,
        p: Option<&str>,
        id: &str,
    ) -> Result<Option<RememberedMutation>, StoreError> {
        self.world.let_others();
        self.contents.whole.mutation(p, id)
    }

    fn scrub_until(&self, stop: &AtomicBool) -> Result<Scrub, StoreError> {
        self.contents.whole.scrub_until(stop)
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        if self.world.is_dead() || !self.contents.partly.lock().is_empty() {
            return Err(StoreError::ApplyFailed);
        }
        self.contents.is_closed.store(true, Ordering::Relaxed);
        Ok(())
    }
}
