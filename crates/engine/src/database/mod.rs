//! The database: a cheap handle over the threads and the state that they share.

mod consumers;
#[cfg(test)]
mod fault_tests;
mod floors;
mod reads;
mod start;
mod statistics;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use wellspring_log::Log;
use wellspring_store::StoreError;
use wellspring_types::feed::SubscribeRequest;
use wellspring_types::write::{CommitRequest, CommitResult, Read};
use wellspring_types::{Epoch, Sequence, limits};

use crate::commit::{Commit, CommitError};
use crate::consumers::Consumers;
use crate::executor::Job;
use crate::feed::{FeedSources, Ring, SubscribeError, Subscription, matches, subscribe};
use crate::health::{Condition, Health, ReadOnlyReason};
use crate::keeper::Kept;
use crate::open::{self, MetaError, MetaFile, OpenError, OpenProgress};
use crate::options::{Clock, Options};
use crate::pipeline::{self, Command, Pipeline, Reserve};
use crate::read::{Bounds, Cancelled, Sources};
use crate::statistics::{Subscriber, WriterCounters};

use start::Running;

/// A database. Clones are handles of the same one; dropping the last closes it without a mark
/// that it was closed cleanly, as a crash would: prefer [`Database::close`].
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    read: Sources,
    feed: Arc<FeedSources>,
    consumers: Arc<Consumers>,
    pipeline: Arc<Pipeline>,
    ring: Arc<Ring>,
    writer_counters: Arc<WriterCounters>,
    condition: Arc<Condition>,
    reserve: Reserve,
    clock: Arc<dyn Clock>,
    bounds: Bounds,
    meta: MetaFile,
    kept: watch::Receiver<Kept>,
    running: Mutex<Option<Running>>,
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
        start::start(opened, options)
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
        let digest = request
            .mutation_id
            .as_ref()
            .map(|_| pipeline::digest(&request));
        let reads_checked = match self.check_reads(&request).await {
            Err(refused) if digest.is_none() => return Err(refused),
            // It may be a repeat, in conflict with what it did itself: the writer knows.
            checked => checked,
        };
        let command = Command {
            request,
            principal: None,
            digest,
            stamped: self.inner.clock.now(),
            reads_checked,
            frees_space: false,
        };
        self.inner.pipeline.order(command).await
    }

    /// Subscribes to the changes of one collection. The position is pinned when this returns.
    ///
    /// Must be called, and the subscription used, inside a Tokio runtime.
    ///
    /// # Errors
    /// If the request is not valid, or is of a consumer: see [`Database::consume`].
    pub fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription, SubscribeError> {
        self.subscribe_for(Subscriber::default(), request)
    }

    /// As [`Database::subscribe`], and says whom the subscription serves: what operators see of
    /// it among [`Database::subscriptions`].
    ///
    /// # Errors
    /// If the request is not valid.
    pub fn subscribe_for(
        &self,
        subscriber: Subscriber,
        request: SubscribeRequest,
    ) -> Result<Subscription, SubscribeError> {
        subscribe(Arc::clone(&self.inner.feed), request, subscriber)
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
        let condition = &self.inner.condition;
        let disk_full = condition.read_only() == Some(ReadOnlyReason::DiskFull);
        // The writer looks only for commits, which whoever asks may be holding back.
        if disk_full && self.inner.reserve.is_free() {
            condition.set_disk_full(false);
        }
        condition
            .read_only()
            .map_or(Health::Writable, Health::ReadOnly)
    }

    /// Tells the last sequence that is in the queues of all live subscriptions.
    #[must_use]
    pub fn handed_out(&self) -> watch::Receiver<Sequence> {
        self.inner.feed.hub.handed_out()
    }

    /// Tells what is kept of the history: it changes when a snapshot was made or the oldest of
    /// the log was dropped.
    #[must_use]
    pub fn kept(&self) -> watch::Receiver<Kept> {
        self.inner.kept.clone()
    }

    /// Closes the database: what was handed over is answered, subscriptions end, and the next
    /// opening finds everything in its place.
    ///
    /// # Errors
    /// If something could not be closed cleanly. Everything acknowledged is durable all the same.
    pub async fn close(&self) -> Result<(), CloseError> {
        self.inner.pipeline.close();
        let inner = Arc::clone(&self.inner);
        let closing = Job::start(&self.inner.feed.executor, move || inner.close());
        closing.await.map_err(|_lost| CloseError::Panicked)?
    }

    /// Checks reads by query through what is visible, and says what that was. The writer checks
    /// what comes after.
    async fn check_reads(&self, request: &CommitRequest) -> Result<Sequence, CommitError> {
        let visible = self.visible();
        let queries = request
            .reads
            .iter()
            .filter(|read| matches!(read, Read::Query { .. }));
        let queries: Vec<Read> = queries.cloned().collect();
        if queries.is_empty() {
            return Ok(visible);
        }
        let sources = self.inner.read.clone();
        let cancelled = Cancelled::default();
        let _on_drop = cancelled.on_drop();
        let time_max = Duration::from_millis(self.inner.bounds.scan_ms_max);
        let check = move || {
            let started = Instant::now();
            let goes_on = || !cancelled.is_set() && started.elapsed() <= time_max;
            queries
                .iter()
                .try_for_each(|read| check_read(&sources, read, visible, goes_on))
        };
        let checked = Job::start(&self.inner.feed.executor, check).await;
        checked.map_err(|_lost| CommitError::StoreFailed)??;
        Ok(visible)
    }
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
    if let Some(write) = request.writes.iter().find(|write| write.path.is_reserved()) {
        let path = write.path.clone();
        return Err(CommitError::Reserved { path });
    }
    let mut paths = HashSet::with_capacity(writes);
    match request
        .writes
        .iter()
        .find(|write| !paths.insert(&write.path))
    {
        Some(again) => Err(CommitError::PathTwice {
            path: again.path.clone(),
        }),
        None => Ok(()),
    }
}

/// Whether nothing that a query read has changed from its sequence through `visible`. It may have,
/// if that is so long ago that `goes_on` ends the search.
fn check_read(
    sources: &Sources,
    read: &Read,
    visible: Sequence,
    goes_on: impl Fn() -> bool,
) -> Result<(), CommitError> {
    let Read::Query {
        collection,
        filter,
        at,
    } = read
    else {
        return Ok(());
    };
    if *at > visible {
        return Err(CommitError::ReadAhead { at: *at, visible });
    }
    let Some(id) = sources.collections.id(collection.as_str()) else {
        return Ok(());
    };
    let conflict = || CommitError::Conflict {
        what: collection.as_str().into(),
    };
    // What is not kept any more may have changed.
    if *at < sources.floor_of_all() {
        return Err(conflict());
    }
    for record in sources.log.read(*at, visible, Some(id)) {
        let record = record.map_err(|_not_kept| conflict())?;
        let commit = Commit::from_record(record, &sources.collections).ok_or_else(conflict)?;
        let changed = |change| matches(filter.as_ref(), change).any();
        if commit.changes.iter().any(changed) || !goes_on() {
            return Err(conflict());
        }
    }
    Ok(())
}

impl Inner {
    /// Stops the threads in the order of the data's way and closes what they wrote.
    fn close(&self) -> Result<(), CloseError> {
        self.pipeline.close();
        let running = self
            .running
            .lock()
            .take()
            .ok_or(CloseError::AlreadyClosed)?;
        let (log, _lock) = running.stop();
        let log = log.and_then(close_log);
        let applied = self.read.store.applied();
        // Whatever became of the log: the next opening needs the store's files.
        let store = self.close_store();
        let head = log?;
        store?;
        // A store that a scrub has found wrong has applied everything too.
        if applied?.sequence != head || self.condition.has_store_failed() {
            return Err(CloseError::StoreBehind);
        }
        self.meta
            .change(|meta| (meta.clean_close, meta.witnessed) = (true, head))?;
        Ok(())
    }

    fn close_store(&self) -> Result<(), StoreError> {
        let closed = self.read.store.close();
        if closed.is_err() {
            self.meta.distrust_store();
        }
        closed
    }
}

/// Closes the log and tells its end.
fn close_log(log: Log) -> Result<Sequence, CloseError> {
    let head = log.reader().head();
    log.close()?;
    Ok(head)
}

impl Drop for Inner {
    /// Stops the threads, so that the directory can be opened again once this has returned.
    fn drop(&mut self) {
        let Some(running) = self.running.lock().take() else {
            return;
        };
        self.pipeline.close();
        // As after a crash: what could not be closed is found at the next opening.
        let (_log, _lock) = running.stop();
        self.close_store().ok();
    }
}
