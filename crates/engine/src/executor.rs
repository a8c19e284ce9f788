//! Who does a database's work: its workers, each a loop, and reads that block.
//!
//! In production each worker has a thread, and a read has one of the runtime's blocking threads. A
//! simulation takes turns instead: it decides which worker or read goes next, and when a crash
//! comes, so that one seed gives one history.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use tokio::sync::oneshot;
use wellspring_store::StoreError;

/// Does the work of databases.
pub trait Executor: Send + Sync + 'static {
    /// Has a worker take its turns until it is over, and then [finishes](Worker::finish) it.
    ///
    /// # Errors
    /// If no thread can be started.
    fn start(&self, name: &str, worker: Box<dyn Worker>) -> io::Result<Box<dyn Working>>;

    /// Does what blocks, off the async runtime's threads.
    fn block(&self, work: Box<dyn FnOnce() + Send>);
}

/// A loop of a database.
pub trait Worker: Send {
    /// Does once what there is to do. Where nothing is, it waits for it, if it may.
    fn turn(&mut self, patience: Patience) -> Turn;

    /// After the last turn.
    fn finish(self: Box<Self>) {}
}

/// A worker that was started.
pub trait Working: Send {
    /// Waits until it is over: somebody must have seen to that.
    ///
    /// # Errors
    /// If it panicked.
    fn join(self: Box<Self>) -> Result<(), Panicked>;
}

/// Does `work` with the store; a panic is a failure of the store, not of its worker.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_panic| {
        Err(StoreError::Panicked {
            message: "under a worker of the database".into(),
        })
    })
}

/// A worker has panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a worker has panicked")]
pub struct Panicked;

/// Whether a worker may wait for something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It may: it has a thread.
    Wait,
    /// It does what there is.
    None,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Something was done.
    Done,
    /// There was nothing to do.
    Idle,
    /// There will be nothing to do any more.
    Over,
}

/// What a worker finds when it looks for something to do.
pub(crate) enum Next<T> {
    Found(T),
    /// Nothing now; only for those without patience.
    Nothing,
    /// Nothing any more.
    Over,
}

/// A thread for each worker, and the Tokio runtime's blocking threads for what blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Threads;

impl Executor for Threads {
    fn start(&self, name: &str, mut worker: Box<dyn Worker>) -> io::Result<Box<dyn Working>> {
        let thread = thread::Builder::new().name(format!("wellspring-{name}"));
        let run = move || {
            while worker.turn(Patience::Wait) != Turn::Over {}
            worker.finish();
        };
        Ok(Box::new(Thread(thread.spawn(run)?)))
    }

    fn block(&self, work: Box<dyn FnOnce() + Send>) {
        // Whoever waits for it holds its `Job`, which also tells of a panic.
        drop(tokio::task::spawn_blocking(work));
    }
}

struct Thread(thread::JoinHandle<()>);

impl Working for Thread {
    fn join(self: Box<Self>) -> Result<(), Panicked> {
        self.0.join().map_err(|_panic| Panicked)
    }
}

/// Blocking work that was given away. Dropping it does not stop the work.
pub(crate) struct Job<T>(oneshot::Receiver<T>);

/// The work panicked, or the runtime ended before it was done.
#[derive(Debug)]
pub(crate) struct Lost;

impl<T: Send + 'static> Job<T> {
    pub(crate) fn start(
        executor: &Arc<dyn Executor>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Job<T> {
        let (done, waiting) = oneshot::channel();
        executor.block(Box::new(move || {
            // Who does not wait any more has lost nothing.
            done.send(work()).ok();
        }));
        Job(waiting)
    }
}

impl<T> Future for Job<T> {
    type Output = Result<T, Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Lost>> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|done| done.map_err(|_dropped| Lost))
    }
}
