//! A subscription's place where its queue is filled.

use std::sync::Arc;

use wellspring_types::feed::View;
use wellspring_types::{CollectionSet, Sequence};

use super::audience::Member;
use super::hub::Hub;
use super::passes::{Passenger, Passes, Stretch};
use super::queue::{Filler, Queue, Wakes};

/// A subscription's place in the hub, or in a pass over the log, which hands it on to the hub.
/// Given up when it is dropped.
pub(crate) struct Registration {
    hub: Arc<Hub>,
    /// Where it began, if that is a pass.
    seat: Option<Seat>,
    collections: CollectionSet,
    member: Member,
    pub(crate) queue: Arc<Queue>,
}

/// A place in a pass.
struct Seat {
    passes: Arc<Passes>,
    stretch: Stretch,
    after: Sequence,
}

impl Registration {
    /// From now on the commits that `view` sees go into its queue: those after the sequence that is
    /// returned.
    pub(crate) fn in_hub(
        hub: &Arc<Hub>,
        collections: &CollectionSet,
        view: &Arc<View>,
        queue_bytes_max: usize,
    ) -> (Registration, Sequence) {
        let queue = Queue::new(queue_bytes_max, Filler::Hub, Sequence::ZERO);
        let registration = Registration {
            hub: Arc::clone(hub),
            seat: None,
            collections: collections.clone(),
            member: hub.member(view),
            queue: Arc::new(queue),
        };
        let Registration { member, queue, .. } = &registration;
        let handed_out = hub.insert(collections, member, queue);
        (registration, handed_out)
    }

    /// From now on the commits behind `after` that `view` sees go into its queue, first those that
    /// a pass finds in the log.
    pub(crate) fn in_pass(
        passes: &Arc<Passes>,
        collections: &CollectionSet,
        view: &Arc<View>,
        (after, wakes, queue_bytes_max): (Sequence, Wakes, usize),
    ) -> Registration {
        let queue = Queue::new(queue_bytes_max, Filler::Pass(wakes), after);
        let queue = Arc::new(queue);
        let member = passes.hub().member(view);
        let passenger = Passenger {
            member: member.clone(),
            after,
            queue: Arc::clone(&queue),
            asks: false,
        };
        let stretch = passes.join(collections, passenger);
        Registration {
            hub: Arc::clone(passes.hub()),
            seat: Some(Seat {
                passes: Arc::clone(passes),
                stretch,
                after,
            }),
            collections: collections.clone(),
            member,
            queue,
        }
    }

    /// Puts a checkpoint behind everything that is in the queue by then; in a pass, once that has
    /// come on.
    pub(crate) fn request_checkpoint(&self) {
        match (&self.seat, self.queue.filler()) {
            (Some(seat), Filler::Pass(_)) => {
                let passenger = self.passenger(seat);
                let place = (&self.collections, seat.stretch);
                seat.passes.checkpoint(place, passenger);
            }
            _ => self.hub.checkpoint(&self.queue),
        }
    }

    fn passenger(&self, seat: &Seat) -> Passenger {
        Passenger {
            member: self.member.clone(),
            after: seat.after,
            queue: Arc::clone(&self.queue),
            asks: false,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // From here on nobody hands it on: it is still where this says.
        match (&self.seat, self.queue.abandon()) {
            (Some(seat), Filler::Pass(_)) => {
                let place = (&self.collections, seat.stretch);
                seat.passes.leave(place, self.passenger(seat));
            }
            _ => self.hub.remove(&self.collections, &self.member),
        }
    }
}
