//! What a commit looks like to views: made once for each distinct form, however many views share
//! it.

use std::collections::HashMap;
use std::sync::Arc;

use wellspring_types::Select;
use wellspring_types::feed::{FeedCommit, View};

use super::view::{Matched, detach_documents, feed_commit_bytes, matches, see_matched};
use crate::commit::{Commit, DocumentChange, detach};

/// The forms of one commit's changes of one collection, or of one set of them.
pub(super) struct Forms<'a> {
    commit: &'a Commit,
    changes: &'a [&'a DocumentChange],
    memory: Memory,
    made: HashMap<Form<'a>, Option<Formed>>,
}

/// Whose memory a commit's documents are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// Their own.
    Own,
    /// That of all that was read from the log together: what is kept for a subscriber, who may be
    /// slow, gets its own.
    Log,
}

/// All that a view's sight of a commit depends on. Views whose filters differ have it in common as
/// soon as both show the same changes with the same effects.
#[derive(PartialEq, Eq, Hash)]
struct Form<'a> {
    select: Option<&'a Select>,
    old: bool,
    patch: bool,
    /// Indices of changes.
    effects: Vec<(usize, Matched)>,
}

/// A commit in one form, encodings included, and its size in a queue.
#[derive(Clone)]
pub(super) struct Formed {
    pub(super) commit: Arc<FeedCommit>,
    pub(super) bytes: usize,
}

impl<'a> Forms<'a> {
    pub(super) fn new(
        commit: &'a Commit,
        changes: &'a [&'a DocumentChange],
        memory: Memory,
    ) -> Forms<'a> {
        Forms {
            commit,
            changes,
            memory,
            made: HashMap::new(),
        }
    }

    pub(super) fn changes(&self) -> &'a [&'a DocumentChange] {
        self.changes
    }

    /// What `view` sees of the commit, if none but the changes at `candidates` can concern it;
    /// `None` where it sees nothing.
    pub(super) fn see(
        &mut self,
        view: &'a View,
        candidates: impl Iterator<Item = usize>,
    ) -> Option<Formed> {
        let changes = self.changes;
        let effects: Vec<_> = candidates
            .map(|index| (index, matches(view.filter.as_ref(), changes[index])))
            .filter(|(_, matched)| matched.any())
            .collect();
        if effects.is_empty() {
            return None;
        }
        let form = Form {
            select: view.select.as_ref(),
            old: view.old,
            patch: view.patch,
            effects,
        };
        if let Some(made) = self.made.get(&form) {
            return made.clone();
        }
        let effects = form.effects.iter();
        let effects = effects.map(|&(index, matched)| (changes[index], matched));
        let made = see_matched(view, self.commit, effects).map(|mut commit| {
            if self.memory == Memory::Log {
                detach_documents(&mut commit, detach);
            }
            Formed {
                bytes: feed_commit_bytes(&commit),
                commit: Arc::new(commit),
            }
        });
        self.made.insert(form, made.clone());
        made
    }
}
