//! Starting the threads of a database over what was opened, and stopping them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use wellspring_log::{Log, Snapshot, Snapshots, Trimmer};
use wellspring_store::{Applied, StoreError};
use wellspring_types::Sequence;

use super::{CloseError, Database, Inner};
use crate::apply::{self, ApplyQueue, MutationLedger};
use crate::feed::{FeedSources, Hub, Ring};
use crate::health::{Condition, ReadOnlyReason};
use crate::keeper::{Keeper, KeeperParts, KeeperStop};
use crate::open::{Lock, MetaFile, OpenError, Opened};
use crate::options::Options;
use crate::pipeline::{self, Commands, Memory, Mutations, Reserve, Writer, WriterParts};
use crate::read::{Bounds, Sources};
use crate::statistics::{Tracker, WriterCounters};
use crate::store::OpenStore;
use crate::token::Sealer;
use crate::visible::Visible;

/// The threads, and what they are stopped by.
pub(super) struct Running {
    writer: JoinHandle<Log>,
    apply: JoinHandle<()>,
    hub: JoinHandle<()>,
    scrub: Option<JoinHandle<()>>,
    keeper: JoinHandle<()>,
    stop_keeper: Arc<KeeperStop>,
    apply_queue: Arc<ApplyQueue>,
    ring: Arc<Ring>,
    stop_scrub: Arc<AtomicBool>,
    lock: Lock,
}

impl Running {
    /// Ends the threads in the order of the data's way: the pipeline must be closed. The lock is
    /// to be held until everything else is closed too.
    pub(super) fn stop(self) -> (Result<Log, CloseError>, Lock) {
        self.stop_keeper.stop();
        let log = self.writer.join();
        self.apply_queue.close();
        let applied = self.apply.join();
        self.ring.close();
        let handed_out = self.hub.join();
        self.stop_scrub.store(true, Ordering::Relaxed);
        let scrubbed = self.scrub.map_or(Ok(()), JoinHandle::join);
        let kept = self.keeper.join();
        let panicked = [applied, handed_out, scrubbed, kept]
            .iter()
            .any(Result::is_err);
        let log = log.ok().filter(|_| !panicked);
        (log.ok_or(CloseError::Panicked), self.lock)
    }
}

/// What the threads share.
struct Parts {
    read: Sources,
    meta: MetaFile,
    condition: Arc<Condition>,
    hub: Arc<Hub>,
    ring: Arc<Ring>,
    apply_queue: Arc<ApplyQueue>,
    options: Options,
    applied: Applied,
    writer_counters: Arc<WriterCounters>,
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
    let parts = Parts {
        read: Sources {
            log: reader,
            store: Arc::new(OpenStore::new(opened.store)),
            visible: Arc::new(Visible::new(head)),
            collections: Arc::new(opened.collections),
        },
        meta: opened.meta,
        condition: Arc::new(Condition::default()),
        hub: Arc::new(Hub::new(head)),
        ring: Arc::new(Ring::new(options.ring_bytes_max)),
        apply_queue: Arc::new(ApplyQueue::default()),
        options,
        applied,
        writer_counters: Arc::default(),
    };
    let (pipeline, commands) = pipeline::channel();
    let stop_scrub = Arc::new(AtomicBool::new(false));
    let stop_keeper = Arc::new(KeeperStop::default());
    let keeper = parts.keeper(opened.snapshots, opened.snapshot, opened.log.trimmer());
    let kept = keeper.kept();
    let running = Running {
        writer: parts.spawn_writer(opened.log, commands)?,
        apply: parts.spawn_apply()?,
        hub: parts.spawn_hub()?,
        scrub: match opened.unscrubbed {
            true => Some(parts.spawn_scrub(Arc::clone(&stop_scrub))?),
            false => None,
        },
        // The last that may fail: it does not end by itself.
        keeper: parts.spawn_keeper(keeper, Arc::clone(&stop_keeper))?,
        stop_keeper,
        apply_queue: Arc::clone(&parts.apply_queue),
        ring: Arc::clone(&parts.ring),
        stop_scrub,
        lock: opened.lock,
    };
    let inner = Inner {
        reserve: parts.reserve(),
        feed: parts.feed_sources(),
        bounds: Bounds {
            scan_ms_max: parts.options.query_scan_ms_max,
            changed_bytes_max: parts.options.exact_read_bytes_max,
        },
        read: parts.read,
        pipeline,
        ring: parts.ring,
        writer_counters: parts.writer_counters,
        condition: parts.condition,
        clock: parts.options.clock,
        meta: parts.meta,
        kept,
        running: Mutex::new(Some(running)),
    };
    Ok(Database {
        inner: Arc::new(inner),
    })
}

impl Parts {
    fn reserve(&self) -> Reserve {
        Reserve {
            file_system: Arc::clone(&self.options.file_system),
            directory: self.options.data_dir.clone(),
            bytes: self.options.reserve_bytes,
        }
    }

    fn spawn_writer(&self, log: Log, commands: Commands) -> Result<JoinHandle<Log>, OpenError> {
        let memory = Memory {
            ids_max: self.options.mutation_ids_max,
            age_ms_max: self.options.mutation_id_age_ms_max,
        };
        let writer = Writer::new(WriterParts {
            last: self.read.log.head(),
            last_time: self.read.log.last_time(),
            log,
            read: self.read.clone(),
            mutations: Mutations::new(memory, self.applied.mutations),
            condition: Arc::clone(&self.condition),
            apply: Arc::clone(&self.apply_queue),
            ring: Arc::clone(&self.ring),
            reserve: self.reserve(),
            overlay_bytes_max: self.options.overlay_bytes_max,
            counters: Arc::clone(&self.writer_counters),
        });
        spawn("writer", move || writer.run(commands))
    }

    fn spawn_apply(&self) -> Result<JoinHandle<()>, OpenError> {
        let ids_max = self.options.mutation_ids_max;
        let ledger = MutationLedger::new(self.applied.mutations, ids_max);
        let (queue, read) = (Arc::clone(&self.apply_queue), self.read.clone());
        let distrust = self.distrust_store();
        spawn("apply", move || {
            apply::run(&queue, &read.store, &read.visible, ledger, distrust)
        })
    }

    /// However the hub ends, live subscriptions end with it: one that waited for a hub that is
    /// gone would wait in silence.
    fn spawn_hub(&self) -> Result<JoinHandle<()>, OpenError> {
        let (hub, ring, read) = (
            Arc::clone(&self.hub),
            Arc::clone(&self.ring),
            self.read.clone(),
        );
        spawn("hub", move || {
            let run = AssertUnwindSafe(|| hub.run(&ring, &read));
            match catch_unwind(run) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "the hub cannot go on; live subscriptions end");
                }
                Err(_panic) => tracing::error!("the hub panicked; live subscriptions end"),
            }
            hub.close();
        })
    }

    fn keeper(&self, snapshots: Snapshots, newest: Option<Snapshot>, trimmer: Trimmer) -> Keeper {
        let parts = KeeperParts {
            snapshots,
            newest,
            log: self.read.log.clone(),
            trimmer,
            visible: Arc::clone(&self.read.visible),
            hub: Arc::clone(&self.hub),
            reserve: self.reserve(),
        };
        Keeper::new(parts, &self.options)
    }

    fn spawn_keeper(
        &self,
        keeper: Keeper,
        stop: Arc<KeeperStop>,
    ) -> Result<JoinHandle<()>, OpenError> {
        let interval = Duration::from_millis(self.options.keeper_interval_ms);
        spawn("keeper", move || keeper.run(&stop, interval))
    }

    /// Compares the store with what was applied to it, once, while everything goes on.
    fn spawn_scrub(&self, stop: Arc<AtomicBool>) -> Result<JoinHandle<()>, OpenError> {
        let store = Arc::clone(&self.read.store);
        let distrust = self.distrust_store();
        spawn("scrub", move || match store.scrub_until(&stop) {
            Ok(scrub) if scrub.matches() => {
                tracing::info!(
                    documents = scrub.documents,
                    "the store is what the log says"
                );
            }
            Ok(_) => distrust(&StoreError::Wrong),
            Err(StoreError::Stopped) => {}
            Err(error) => distrust(&error),
        })
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
            tracker: Arc::new(Tracker::default()),
            lost_future: lost_future(self.meta.clone(), sealer),
        })
    }

    /// What is done first of all when the store fails: the next opening must build it again.
    fn distrust_store(&self) -> impl FnOnce(&StoreError) + use<> {
        let (condition, meta) = (Arc::clone(&self.condition), self.meta.clone());
        move |error| {
            tracing::error!(%error, "the store failed; read-only until reopened");
            condition.fail(ReadOnlyReason::StoreFailed);
            meta.distrust_store();
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, OpenError> {
    let name = format!("wellspring-{name}");
    thread::Builder::new()
        .name(name)
        .spawn(work)
        .map_err(OpenError::Thread)
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
