//! What is visible: one sequence, and the overlay of documents that the store does not have yet.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::watch;
use wellspring_types::{Document, DocumentPath, Sequence};

use crate::apply::ApplyQueue;
use crate::commit::{Commit, DocumentChange, Group};
use crate::executor::Patience;

/// The state that readers consult before the store. Groups become visible by entering it, whole;
/// they leave it once the store has them.
pub(crate) struct Visible {
    overlay: RwLock<Overlay>,
    /// Bytes of groups in the overlay, for the writer to wait on.
    pending_bytes: Mutex<usize>,
    drained: Condvar,
    /// Where groups that are visible wait for the store; it is told when somebody needs them there.
    apply: Arc<ApplyQueue>,
    /// Wakes readers that wait for the store.
    progress: watch::Sender<Progress>,
}

/// How far the store has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Everything up to here is in the store.
    pub(crate) applied: Sequence,
    /// Applying of everything up to here has begun.
    pub(crate) begun: Sequence,
    /// The store takes nothing more; the overlay stays as it is.
    pub(crate) frozen: bool,
}

#[derive(Default)]
struct Overlay {
    visible: Sequence,
    documents: HashMap<DocumentPath, Pending>,
}

/// The newest state of a document that the store does not have yet.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) seq: Sequence,
    /// `None`: deleted.
    pub(crate) document: Option<Arc<Document>>,
}

impl Visible {
    /// Everything up to `applied` is in the store, and nothing else is visible.
    pub(crate) fn new(applied: Sequence, apply: Arc<ApplyQueue>) -> Visible {
        let overlay = Overlay {
            visible: applied,
            documents: HashMap::new(),
        };
        Visible {
            overlay: RwLock::new(overlay),
            pending_bytes: Mutex::new(0),
            drained: Condvar::new(),
            apply,
            progress: watch::Sender::new(Progress {
                applied,
                begun: applied,
                frozen: false,
            }),
        }
    }

    /// The last visible sequence.
    pub(crate) fn sequence(&self) -> Sequence {
        self.overlay.read().visible
    }

    /// The last visible sequence, and what the overlay holds of `path` at it.
    pub(crate) fn get(&self, path: &DocumentPath) -> (Sequence, Option<Pending>) {
        let overlay = self.overlay.read();
        (overlay.visible, overlay.documents.get(path).cloned())
    }

    /// The last visible sequence, and what the overlay holds of one collection at it. It
    /// looks through all that is pending: only for what is rare.
    pub(crate) fn of_collection(
        &self,
        collection: &str,
    ) -> (Sequence, Vec<(DocumentPath, Pending)>) {
        let overlay = self.overlay.read();
        let of_it = overlay.documents.iter();
        let of_it = of_it.filter(|(path, _)| path.collection_str() == collection);
        let of_it = of_it.map(|(path, pending)| (path.clone(), pending.clone()));
        (overlay.visible, of_it.collect())
    }

    /// Makes a durable group visible.
    pub(crate) fn publish(&self, group: &Group) {
        *self.pending_bytes.lock() += group.bytes;
        let mut overlay = self.overlay.write();
        for commit in &group.commits {
            for change in &commit.changes {
                let pending = Pending {
                    seq: commit.seq,
                    document: document_after(commit, change),
                };
                overlay.documents.insert(change.path.clone(), pending);
            }
        }
        debug_assert!(overlay.visible < group.last(), "visible grows");
        overlay.visible = group.last();
    }

    /// Bytes of groups in the overlay.
    pub(crate) fn pending_bytes(&self) -> usize {
        *self.pending_bytes.lock()
    }

    /// Whether the overlay has room for more, or is frozen. With patience it waits until it has.
    pub(crate) fn has_room(&self, bytes_max: usize, patience: Patience) -> bool {
        let mut pending = self.pending_bytes.lock();
        while *pending > bytes_max && !self.progress.borrow().frozen {
            if patience == Patience::None {
                return false;
            }
            self.apply.hurry(self.sequence());
            self.drained.wait(&mut pending);
        }
        true
    }

    /// Applying of everything up to `seq` begins: the store may show it from now on.
    pub(crate) fn begin_apply(&self, seq: Sequence) {
        self.progress.send_modify(|progress| progress.begun = seq);
    }

    /// The store has these groups.
    pub(crate) fn retire(&self, groups: &[Arc<Group>]) {
        let Some(applied) = groups.last().map(|group| group.last()) else {
            return;
        };
        {
            let mut overlay = self.overlay.write();
            for change in groups
                .iter()
                .flat_map(|g| &g.commits)
                .flat_map(|c| &c.changes)
            {
                if overlay
                    .documents
                    .get(&change.path)
                    .is_some_and(|p| p.seq <= applied)
                {
                    overlay.documents.remove(&change.path);
                }
            }
        }
        self.progress
            .send_modify(|progress| progress.applied = applied);
        *self.pending_bytes.lock() -= groups.iter().map(|group| group.bytes).sum::<usize>();
        self.drained.notify_all();
    }

    /// The store takes nothing more: what the overlay holds stays there until the next opening.
    pub(crate) fn freeze(&self) {
        self.progress.send_modify(|progress| progress.frozen = true);
        let _pending = self.pending_bytes.lock();
        self.drained.notify_all();
    }

    pub(crate) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits until the store has everything up to `seq`, or is frozen.
    pub(crate) async fn applied(&self, seq: Sequence) {
        self.apply.hurry(seq);
        let mut progress = self.progress.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let _found = progress
            .wait_for(|now| now.applied >= seq || now.frozen)
            .await;
    }
}

/// The document that a change leaves behind.
pub(crate) fn document_after(commit: &Commit, change: &DocumentChange) -> Option<Arc<Document>> {
    let data = change.after.clone()?;
    Some(Arc::new(Document {
        path: change.path.clone(),
        version: commit.seq,
        created_at: change.created_at,
        updated_at: commit.time,
        data,
    }))
}
