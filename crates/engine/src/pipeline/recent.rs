//! A window of recent commits, by which the writer checks reads by query.

use std::collections::VecDeque;
use std::sync::Arc;

use wellspring_types::{Filter, Sequence};

use crate::commit::Commit;
use crate::feed::matches;

/// Commits that the window holds. A fixed number, not a time or a size, so that every node that
/// runs the same commands comes to the same answer.
const COMMITS: usize = 4096;

/// The newest commits.
#[derive(Default)]
pub(crate) struct Recent {
    commits: VecDeque<Arc<Commit>>,
}

/// What the window knows of the time after a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// Nothing that matches the filter changed.
    Unchanged,
    /// Something changed, or the window does not reach back so far.
    MayHaveChanged,
}

impl Recent {
    pub(crate) fn push(&mut self, commit: Arc<Commit>) {
        if self.commits.len() == COMMITS {
            self.commits.pop_front();
        }
        self.commits.push_back(commit);
    }

    /// Whether a change of `collection` after `after` matched `filter`, before or after.
    pub(crate) fn since(
        &self,
        after: Sequence,
        collection: &str,
        filter: Option<&Filter>,
    ) -> Since {
        for commit in self.commits.iter().rev() {
            if commit.seq <= after {
                return Since::Unchanged;
            }
            if commit.changes.iter().any(|change| {
                change.path.collection_str() == collection && matches(filter, change).any()
            }) {
                return Since::MayHaveChanged;
            }
        }
        let oldest = self
            .commits
            .front()
            .map_or(after.next(), |commit| commit.seq);
        if oldest <= after.next() {
            Since::Unchanged
        } else {
            Since::MayHaveChanged
        }
    }
}
