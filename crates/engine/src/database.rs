//! The database: a cheap handle over the threads and the state that they share.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use wellspring_log::Log;
use wellspring_store::StoreError;
use wellspring_types::feed::SubscribeRequest;
use wellspring_types::query::{Page, Query};
use wellspring_types::write::{CommitRequest, CommitResult, Read};
use wellspring_types::{Document, DocumentPath, Epoch, Sequence, limits};

use crate::apply::{self, ApplyQueue, MutationLedger};
use crate::commit::{Commit, CommitError};
use crate::feed::{FeedSources, Hub, Ring, SubscribeError, Subscription, matches, subscribe};
use crate::open::{self, MetaError, MetaFile, OpenError, OpenProgress, Opened};
use crate::options::{Clock, Options};
use crate::pipeline::{self, Command, Memory, Mutations, Pipeline, Writer, WriterParts};
use crate::read::{self, Bounds, Cancelled, Overrun, ReadError, Sources};
use crate::store::OpenStore;
use crate::token::Sealer;
use crate::visible::Visible;

/// How often a first page of a query may move its pin before it gives up.
const QUERY_ATTEMPTS: usize = 8;

/// A database. Clones are handles of the same one; dropping the last closes it without a mark
/// that it was closed cleanly, as a crash would: prefer [`Database::close`].
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    read: Sources,
    feed: Arc<FeedSources>,
    pipeline: Pipeline,
    condition: Arc<Condition>,
    clock: Arc<dyn Clock>,
    bounds: Bounds,
    meta: MetaFile,
    running: Mutex<Option<Running>>,
}

/// The threads, and what they are stopped by.
struct Running {
    writer: JoinHandle<Log>,
    apply: JoinHandle<()>,
    hub: JoinHandle<()>,
    apply_queue: Arc<ApplyQueue>,
    ring: Arc<Ring>,
    _lock: File,
}

/// Whether the database takes commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Writable,
    /// It does not; reads and feeds go on.
    ReadOnly(ReadOnlyReason),
}

/// Why a database takes no commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadOnlyReason {
    /// Less than the reserve is free on the file system. Clears by itself.
    DiskFull,
    /// The log could not be written. Cleared by opening the database again.
    LogFailed,
    /// The store could not be written. Cleared by opening the database again.
    StoreFailed,
}

impl fmt::Display for ReadOnlyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReadOnlyReason::DiskFull => "the disk is nearly full; free some space",
            ReadOnlyReason::LogFailed => "the log could not be written; reopen the database",
            ReadOnlyReason::StoreFailed => "the store could not be written; reopen the database",
        })
    }
}

/// What keeps a database from taking commits, shared by its threads.
#[derive(Default)]
pub(crate) struct Condition {
    state: RwLock<ConditionState>,
}

#[derive(Default)]
struct ConditionState {
    failed: Option<ReadOnlyReason>,
    disk_full: bool,
}

impl Condition {
    /// Read-only until reopened. The first reason stays.
    pub(crate) fn fail(&self, reason: ReadOnlyReason) {
        self.state.write().failed.get_or_insert(reason);
    }

    pub(crate) fn set_disk_full(&self, disk_full: bool) {
        if self.state.read().disk_full != disk_full {
            self.state.write().disk_full = disk_full;
            tracing::warn!(disk_full, "free space passed the reserve");
        }
    }

    pub(crate) fn read_only(&self) -> Option<ReadOnlyReason> {
        let state = self.state.read();
        state.failed.or(state.disk_full.then_some(ReadOnlyReason::DiskFull))
    }
}

/// Why a database was not closed cleanly. Everything acknowledged is durable all the same: the
/// next opening has more to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// It was closed before.
    #[error("the database was closed before")]
    AlreadyClosed,
    /// The log could not be closed.
    #[error("log: {0}")]
    Log(#[from] wellspring_log::CloseError),
    /// The store could not be closed.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// META could not be written.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// The store is not up to the log, after a failure.
    #[error("the store failed while the database was open")]
    StoreBehind,
    /// A thread of the database had panicked.
    #[error("a thread of the database had panicked")]
    Panicked,
}

impl Database {
    /// Opens the database in `options.data_dir`, or creates it.
    ///
    /// Blocks: while the log is recovered, and where the store was lost, while it is built again
    /// from the log. `progress` is told now and then.
    ///
    /// # Errors
    /// If the directory is in use, damaged, or cannot be read or written. Damage is refused
    /// before anything is changed.
    pub fn open(
        options: Options,
        progress: &mut dyn FnMut(OpenProgress),
    ) -> Result<Database, OpenError> {
        let opened = open::open(&options, progress)?;
        start(opened, &options)
    }

    /// Commits: checks, makes durable, makes visible, in this order, and says at which place in
    /// the order it stands.
    ///
    /// # Errors
    /// If it was not accepted: then nothing was written; or [`CommitError::OutcomeUnknown`].
    ///
    /// # Cancel safety
    /// Dropping the future does not take the commit back.
    pub async fn commit(&self, request: CommitRequest) -> Result<CommitResult, CommitError> {
        check_request(&request)?;
        let digest = request.mutation_id.as_ref().map(|_| pipeline::digest(&request));
        let reads_checked = self.check_reads(&request).await?;
        let command = Command {
            request,
            principal: None,
            digest,
            stamped: self.inner.clock.now(),
            reads_checked,
        };
        self.inner.pipeline.order(command).await
    }

    /// The document at `path`; `None` if there is none.
    ///
    /// # Errors
    /// If it could not be read.
    pub async fn get(&self, path: &DocumentPath) -> Result<Option<Document>, ReadError> {
        let (sources, path) = (self.inner.read.clone(), path.clone());
        blocking(move || read::get(&sources, &path)).await
    }

    /// A page of a query, exact as of the sequence of its first page.
    ///
    /// # Errors
    /// If the query or its cursor is not valid, takes too long, or what it needs could not be
    /// read.
    ///
    /// # Cancel safety
    /// Dropping the future ends the scan soon after.
    pub async fn query(&self, query: Query) -> Result<Page, ReadError> {
        let visible = self.visible();
        let sealer = &self.inner.feed.sealer;
        let mut planned = read::plan_query(query, sealer, visible, self.inner.bounds)?;
        let cancelled = Cancelled::default();
        let _on_drop = cancelled.on_drop();
        for _attempt in 0..QUERY_ATTEMPTS {
            self.inner.read.visible.applied(planned.pin).await;
            let (sources, sealer) = (self.inner.read.clone(), Arc::clone(sealer));
            let (attempt, cancelled) = (planned.clone(), cancelled.clone());
            let page = move || match read::run_query(&attempt, &sources, &sealer, &cancelled) {
                Ok(page) => Ok(Some(page)),
                Err(Overrun::Budget) => Ok(None),
                Err(Overrun::Failed(error)) => Err(error),
            };
            match blocking(page).await {
                Ok(Some(page)) => return Ok(page),
                Ok(None) if planned.is_first() => planned.re_pin(self.visible()),
                Ok(None) => break,
                Err(ReadError::Log(wellspring_log::ReadError::BeforeOldest { .. })) => {
                    return Err(ReadError::CursorExpired);
                }
                Err(error) => return Err(error),
            }
        }
        Err(ReadError::TooMuchChanged)
    }

    /// Subscribes to the changes of one collection. The position is pinned when this returns.
    ///
    /// Must be called, and the subscription used, inside a Tokio runtime.
    ///
    /// # Errors
    /// If the request is not valid.
    pub fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription, SubscribeError> {
        subscribe(Arc::clone(&self.inner.feed), request)
    }

    /// The last visible sequence.
    #[must_use]
    pub fn visible(&self) -> Sequence {
        self.inner.read.visible.sequence()
    }

    /// The epoch that tokens are issued under.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.inner.feed.sealer.epoch()
    }

    /// Whether it takes commits.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.condition.read_only().map_or(Health::Writable, Health::ReadOnly)
    }

    /// Tells the last sequence that is in the queues of all live subscriptions.
    #[must_use]
    pub fn handed_out(&self) -> watch::Receiver<Sequence> {
        self.inner.feed.hub.handed_out()
    }

    /// Closes the database: what was handed over is answered, subscriptions end, and the next
    /// opening finds everything in its place.
    ///
    /// # Errors
    /// If something could not be closed cleanly. Everything acknowledged is durable all the same.
    pub async fn close(&self) -> Result<(), CloseError> {
        self.inner.pipeline.close();
        let inner = Arc::clone(&self.inner);
        let closing = tokio::task::spawn_blocking(move || inner.close());
        closing.await.map_err(|_panicked| CloseError::Panicked)?
    }

    /// Checks reads by query through what is visible, and says what that was. The writer checks
    /// what comes after.
    async fn check_reads(&self, request: &CommitRequest) -> Result<Sequence, CommitError> {
        let visible = self.visible();
        let queries = request.reads.iter().filter(|read| matches!(read, Read::Query { .. }));
        let queries: Vec<Read> = queries.cloned().collect();
        if queries.is_empty() {
            return Ok(visible);
        }
        let sources = self.inner.read.clone();
        let check = move || queries.iter().try_for_each(|read| check_read(&sources, read, visible));
        let checked = tokio::task::spawn_blocking(check).await;
        checked.map_err(|_panicked| CommitError::StoreFailed)??;
        Ok(visible)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ReadError::Cancelled))
}

/// Checks what can be told from the request alone.
fn check_request(request: &CommitRequest) -> Result<(), CommitError> {
    let (writes, reads) = (request.writes.len(), request.reads.len());
    if writes == 0 {
        return Err(CommitError::NoWrites);
    }
    if writes > limits::COMMIT_WRITES_MAX {
        return Err(CommitError::TooManyWrites { writes });
    }
    if reads > limits::COMMIT_READS_MAX {
        return Err(CommitError::TooManyReads { reads });
    }
    let mut paths = HashSet::with_capacity(writes);
    match request.writes.iter().find(|write| !paths.insert(&write.path)) {
        Some(again) => Err(CommitError::PathTwice { path: again.path.clone() }),
        None => Ok(()),
    }
}

/// Whether nothing that a query read has changed from its sequence through `visible`.
fn check_read(sources: &Sources, read: &Read, visible: Sequence) -> Result<(), CommitError> {
    let Read::Query { collection, filter, at } = read else { return Ok(()) };
    if *at > visible {
        return Err(CommitError::ReadAhead { at: *at, visible });
    }
    let Some(id) = sources.collections.id(collection.as_str()) else { return Ok(()) };
    let conflict = || CommitError::Conflict { what: collection.as_str().into() };
    for record in sources.log.read(*at, visible, Some(id)) {
        // What is not kept any more may have changed.
        let record = record.map_err(|_not_kept| conflict())?;
        let commit = Commit::from_record(record, &sources.collections).ok_or_else(conflict)?;
        if commit.changes.iter().any(|change| matches(filter.as_ref(), change).any()) {
            return Err(conflict());
        }
    }
    Ok(())
}

impl Inner {
    /// Stops the threads in the order of the data's way and closes what they wrote.
    fn close(&self) -> Result<(), CloseError> {
        self.pipeline.close();
        let running = self.running.lock().take().ok_or(CloseError::AlreadyClosed)?;
        let log = running.writer.join();
        running.apply_queue.close();
        let applied = running.apply.join();
        running.ring.close();
        let handed_out = running.hub.join();
        let log = log.map_err(|_panic| CloseError::Panicked)?;
        applied.map_err(|_panic| CloseError::Panicked)?;
        handed_out.map_err(|_panic| CloseError::Panicked)?;
        let head = log.reader().head();
        log.close()?;
        let level = self.read.store.applied()?.sequence == head;
        self.read.store.close()?;
        if !level || self.read.visible.progress().frozen {
            return Err(CloseError::StoreBehind);
        }
        self.meta.change(|meta| meta.clean_close = Some(head))?;
        Ok(())
    }

    /// Stops the threads and leaves everything as a crash would.
    fn abandon(&self) {
        let Some(running) = self.running.lock().take() else { return };
        self.pipeline.close();
        running.writer.join().ok();
        running.apply_queue.close();
        running.apply.join().ok();
        running.ring.close();
        running.hub.join().ok();
        self.read.store.close().ok();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Starts the threads over what was opened.
fn start(opened: Opened, options: &Options) -> Result<Database, OpenError> {
    let applied = opened.store.applied();
    let reader = opened.log.reader();
    let head = reader.head();
    debug_assert_eq!(applied.sequence, head, "the store was brought up to the log");
    let read = Sources {
        log: reader.clone(),
        store: Arc::new(OpenStore::new(opened.store)),
        visible: Arc::new(Visible::new(head)),
        collections: Arc::new(opened.collections),
    };
    let condition = Arc::new(Condition::default());
    let apply_queue = Arc::new(ApplyQueue::default());
    let ring = Arc::new(Ring::new(options.ring_bytes_max));
    let hub = Arc::new(Hub::new(head));
    let (pipeline, commands) = pipeline::channel();

    let memory =
        Memory { ids_max: options.mutation_ids_max, age_ms_max: options.mutation_id_age_ms_max };
    let writer = Writer::new(WriterParts {
        last: head,
        last_time: reader.last_time(),
        log: opened.log,
        read: read.clone(),
        mutations: Mutations::new(memory, applied.mutations),
        condition: Arc::clone(&condition),
        apply: Arc::clone(&apply_queue),
        ring: Arc::clone(&ring),
        options: options.clone(),
    });
    let writer = spawn("writer", move || writer.run(commands))?;
    let ledger = MutationLedger::new(applied.mutations, options.mutation_ids_max);
    let apply = {
        let (queue, read) = (Arc::clone(&apply_queue), read.clone());
        let failed = store_failure(Arc::clone(&condition), opened.meta.clone());
        spawn("apply", move || apply::run(&queue, &read.store, &read.visible, ledger, failed))?
    };
    let hub_thread = {
        let (hub, ring, read) = (Arc::clone(&hub), Arc::clone(&ring), read.clone());
        spawn("hub", move || {
            if let Err(error) = hub.run(&ring, &read.log, &read.collections) {
                tracing::error!(%error, "the hub cannot go on; live subscriptions have ended");
            }
        })?
    };
    let meta = opened.meta.meta();
    let sealer = Arc::new(Sealer::new(&meta.token_key, meta.epoch));
    let feed = Arc::new(FeedSources {
        read: read.clone(),
        sealer: Arc::clone(&sealer),
        hub,
        queue_bytes_max: options.queue_bytes_max,
        changed_bytes_max: options.exact_read_bytes_max,
        lost_future: lost_future(opened.meta.clone(), sealer),
    });
    let bounds = Bounds {
        scan_ms_max: options.query_scan_ms_max,
        changed_bytes_max: options.exact_read_bytes_max,
    };
    let running = Running {
        writer,
        apply,
        hub: hub_thread,
        apply_queue,
        ring,
        _lock: opened.lock,
    };
    let inner = Inner {
        read,
        feed,
        pipeline,
        condition,
        clock: Arc::clone(&options.clock),
        bounds,
        meta: opened.meta,
        running: Mutex::new(Some(running)),
    };
    Ok(Database { inner: Arc::new(inner) })
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, OpenError> {
    let name = format!("wellspring-{name}");
    thread::Builder::new().name(name).spawn(work).map_err(OpenError::Thread)
}

/// What is done first of all when the store fails: it must not be trusted at the next opening.
fn store_failure(condition: Arc<Condition>, meta: MetaFile) -> impl FnOnce(&StoreError) {
    move |error| {
        tracing::error!(%error, "the store cannot be written; read-only until reopened");
        condition.fail(ReadOnlyReason::StoreFailed);
        if let Err(error) = meta.change(|meta| meta.stamp = None) {
            tracing::error!(%error, "META still names the failed store");
        }
    }
}

/// A token proves that the disk was rolled back: what was lost must never be taken for what comes
/// in its place, so tokens get a new epoch.
fn lost_future(meta: MetaFile, sealer: Arc<Sealer>) -> Box<dyn Fn(Sequence) + Send + Sync> {
    Box::new(move |seq| {
        tracing::error!(%seq, "a token of this database is ahead of its log: history was lost");
        let Ok(random) = open::random() else { return };
        let epoch = Epoch(u32::from_le_bytes(random));
        match meta.change(|meta| meta.epoch = epoch) {
            Ok(()) => sealer.set_epoch(epoch),
            Err(error) => tracing::error!(%error, "the epoch could not be changed"),
        }
    })
}
