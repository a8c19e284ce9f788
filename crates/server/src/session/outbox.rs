//! What is on its way to one client: a queue bounded in bytes.
//!
//! A full outbox makes the session wait, so that the engine's queues fill and fall back to the
//! log: no memory grows with a client that reads slowly. One that takes nothing is told apart
//! from one that is merely slow by when it last took something.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::metrics::Share;

/// Frames in an outbox; small ones would otherwise cost more than their bytes tell.
const FRAMES_MAX: usize = 4096;
/// A client is slow when it does not take this much in [`Limits::stalled`].
pub(crate) const STEP_BYTES: usize = 64 * 1024;

/// How much an outbox holds, and how long it may stand still.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Bytes; one larger frame may enter an empty outbox.
    pub(crate) bytes_max: u32,
    /// Time in which the client takes [`STEP_BYTES`] at least.
    pub(crate) stalled: Duration,
    /// The bytes in all outboxes.
    pub(crate) queued: Gauge,
}

/// Where a session puts frames.
#[derive(Debug)]
pub(crate) struct Outbox<F> {
    frames: mpsc::Sender<Queued<F>>,
    room: Arc<Semaphore>,
    shared: Arc<Mutex<Shared<F>>>,
    limits: Limits,
}

/// Where a transport takes frames.
#[derive(Debug)]
pub(crate) struct Taker<F> {
    frames: mpsc::Receiver<Queued<F>>,
    shared: Arc<Mutex<Shared<F>>>,
}

#[derive(Debug)]
struct Queued<F> {
    frame: F,
    bytes: usize,
    _room: OwnedSemaphorePermit,
    _counted: Share,
}

// Held for a few assignments and never across an await.
#[derive(Debug)]
struct Shared<F> {
    taken_at: Instant,
    taken_bytes: usize,
    last_words: VecDeque<F>,
    cut: bool,
}

/// Why a frame did not get into an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OutboxError {
    /// The transport is gone.
    #[error("the client has left")]
    Gone,
    /// The client takes nothing.
    #[error("the client does not read")]
    Stalled,
}

pub(crate) fn outbox<F>(limits: Limits) -> (Outbox<F>, Taker<F>) {
    let (sender, receiver) = mpsc::channel(FRAMES_MAX);
    let room = usize::try_from(limits.bytes_max).unwrap_or(Semaphore::MAX_PERMITS);
    let shared = Shared {
        taken_at: Instant::now(),
        taken_bytes: 0,
        last_words: VecDeque::new(),
        cut: false,
    };
    let shared = Arc::new(Mutex::new(shared));
    let room = Arc::new(Semaphore::new(room));
    let outbox = Outbox {
        frames: sender,
        room,
        shared: Arc::clone(&shared),
        limits,
    };
    (
        outbox,
        Taker {
            frames: receiver,
            shared,
        },
    )
}

impl<F> Outbox<F> {
    /// Puts a frame at the end, once there is room.
    ///
    /// # Errors
    /// If nobody takes frames any more, or not for too long.
    pub(crate) async fn put(&self, frame: F, bytes: usize) -> Result<(), OutboxError> {
        let wanted = u32::try_from(bytes)
            .unwrap_or(u32::MAX)
            .clamp(1, self.limits.bytes_max);
        let began = Instant::now();
        let mut place = std::pin::pin!(async {
            let room = Arc::clone(&self.room).acquire_many_owned(wanted).await;
            (room, self.frames.reserve().await)
        });
        let (room, place) = loop {
            match timeout_at(self.patience_ends(began), place.as_mut()).await {
                Ok(place) => break place,
                Err(_) if self.patience_ends(began) > Instant::now() => {}
                Err(_) => return Err(OutboxError::Stalled),
            }
        };
        let (Ok(room), Ok(place)) = (room, place) else {
            return Err(OutboxError::Gone);
        };
        let counted = i64::try_from(bytes).unwrap_or(i64::MAX);
        place.send(Queued {
            frame,
            bytes,
            _room: room,
            _counted: Share::of(self.limits.queued.clone(), counted),
        });
        Ok(())
    }

    /// How long the client may take nothing.
    pub(crate) fn patience(&self) -> Duration {
        self.limits.stalled
    }

    /// When the client counts as stalled, for a frame that waits since `began`.
    fn patience_ends(&self, began: Instant) -> Instant {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let steps = u32::try_from(shared.taken_bytes.div_ceil(STEP_BYTES)).unwrap_or(u32::MAX);
        shared.taken_at.max(began) + self.limits.stalled * steps.max(1)
    }

    /// Drops what is queued and ends with `last_words`: a client that wakes up learns why its
    /// stream ended without reading through a backlog first.
    pub(crate) fn cut(self, last_words: impl IntoIterator<Item = F>) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.last_words = last_words.into_iter().collect();
        shared.cut = true;
    }

    /// Waits until the transport is gone.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn gone(&self) {
        self.frames.closed().await;
    }
}

impl<F> Taker<F> {
    /// The next frame; `None` at the end.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn take(&mut self) -> Option<F> {
        poll_fn(|context| self.poll_take(context)).await
    }

    /// Notes that the client took a part of the last frame, of up to [`STEP_BYTES`].
    pub(crate) fn note_progress(&self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.taken_at = Instant::now();
        shared.taken_bytes = STEP_BYTES;
    }

    pub(crate) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Option<F>> {
        let polled = self.frames.poll_recv(context);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.cut {
            return Poll::Ready(shared.last_words.pop_front());
        }
        let Poll::Ready(Some(queued)) = polled else {
            return polled.map(|_end| None);
        };
        shared.taken_at = Instant::now();
        shared.taken_bytes = queued.bytes;
        Poll::Ready(Some(queued.frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            bytes_max: 100,
            stalled: Duration::from_secs(10),
            queued: Gauge::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn frames_come_out_in_order_and_then_the_end() {
        let (outbox, mut taker) = outbox(limits());
        outbox.put('a', 40).await.unwrap();
        outbox.put('b', 40).await.unwrap();
        drop(outbox);
        let all = [taker.take().await, taker.take().await, taker.take().await];
        assert_eq!(all, [Some('a'), Some('b'), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_counted_until_it_is_taken_or_dropped() {
        let limits = limits();
        let (outbox, mut taker) = outbox(limits.clone());
        outbox.put('a', 40).await.unwrap();
        outbox.put('b', 41).await.unwrap();
        assert_eq!(limits.queued.get(), 81);
        taker.take().await.unwrap();
        assert_eq!(limits.queued.get(), 41);
        drop((outbox, taker));
        assert_eq!(limits.queued.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_larger_than_the_outbox_waits_until_it_is_empty() {
        let (outbox, mut taker) = outbox(limits());
        outbox.put('a', 1).await.unwrap();
        let (put, taken) = tokio::join!(outbox.put('b', 5000), taker.take());
        assert_eq!((put, taken), (Ok(()), Some('a')));
        assert_eq!(taker.take().await, Some('b'));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_stalled() {
        let (outbox, mut taker) = outbox(limits());
        outbox.put('a', 100).await.unwrap();
        assert_eq!(outbox.put('b', 100).await, Err(OutboxError::Stalled));
        outbox.cut(Some('!'));
        assert_eq!([taker.take().await, taker.take().await], [Some('!'), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_slowly_is_not_stalled() {
        let (outbox, mut taker) = outbox(limits());
        let put = async {
            for frame in 0..5 {
                outbox.put(frame, 100).await.unwrap();
            }
        };
        let take = async {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                taker.take().await.unwrap();
            }
        };
        tokio::join!(put, take);
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_frame_is_given_more_time() {
        let (outbox, mut taker) = outbox(limits());
        outbox.put('a', 3 * STEP_BYTES).await.unwrap();
        taker.take().await.unwrap();
        outbox.put('b', 100).await.unwrap();
        let began = Instant::now();
        assert_eq!(outbox.put('c', 100).await, Err(OutboxError::Stalled));
        assert!(began.elapsed() >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn putting_fails_once_the_transport_is_gone() {
        let (outbox, taker) = outbox(limits());
        drop(taker);
        outbox.gone().await;
        assert_eq!(outbox.put('a', 1).await, Err(OutboxError::Gone));
    }
}
