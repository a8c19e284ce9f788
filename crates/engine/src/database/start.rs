//! Starting the workers of a database over what was opened, and stopping them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use wellspring_log::{Log, LogReader, Snapshot, Snapshots, Trimmer};
use wellspring_store::{Applied, Store, StoreError};
use wellspring_types::Sequence;

use super::{CloseError, Database, Inner};
use crate::apply::{ApplyQueue, ApplyWorker, MutationLedger};
use crate::collections::Collections;
use crate::consumers::Consumers;
use crate::executor::{Patience, Turn, Worker, Working, caught};
use crate::feed::{FeedSources, Hub, HubWorker, Passes, PassesWorker, Ring};
use crate::floors::Floors;
use crate::health::{Condition, ReadOnlyReason};
use crate::keeper::{Keeper, KeeperParts, KeeperStop, KeeperWorker, Kept};
use crate::open::{Lock, MetaFile, OpenError, Opened, random};
use crate::options::Options;
use crate::pipeline::{self, Commands, Memory, Mutations, Pipeline, Reserve, Writer, WriterParts};
use crate::read::{Bounds, Sources};
use crate::seeded::Bugs;
use crate::statistics::{Tracker, WriterCounters};
use crate::store::OpenStore;
use crate::token::Sealer;
use crate::visible::Visible;

/// The workers, and what they are stopped by.
pub(super) struct Running {
    writer: Box<dyn Working>,
    /// The log, once the writer is over.
    log: oneshot::Receiver<Log>,
    apply: Box<dyn Working>,
    hub: Box<dyn Working>,
    passes_worker: Box<dyn Working>,
    scrub: Option<Box<dyn Working>>,
    keeper: Box<dyn Working>,
    stop_keeper: Arc<KeeperStop>,
    apply_queue: Arc<ApplyQueue>,
    ring: Arc<Ring>,
    passes: Arc<Passes>,
    stop_scrub: Arc<AtomicBool>,
    lock: Lock,
}

impl Running {
    /// Ends the workers in the order of the data's way: the pipeline must be closed. The lock is
    /// to be held until everything else is closed too.
    pub(super) fn stop(mut self) -> (Result<Log, CloseError>, Lock) {
        self.stop_keeper.stop();
        let written = self.writer.join();
        self.apply_queue.close();
        let applied = self.apply.join();
        self.ring.close();
        let handed_out = self.hub.join();
        self.passes.close();
        let passed = self.passes_worker.join();
        self.stop_scrub.store(true, Ordering::Relaxed);
        let scrubbed = self.scrub.map_or(Ok(()), Working::join);
        let kept = self.keeper.join();
        let panicked = [written, applied, handed_out, passed, scrubbed, kept]
            .iter()
            .any(Result::is_err);
        let log = self.log.try_recv().ok().filter(|_| !panicked);
        (log.ok_or(CloseError::Panicked), self.lock)
    }
}

/// What the workers share.
struct Parts {
    /// A random number of this opening.
    opening: u32,
    read: Sources,
    pipeline: Arc<Pipeline>,
    meta: MetaFile,
    condition: Arc<Condition>,
    hub: Arc<Hub>,
    ring: Arc<Ring>,
    tracker: Arc<Tracker>,
    passes: Arc<Passes>,
    apply_queue: Arc<ApplyQueue>,
    options: Options,
    applied: Applied,
    writer_counters: Arc<WriterCounters>,
}

/// What is read from, of a database whose store has everything of its log.
fn sources(
    log: LogReader,
    store: Box<dyn Store>,
    collections: Collections,
    apply_queue: Arc<ApplyQueue>,
    bugs: Bugs,
) -> Result<Sources, OpenError> {
    let collections = Arc::new(collections);
    let floors = Floors::load(&*store, Arc::clone(&collections))?;
    Ok(Sources {
        visible: Arc::new(Visible::new(log.head(), apply_queue)),
        log,
        store: Arc::new(OpenStore::new(store)),
        collections,
        floors: Arc::new(floors),
        bugs,
    })
}

/// Starts a database over what was opened.
pub(super) fn start(opened: Opened, options: Options) -> Result<Database, OpenError> {
    let applied = opened.store.applied();
    let reader = opened.log.reader();
    let head = reader.head();
    debug_assert_eq!(
        applied.sequence, head,
        "the store was brought up to the log"
    );
    let (pipeline, commands) = pipeline::channel();
    let apply_queue = Arc::new(ApplyQueue::default());
    let read = sources(
        reader,
        opened.store,
        opened.collections,
        Arc::clone(&apply_queue),
        options.bugs,
    )?;
    let (hub, tracker) = (Arc::new(Hub::new(head)), Arc::new(Tracker::default()));
    let passes = Passes::new(Arc::clone(&hub), read.clone(), Arc::clone(&tracker));
    let parts = Parts {
        opening: u32::from_le_bytes(random(&*options.file_system)?),
        read,
        pipeline: Arc::new(pipeline),
        meta: opened.meta,
        condition: Arc::new(Condition::default()),
        hub,
        tracker,
        passes: Arc::new(passes),
        ring: Arc::new(Ring::new(options.ring_bytes_max)),
        apply_queue,
        options,
        applied,
        writer_counters: Arc::default(),
    };
    let stop_scrub = Arc::new(AtomicBool::new(false));
    let stop_keeper = Arc::new(KeeperStop::default());
    let keeper = parts.keeper(opened.snapshots, opened.snapshot, opened.log.trimmer());
    let kept = keeper.kept();
    let keeper = KeeperWorker {
        keeper,
        stop: Arc::clone(&stop_keeper),
        interval: Duration::from_millis(parts.options.keeper_interval_ms),
    };
    let (closing, log) = oneshot::channel();
    let running = Running {
        writer: parts.start("writer", parts.writer(opened.log, commands, closing))?,
        log,
        apply: parts.start("apply", parts.apply())?,
        hub: parts.start("hub", parts.hub())?,
        passes_worker: parts.start("passes", parts.passes())?,
        scrub: match opened.unscrubbed {
            true => Some(parts.start("scrub", parts.scrub(Arc::clone(&stop_scrub)))?),
            false => None,
        },
        // The last that may fail: it does not end by itself.
        keeper: parts.start("keeper", keeper)?,
        stop_keeper,
        apply_queue: Arc::clone(&parts.apply_queue),
        ring: Arc::clone(&parts.ring),
        passes: Arc::clone(&parts.passes),
        stop_scrub,
        lock: opened.lock,
    };
    Ok(Database {
        inner: Arc::new(parts.into_inner(kept, running)),
    })
}

impl Parts {
    fn into_inner(self, kept: watch::Receiver<Kept>, running: Running) -> Inner {
        let feed = self.feed_sources();
        let consumers = Consumers::new(
            Arc::clone(&feed),
            Arc::clone(&self.pipeline),
            Arc::clone(&self.options.clock),
            (self.options.consumers_max, self.opening),
        );
        Inner {
            reserve: self.reserve(),
            feed,
            consumers: Arc::new(consumers),
            bounds: Bounds {
                scan_ms_max: self.options.query_scan_ms_max,
                changed_bytes_max: self.options.exact_read_bytes_max,
            },
            read: self.read,
            pipeline: self.pipeline,
            ring: self.ring,
            writer_counters: self.writer_counters,
            condition: self.condition,
            clock: self.options.clock,
            meta: self.meta,
            kept,
            running: Mutex::new(Some(running)),
        }
    }

    fn reserve(&self) -> Reserve {
        Reserve {
            file_system: Arc::clone(&self.options.file_system),
            directory: self.options.data_dir.clone(),
            bytes: self.options.reserve_bytes,
        }
    }

    fn start(
        &self,
        name: &str,
        worker: impl Worker + 'static,
    ) -> Result<Box<dyn Working>, OpenError> {
        let started = self.options.executor.start(name, Box::new(worker));
        started.map_err(OpenError::Thread)
    }

    fn writer(&self, log: Log, commands: Commands, closing: oneshot::Sender<Log>) -> Writer {
        let memory = Memory {
            ids_max: self.options.mutation_ids_max,
            age_ms_max: self.options.mutation_id_age_ms_max,
        };
        Writer::new(WriterParts {
            last: self.read.log.head(),
            last_time: self.read.log.last_time(),
            log,
            commands,
            closing,
            read: self.read.clone(),
            mutations: Mutations::new(memory, self.applied.mutations),
            condition: Arc::clone(&self.condition),
            apply: Arc::clone(&self.apply_queue),
            ring: Arc::clone(&self.ring),
            reserve: self.reserve(),
            overlay_bytes_max: self.options.overlay_bytes_max,
            counters: Arc::clone(&self.writer_counters),
        })
    }

    fn apply(&self) -> ApplyWorker {
        let ids_max = self.options.mutation_ids_max;
        ApplyWorker {
            queue: Arc::clone(&self.apply_queue),
            store: Arc::clone(&self.read.store),
            visible: Arc::clone(&self.read.visible),
            ledger: MutationLedger::new(self.applied.mutations, ids_max),
            unflushed: 0,
            on_failure: Box::new(self.distrust_store()),
        }
    }

    fn hub(&self) -> HubWorker {
        HubWorker {
            hub: Arc::clone(&self.hub),
            ring: Arc::clone(&self.ring),
            sources: self.read.clone(),
            condition: Arc::clone(&self.condition),
        }
    }

    fn passes(&self) -> PassesWorker {
        PassesWorker::new(Arc::clone(&self.passes))
    }

    fn keeper(&self, snapshots: Snapshots, newest: Option<Snapshot>, trimmer: Trimmer) -> Keeper {
        let parts = KeeperParts {
            snapshots,
            newest,
            read: self.read.clone(),
            trimmer,
            pipeline: Arc::clone(&self.pipeline),
            hub: Arc::clone(&self.hub),
            reserve: self.reserve(),
        };
        Keeper::new(parts, &self.options)
    }

    fn scrub(&self, stop: Arc<AtomicBool>) -> ScrubWorker {
        ScrubWorker {
            store: Arc::clone(&self.read.store),
            stop,
            on_failure: Box::new(self.distrust_store()),
        }
    }

    fn feed_sources(&self) -> Arc<FeedSources> {
        let meta = self.meta.meta();
        let sealer = Arc::new(Sealer::new(&meta.token_key, meta.epoch));
        Arc::new(FeedSources {
            read: self.read.clone(),
            sealer: Arc::clone(&sealer),
            hub: Arc::clone(&self.hub),
            queue_bytes_max: self.options.queue_bytes_max,
            changed_bytes_max: self.options.exact_read_bytes_max,
            tracker: Arc::clone(&self.tracker),
            passes: Arc::clone(&self.passes),
            executor: Arc::clone(&self.options.executor),
            lost_future: lost_future(self.meta.clone(), sealer),
        })
    }

    /// What is done first of all when the store fails: the next opening must build it again.
    fn distrust_store(&self) -> impl Fn(&StoreError) + Send + use<> {
        let (condition, meta) = (Arc::clone(&self.condition), self.meta.clone());
        move |error| {
            tracing::error!(%error, "the store failed; read-only until reopened");
            condition.fail(ReadOnlyReason::StoreFailed);
            meta.distrust_store();
        }
    }
}

/// Compares the store with what was applied to it, once, while everything goes on.
struct ScrubWorker {
    store: Arc<OpenStore>,
    stop: Arc<AtomicBool>,
    on_failure: Box<dyn Fn(&StoreError) + Send>,
}

impl Worker for ScrubWorker {
    fn turn(&mut self, _patience: Patience) -> Turn {
        match caught(|| self.store.scrub_until(&self.stop)) {
            Ok(scrub) if scrub.matches() => {
                tracing::info!(
                    documents = scrub.documents,
                    "the store is what the log says"
                );
            }
            Ok(_) => (self.on_failure)(&StoreError::Wrong),
            Err(StoreError::Stopped) => {}
            Err(error) => (self.on_failure)(&error),
        }
        Turn::Over
    }
}

/// A token proves that the disk was rolled back: what was lost must never be taken for what comes
/// in its place, so tokens get a new epoch.
fn lost_future(meta: MetaFile, sealer: Arc<Sealer>) -> Box<dyn Fn(Sequence) + Send + Sync> {
    Box::new(move |seq| {
        tracing::error!(%seq, "a token of this database is ahead of its log: history was lost");
        let Ok(epoch) = meta.new_epoch() else { return };
        match meta.change(|meta| meta.epoch = epoch) {
            Ok(()) => sealer.set_epoch(epoch),
            Err(error) => tracing::error!(%error, "the epoch could not be changed"),
        }
    })
}
