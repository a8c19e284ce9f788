//! The live subscriptions of one collection, or of one set of them.

use std::collections::HashMap;
use std::sync::Arc;

use wellspring_types::feed::View;

use super::few::Few;
use super::forms::Forms;
use super::index::{FilterIndex, Place, ViewId};
use super::queue::{Pushed, Queue};
use crate::commit::{Commit, DocumentChange};

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
    pub(super) fn insert(&mut self, id: u64, view: &Arc<View>, queue: Arc<Queue>) -> ViewId {
        if let Some(&known) = self.ids.get(view)
            && let Some(viewers) = self.views.get_mut(&known)
        {
            viewers.queues.insert(id, queue);
            return known;
        }
        let view_id = ViewId(id);
        let viewers = Viewers {
            view: Arc::clone(view),
            place: self.index.insert(view_id, view.filter.as_ref()),
            queues: Few::One(id, queue),
        };
        self.views.insert(view_id, viewers);
        self.ids.insert(Arc::clone(view), view_id);
        view_id
    }

    /// Removes a subscription.
    pub(super) fn remove(&mut self, id: u64, view: ViewId) {
        let Some(viewers) = self.views.get_mut(&view) else {
            return;
        };
        if !viewers.queues.remove(id)
            && let Some(viewers) = self.views.remove(&view)
        {
            self.index.remove(view, &viewers.place);
            self.ids.remove(&viewers.view);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        let queues = self.views.values().flat_map(|view| view.queues.iter());
        queues.map(|(_, queue)| queue)
    }

    /// Puts a commit's changes of its collections into the queues of all that see them, and adds
    /// those that must be woken to `to_wake`.
    pub(super) fn hand_out(
        &self,
        commit: &Commit,
        changes: &[&DocumentChange],
        to_wake: &mut Vec<Arc<Queue>>,
    ) {
        let mut forms = Forms::new(commit, changes);
        let found = self.index.candidates(changes);
        for of_view in found.chunk_by(|(one, _), (other, _)| one == other) {
            let candidates = of_view.iter().map(|(_, index)| *index);
            self.offer(of_view[0].0, candidates, &mut forms, to_wake);
        }
        for view in self.index.residual() {
            self.offer(view, 0..changes.len(), &mut forms, to_wake);
        }
    }

    fn offer<'a>(
        &'a self,
        view: ViewId,
        candidates: impl Iterator<Item = usize>,
        forms: &mut Forms<'a>,
        to_wake: &mut Vec<Arc<Queue>>,
    ) {
        let Some(viewers) = self.views.get(&view) else {
            debug_assert!(false, "the index holds the views that are there");
            return;
        };
        let Some(seen) = forms.see(&viewers.view, candidates) else {
            return;
        };
        for (_, queue) in viewers.queues.iter() {
            if queue.push(&seen.commit, seen.bytes) == Pushed::Wake {
                to_wake.push(Arc::clone(queue));
            }
        }
    }
}
