//! Conflation: what several commits come to, as one. Net changes are made of what a view sees of
//! each commit and of nothing else, so that the hub's queues and the log come to the same.

use std::collections::HashMap;
use std::sync::Arc;

use wellspring_types::feed::{Change, Encoded, FeedCommit, Op, View};
use wellspring_types::json::merge_diff;
use wellspring_types::{Data, DocumentPath};

use super::view::{change_bytes, feed_commit_bytes};

/// How the commits that are found for a subscription become those that it sends.
#[derive(Clone, Debug)]
pub(super) enum Telling {
    /// Each as it is.
    Every,
    /// Those that are found together as what they come to.
    Net {
        /// What the subscriber asked for.
        view: Arc<View>,
    },
}

impl Telling {
    /// How to tell of `view`, and the view that is to be looked through: a net patch is the
    /// difference from what was before, whether that is shown or not.
    pub(super) fn of(view: &Arc<View>, conflate: bool) -> (Telling, Arc<View>) {
        if !conflate {
            return (Telling::Every, Arc::clone(view));
        }
        let seen = if view.patch && !view.old {
            Arc::new(View {
                old: true,
                ..View::clone(view)
            })
        } else {
            Arc::clone(view)
        };
        let view = Arc::clone(view);
        (Telling::Net { view }, seen)
    }

    /// For commits that are about to be found.
    pub(super) fn gather(&self) -> Gathered {
        match self {
            Telling::Every => Gathered::Every {
                commits: Vec::new(),
                bytes: 0,
            },
            Telling::Net { view } => Gathered::Net(Net::new(Arc::clone(view))),
        }
    }

    /// What is told of commits that were found together: none where they come to nothing.
    pub(super) fn tell(&self, commits: Vec<Arc<FeedCommit>>) -> Vec<Arc<FeedCommit>> {
        if matches!(self, Telling::Every) {
            return commits;
        }
        let mut gathered = self.gather();
        commits.into_iter().for_each(|commit| gathered.add(commit));
        gathered.finish()
    }

    pub(super) fn is_net(&self) -> bool {
        matches!(self, Telling::Net { .. })
    }
}

/// Commits, oldest first, on their way into a message.
pub(super) enum Gathered {
    Every {
        commits: Vec<Arc<FeedCommit>>,
        bytes: usize,
    },
    Net(Net),
}

impl Gathered {
    pub(super) fn add(&mut self, commit: Arc<FeedCommit>) {
        match self {
            Gathered::Every { commits, bytes } => {
                *bytes += feed_commit_bytes(&commit);
                commits.push(commit);
            }
            Gathered::Net(net) => net.add(commit),
        }
    }

    /// About how many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Gathered::Every { bytes, .. } => *bytes,
            Gathered::Net(net) => net.bytes,
        }
    }

    pub(super) fn finish(self) -> Vec<Arc<FeedCommit>> {
        match self {
            Gathered::Every { commits, .. } => commits,
            Gathered::Net(net) => net.finish().into_iter().collect(),
        }
    }
}

/// What commits come to.
pub(super) struct Net {
    view: Arc<View>,
    /// The newest commit.
    last: Option<Arc<FeedCommit>>,
    is_one: bool,
    changes: HashMap<DocumentPath, NetChange>,
    /// Changes so far, for their order.
    count: u64,
    bytes: usize,
}

struct NetChange {
    /// The place of the newest change of the document among all.
    order: u64,
    change: Change,
    /// Made of several.
    is_joined: bool,
}

impl Net {
    fn new(view: Arc<View>) -> Net {
        Net {
            view,
            last: None,
            is_one: true,
            changes: HashMap::new(),
            count: 0,
            bytes: 0,
        }
    }

    fn add(&mut self, commit: Arc<FeedCommit>) {
        for change in &commit.changes {
            self.add_change(change.clone());
        }
        self.is_one = self.last.is_none();
        self.last = Some(commit);
    }

    fn add_change(&mut self, change: Change) {
        let order = self.count;
        self.count += 1;
        let added = match self.changes.remove(&change.path) {
            None => Some(NetChange {
                order,
                change,
                is_joined: false,
            }),
            Some(before) => {
                self.bytes -= change_bytes(&before.change);
                join(before.change, change).map(|change| NetChange {
                    order,
                    change,
                    is_joined: true,
                })
            }
        };
        if let Some(added) = added {
            self.bytes += change_bytes(&added.change);
            self.changes.insert(added.change.path.clone(), added);
        }
    }

    fn finish(self) -> Option<Arc<FeedCommit>> {
        let last = self.last?;
        let hides_old = !self.view.old;
        if self.is_one && last.changes.iter().all(|of| !hides_old || of.old.is_none()) {
            return Some(last);
        }
        let mut changes: Vec<_> = self.changes.into_values().collect();
        if changes.is_empty() {
            return None;
        }
        changes.sort_unstable_by_key(|of| of.order);
        let changes = changes.into_iter().map(|of| of.shown(&self.view));
        let is_one = self.is_one;
        Some(Arc::new(FeedCommit {
            seq: last.seq,
            time: last.time,
            actor: last.actor.clone().filter(|_| is_one),
            mutation_id: last.mutation_id.clone().filter(|_| is_one),
            changes: changes.collect(),
            conflated: !is_one,
            encoded: Encoded::default(),
        }))
    }
}

impl NetChange {
    fn shown(self, view: &View) -> Change {
        let mut change = self.change;
        if self.is_joined {
            change.patch = match (&change.old, &change.data) {
                (Some(old), Some(data)) if view.patch => merge_diff(old.object(), data.object())
                    .and_then(|patch| Data::from_object(patch).ok()),
                _ => None,
            };
        }
        change.old = change.old.filter(|_| view.old);
        change
    }
}

/// What two changes of one document come to; `None`: it came, and is gone again.
fn join(first: Change, second: Change) -> Option<Change> {
    let (was_in, is_in) = (first.op != Op::Insert, second.op != Op::Delete);
    let op = match (was_in, is_in) {
        (false, false) => return None,
        (false, true) => Op::Insert,
        (true, true) => Op::Update,
        (true, false) => Op::Delete,
    };
    let cause = match op {
        Op::Update => None,
        // Of when it came or went last.
        _ if second.op == op => second.cause,
        _ => first.cause,
    };
    Some(Change {
        op,
        cause,
        old: first.old,
        // Of both, once all are known.
        patch: None,
        ..second
    })
}
