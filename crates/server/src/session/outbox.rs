//! What is on its way to one client: a queue bounded in bytes.
//!
//! A full outbox makes the session wait, so that the engine's queues fill and fall back to the
//! log: no memory grows with a client that reads slowly. One that takes nothing is told apart
//! from one that is merely slow by when it last took something.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{Instant, timeout_at};

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
pub(crate) struct Outbox<F>(Arc<Shared<F>>);

/// Where a transport takes frames.
#[derive(Debug)]
pub(crate) struct Taker<F>(Arc<Shared<F>>);

#[derive(Debug)]
struct Shared<F> {
    // Held for a few assignments and never across an await.
    state: Mutex<State<F>>,
    limits: Limits,
}

#[derive(Debug)]
struct State<F> {
    /// What waits, each with its bytes.
    frames: VecDeque<(F, usize)>,
    bytes: usize,
    taken_at: Instant,
    taken_bytes: usize,
    /// Whether nothing more is put.
    ended: bool,
    /// Whether nothing more is taken.
    gone: bool,
    taker: Wakes,
    waits_for_room: Option<Waker>,
    waits_for_the_end: Option<Waker>,
}

/// How the transport learns of a frame.
#[derive(Debug)]
enum Wakes {
    /// It is woken, if it waits.
    Woken(Option<Waker>),
    /// It is polled after the session, whenever that is.
    PolledAfter,
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
    let state = State {
        frames: VecDeque::new(),
        bytes: 0,
        taken_at: Instant::now(),
        taken_bytes: 0,
        ended: false,
        gone: false,
        taker: Wakes::Woken(None),
        waits_for_room: None,
        waits_for_the_end: None,
    };
    let state = Mutex::new(state);
    let shared = Arc::new(Shared { state, limits });
    (Outbox(Arc::clone(&shared)), Taker(shared))
}

impl<F> Outbox<F> {
    /// Puts a frame at the end, once there is room; tells how long that took.
    ///
    /// # Errors
    /// If nobody takes frames any more, or not for too long.
    pub(crate) async fn put(&mut self, frame: F, bytes: usize) -> Result<Duration, OutboxError> {
        let mut waited = Duration::ZERO;
        if !self.0.has_room(bytes) {
            // Boxed: most never wait, and none is to be larger for it.
            waited = Box::pin(self.wait_for_room(bytes)).await?;
        }
        let mut state = self.0.lock();
        if state.gone {
            return Err(OutboxError::Gone);
        }
        state.bytes += bytes;
        state.frames.push_back((frame, bytes));
        let waker = state.taker.take();
        drop(state);
        self.0.limits.queued.inc_by(gauged(bytes));
        wake(waker);
        Ok(waited)
    }

    async fn wait_for_room(&self, bytes: usize) -> Result<Duration, OutboxError> {
        let began = Instant::now();
        loop {
            let room = poll_fn(|context| self.0.poll_room(context, bytes));
            match timeout_at(self.patience_ends(began), room).await {
                Ok(()) => return Ok(began.elapsed()),
                Err(_) if self.patience_ends(began) > Instant::now() => {}
                Err(_) => return Err(OutboxError::Stalled),
            }
        }
    }

    /// How long the client may take nothing.
    pub(crate) fn patience(&self) -> Duration {
        self.0.limits.stalled
    }

    /// When the client counts as stalled, for a frame that waits since `began`.
    fn patience_ends(&self, began: Instant) -> Instant {
        let state = self.0.lock();
        let steps = u32::try_from(state.taken_bytes.div_ceil(STEP_BYTES)).unwrap_or(u32::MAX);
        state.taken_at.max(began) + self.0.limits.stalled * steps.max(1)
    }

    /// Drops what is queued and ends with `last_words`: a client that wakes up learns why its
    /// stream ended without reading through a backlog first.
    pub(crate) fn cut(self, last_words: impl IntoIterator<Item = F>) {
        let last_words = last_words.into_iter().map(|frame| (frame, 0)).collect();
        let mut state = self.0.lock();
        let dropped = std::mem::replace(&mut state.frames, last_words);
        let bytes = std::mem::take(&mut state.bytes);
        drop(state);
        drop(dropped);
        self.0.limits.queued.dec_by(gauged(bytes));
    }

    /// Ends when the transport is gone.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + use<F> {
        let shared = Arc::clone(&self.0);
        poll_fn(move |context| {
            let mut state = shared.lock();
            if state.gone {
                return Poll::Ready(());
            }
            wait_in(&mut state.waits_for_the_end, context)
        })
    }
}

impl<F> Drop for Outbox<F> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ended = true;
        let waker = state.taker.take();
        drop(state);
        wake(waker);
    }
}

impl<F> Taker<F> {
    /// A taker that need not be woken: it is polled after the session, by the same task.
    pub(crate) fn polled_after_the_session(self) -> Self {
        self.0.lock().taker = Wakes::PolledAfter;
        self
    }

    /// The next frame; `None` at the end.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn take(&mut self) -> Option<F> {
        poll_fn(|context| self.poll_take(context)).await
    }

    /// The next frame, if one is there.
    pub(crate) fn take_now(&mut self) -> Option<F> {
        let mut state = self.0.lock();
        let (frame, bytes) = state.frames.pop_front()?;
        state.bytes = state.bytes.saturating_sub(bytes);
        if !state.frames.is_empty() {
            // Who waits for an empty outbox waits no longer, and who waits later began later.
            state.taken_at = Instant::now();
        }
        state.taken_bytes = bytes;
        let waker = state.waits_for_room.take();
        drop(state);
        self.0.limits.queued.dec_by(gauged(bytes));
        wake(waker);
        Some(frame)
    }

    /// Notes that the client took a part of the last frame, of up to [`STEP_BYTES`].
    pub(crate) fn note_progress(&self) {
        let mut state = self.0.lock();
        state.taken_at = Instant::now();
        state.taken_bytes = STEP_BYTES;
    }

    pub(crate) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Option<F>> {
        let mut state = self.0.lock();
        if !state.frames.is_empty() {
            drop(state);
            return Poll::Ready(self.take_now());
        }
        if state.ended {
            return Poll::Ready(None);
        }
        match &mut state.taker {
            Wakes::Woken(waker) => wait_in(waker, context),
            Wakes::PolledAfter => Poll::Pending,
        }
    }
}

impl<F> Drop for Taker<F> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.gone = true;
        let wakers = [state.waits_for_room.take(), state.waits_for_the_end.take()];
        drop(state);
        wakers.into_iter().for_each(wake);
    }
}

impl<F> Shared<F> {
    fn lock(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a frame need not wait, if only because nobody takes any.
    fn has_room(&self, bytes: usize) -> bool {
        self.has_room_in(&self.lock(), bytes)
    }

    fn has_room_in(&self, state: &State<F>, bytes: usize) -> bool {
        let bytes_max = usize::try_from(self.limits.bytes_max).unwrap_or(usize::MAX);
        let fits = state.bytes + bytes <= bytes_max && state.frames.len() < FRAMES_MAX;
        state.gone || state.frames.is_empty() || fits
    }

    fn poll_room(&self, context: &Context<'_>, bytes: usize) -> Poll<()> {
        let mut state = self.lock();
        if self.has_room_in(&state, bytes) {
            return Poll::Ready(());
        }
        wait_in(&mut state.waits_for_room, context)
    }
}

impl<F> Drop for Shared<F> {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        self.limits.queued.dec_by(gauged(state.bytes));
    }
}

impl Wakes {
    fn take(&mut self) -> Option<Waker> {
        match self {
            Wakes::Woken(waker) => waker.take(),
            Wakes::PolledAfter => None,
        }
    }
}

/// Leaves word of who waits.
fn wait_in<T>(place: &mut Option<Waker>, context: &Context<'_>) -> Poll<T> {
    let known = place.as_ref();
    if !known.is_some_and(|waker| waker.will_wake(context.waker())) {
        *place = Some(context.waker().clone());
    }
    Poll::Pending
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn gauged(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
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
        let (mut outbox, mut taker) = outbox(limits());
        outbox.put('a', 40).await.unwrap();
        outbox.put('b', 40).await.unwrap();
        drop(outbox);
        let all = [taker.take().await, taker.take().await, taker.take().await];
        assert_eq!(all, [Some('a'), Some('b'), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_counted_until_it_is_taken_or_dropped() {
        let limits = limits();
        let (mut outbox, mut taker) = outbox(limits.clone());
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
        let (mut outbox, mut taker) = outbox(limits());
        outbox.put('a', 1).await.unwrap();
        let (put, taken) = tokio::join!(outbox.put('b', 5000), taker.take());
        assert_eq!((put, taken), (Ok(Duration::ZERO), Some('a')));
        assert_eq!(taker.take().await, Some('b'));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_stalled() {
        let (mut outbox, mut taker) = outbox(limits());
        outbox.put('a', 100).await.unwrap();
        assert_eq!(outbox.put('b', 100).await, Err(OutboxError::Stalled));
        outbox.cut(Some('!'));
        assert_eq!([taker.take().await, taker.take().await], [Some('!'), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_slowly_is_not_stalled() {
        let (mut outbox, mut taker) = outbox(limits());
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
        let (mut outbox, mut taker) = outbox(limits());
        outbox.put('a', 3 * STEP_BYTES).await.unwrap();
        taker.take().await.unwrap();
        outbox.put('b', 100).await.unwrap();
        let began = Instant::now();
        assert_eq!(outbox.put('c', 100).await, Err(OutboxError::Stalled));
        assert!(began.elapsed() >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn putting_fails_once_the_transport_is_gone() {
        let (mut outbox, taker) = outbox(limits());
        drop(taker);
        outbox.gone().await;
        assert_eq!(outbox.put('a', 1).await, Err(OutboxError::Gone));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_polled_after_the_session_sees_what_it_put() {
        let (mut outbox, taker) = outbox(limits());
        let mut taker = taker.polled_after_the_session();
        let put = async {
            for frame in 0..5 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                outbox.put(frame, 100).await.unwrap();
            }
            drop(outbox);
        };
        let take = async {
            let mut taken = Vec::new();
            while let Some(frame) = taker.take().await {
                taken.push(frame);
            }
            taken
        };
        let ((), taken) = tokio::join!(biased; put, take);
        assert_eq!(taken, [0, 1, 2, 3, 4]);
    }
}
