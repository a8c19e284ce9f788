//! A window of recent commits, by which the writer checks reads by query.

use std::collections::VecDeque;

use wellspring_types::{Filter, Sequence};

use crate::commit::Commit;
use crate::feed::matches;

/// Commits that the window holds. A fixed number, not a time, so that every node that runs the
/// same commands comes to the same answer.
const COMMITS: usize = 4096;
/// Bytes of commits that it holds, before and after images included: as much a function of the
/// commands as their number. One commit of any size is held.
const BYTES: usize = 32 << 20;

/// The newest commits.
#[derive(Default)]
pub(crate) struct Recent {
    /// As texts: parsed, an array of small numbers takes thirty times what its text does.
    commits: VecDeque<Commit>,
    bytes: usize,
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
    pub(crate) fn push(&mut self, commit: &Commit) {
        self.bytes += commit.bytes();
        self.commits.push_back(commit.unparsed());
        while self.commits.len() > COMMITS || (self.bytes > BYTES && self.commits.len() > 1) {
            let Some(oldest) = self.commits.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
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
                change.path.collection_str() == collection
                    && matches(filter, &change.unparsed()).any()
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

#[cfg(test)]
mod tests {
    use wellspring_types::{CollectionId, Data, Timestamp};

    use super::*;
    use crate::commit::DocumentChange;

    fn commit(seq: u64, data: &Data) -> Commit {
        let change = DocumentChange {
            collection: CollectionId(1),
            path: "rooms/1".parse().unwrap(),
            created_at: Timestamp::from_millis(0),
            before: None,
            after: Some(data.clone()),
        };
        Commit {
            seq: Sequence(seq),
            time: Timestamp::from_millis(0),
            principal: None,
            mutation: None,
            new_collections: Vec::new(),
            changes: vec![change],
        }
    }

    #[test]
    fn the_window_is_bounded_in_commits_and_in_bytes() {
        let small = Data::parse(b"{}").unwrap();
        let text = "x".repeat(1 << 19);
        let large = Data::parse(format!(r#"{{"s":"{text}"}}"#).as_bytes()).unwrap();
        for (data, kept) in [(small, COMMITS), (large, BYTES / ((1 << 19) + 256))] {
            let mut recent = Recent::default();
            for seq in 1..=5000 {
                recent.push(&commit(seq, &data));
            }
            let held = recent.commits.len();
            assert!(held.abs_diff(kept) <= 1, "{held}");
            let oldest = 5000 - u64::try_from(held).unwrap();
            let since = |after| recent.since(Sequence(after), "other", None);
            assert_eq!(since(oldest), Since::Unchanged);
            assert_eq!(since(oldest - 1), Since::MayHaveChanged);
        }
    }
}
