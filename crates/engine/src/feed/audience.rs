//! The live subscriptions of one collection, or of one set of them.

use std::collections::HashMap;
use std::sync::Arc;

use wellspring_types::feed::View;

use super::few::Few;
use super::forms::Forms;
use super::index::{FilterIndex, Place, ViewId};
use super::queue::{Pushed, Queue};

/// What came of handing something out.
#[derive(Default)]
pub(super) struct HandedOut {
    /// Queues whose subscriptions must be woken.
    pub(super) to_wake: Vec<Arc<Queue>>,
    /// Subscriptions that a pass is to go on without.
    pub(super) full: Vec<Member>,
    /// Bytes that went into queues, what is shared by several once for each.
    pub(super) bytes: usize,
}

/// A subscription's name in an audience.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) id: u64,
    pub(super) view: Arc<View>,
}

/// Subscriptions by their views, those with equal views together, and the index that finds the
/// views.
#[derive(Default)]
pub(super) struct Audience {
    ids: HashMap<Arc<View>, ViewId>,
    views: HashMap<ViewId, Viewers>,
    index: FilterIndex,
}

/// The subscriptions with one view.
struct Viewers {
    view: Arc<View>,
    place: Place,
    queues: Few<u64, Arc<Queue>>,
}

impl Audience {
    /// Adds a subscription. `id` is new, and names the view too if that is new.
    pub(super) fn insert(&mut self, member: &Member, queue: Arc<Queue>) {
        let (id, view) = (member.id, &member.view);
        if let Some(&known) = self.ids.get(view)
            && let Some(viewers) = self.views.get_mut(&known)
        {
            viewers.queues.insert(id, queue);
            return;
        }
        let view_id = ViewId(id);
        let viewers = Viewers {
            view: Arc::clone(view),
            place: self.index.insert(view_id, view.filter.as_ref()),
            queues: Few::One(id, queue),
        };
        self.views.insert(view_id, viewers);
        self.ids.insert(Arc::clone(view), view_id);
    }

    /// Removes a subscription, if it is there.
    pub(super) fn remove(&mut self, member: &Member) -> Option<Arc<Queue>> {
        let view = *self.ids.get(&member.view)?;
        let viewers = self.views.get_mut(&view)?;
        let queue = Arc::clone(viewers.queues.get(member.id)?);
        if !viewers.queues.remove(member.id)
            && let Some(viewers) = self.views.remove(&view)
        {
            self.index.remove(view, &viewers.place);
            self.ids.remove(&viewers.view);
        }
        Some(queue)
    }

    pub(super) fn queue(&self, member: &Member) -> Option<&Arc<Queue>> {
        let view = self.ids.get(&member.view)?;
        self.views.get(view)?.queues.get(member.id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        let queues = self.views.values().flat_map(|view| view.queues.iter());
        queues.map(|(_, queue)| queue)
    }

    /// Puts a commit's changes of its collections into the queues of all that see them, and adds
    /// what comes of it to `handed_out`.
    pub(super) fn hand_out<'a>(&'a self, mut forms: Forms<'a>, handed_out: &mut HandedOut) {
        let changes = forms.changes();
        let found = self.index.candidates(changes);
        for of_view in found.chunk_by(|(one, _), (other, _)| one == other) {
            let candidates = of_view.iter().map(|(_, index)| *index);
            self.offer(of_view[0].0, candidates, &mut forms, handed_out);
        }
        for view in self.index.residual() {
            self.offer(view, 0..changes.len(), &mut forms, handed_out);
        }
    }

    fn offer<'a>(
        &'a self,
        view: ViewId,
        candidates: impl Iterator<Item = usize>,
        forms: &mut Forms<'a>,
        handed_out: &mut HandedOut,
    ) {
        let Some(viewers) = self.views.get(&view) else {
            debug_assert!(false, "the index holds the views that are there");
            return;
        };
        let Some(seen) = forms.see(&viewers.view, candidates) else {
            return;
        };
        for (id, queue) in viewers.queues.iter() {
            handed_out.bytes += seen.bytes;
            match queue.push(&seen.commit, seen.bytes) {
                Pushed::Wake => handed_out.to_wake.push(Arc::clone(queue)),
                Pushed::Queued => {}
                Pushed::Full => {
                    handed_out.to_wake.push(Arc::clone(queue));
                    let view = Arc::clone(&viewers.view);
                    handed_out.full.push(Member { id, view });
                }
            }
        }
    }
}
