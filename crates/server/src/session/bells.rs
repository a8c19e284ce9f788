//! How live subscriptions tell their session that they have something to say.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::task::ArcWake;

/// The bells of a session: which have been rung, in their order.
#[derive(Debug, Default)]
pub(super) struct Bells(Arc<Rung>);

#[derive(Debug, Default)]
struct Rung {
    // Held for a few assignments, and never across an await.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The places of bells that were rung and not answered, each once.
    places: VecDeque<usize>,
    session: Option<Waker>,
}

/// The bell of one subscription: it wakes the session, which then knows whom to ask.
#[derive(Debug)]
pub(super) struct Bell {
    rung: Arc<Rung>,
    place: usize,
    /// Whether its place waits to be answered.
    is_rung: AtomicBool,
}

impl Bells {
    /// A bell for the subscription at `place`.
    pub(super) fn bell(&self, place: usize) -> Arc<Bell> {
        Arc::new(Bell {
            rung: Arc::clone(&self.0),
            place,
            is_rung: AtomicBool::new(false),
        })
    }

    /// The place of the bell that was rung first.
    pub(super) fn poll_rung(&self, context: &Context<'_>) -> Poll<usize> {
        let mut state = self.0.lock();
        if let Some(place) = state.places.pop_front() {
            return Poll::Ready(place);
        }
        let known = state.session.as_ref();
        if !known.is_some_and(|waker| waker.will_wake(context.waker())) {
            let before = state.session.replace(context.waker().clone());
            drop(state);
            drop(before);
        }
        Poll::Pending
    }
}

impl Rung {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    pub(super) fn ring(&self) {
        if self.is_rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = self.rung.lock();
        state.places.push_back(self.place);
        let session = state.session.take();
        drop(state);
        if let Some(session) = session {
            session.wake();
        }
    }

    /// Has it ring again. Before the subscription is asked: what comes from then on is to be heard.
    pub(super) fn answer(&self) {
        // Swapped, not stored: who asks is to see what was there before a ring that came to nothing.
        self.is_rung.swap(false, Ordering::AcqRel);
    }
}

impl ArcWake for Bell {
    fn wake_by_ref(bell: &Arc<Self>) {
        bell.ring();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;

    use super::*;

    #[test]
    fn a_bell_is_heard_once_until_it_is_answered() {
        let bells = Bells::default();
        let waker = noop_waker();
        let context = Context::from_waker(&waker);
        let (first, second) = (bells.bell(1), bells.bell(2));
        second.ring();
        first.ring();
        second.ring();
        let heard = || bells.poll_rung(&context);
        assert_eq!((heard(), heard()), (Poll::Ready(2), Poll::Ready(1)));
        assert_eq!(heard(), Poll::Pending);
        second.ring();
        assert_eq!(heard(), Poll::Pending);
        second.answer();
        second.ring();
        assert_eq!(heard(), Poll::Ready(2));
    }

    #[tokio::test]
    async fn who_listens_is_woken() {
        let bells = Bells::default();
        let bell = bells.bell(7);
        let heard = std::future::poll_fn(|context| bells.poll_rung(context));
        let (heard, ()) = tokio::join!(heard, async { bell.ring() });
        assert_eq!(heard, 7);
    }
}
