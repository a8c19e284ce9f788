//! Bugs that can be put in on purpose, so that it is seen that tests find them (`docs/testing.md`).
//! Without the feature `seeded-bugs` none can be: [`Bugs::has`] is false when it is compiled, and
//! what depends on it is not there.

use crate::commit::Commit;

/// A bug of the engine. Those of the log are its own: [`wellspring_log::SeededBug`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeededBug {
    /// A group is visible before it is in the log.
    PublishBeforeAppend,
    /// A subscription that has read the log to its end goes live without looking whether
    /// something was committed meanwhile.
    DropAtSwitch,
    /// The token of live changes is of the commit before them.
    TokenOffByOne,
    /// A commit of several changes becomes two.
    SplitCommit,
    /// The document before a write is looked for in the store, which is behind.
    StaleBeforeImage,
    /// A checkpoint of everything visible goes out past what waits in the queue.
    CheckpointOvertakes,
    /// A snapshot and a query miss what was deleted after their pin.
    MissDeleted,
    /// The mutation id of a commit is not known before the store has it.
    ApplyTwice,
}

/// The bugs that are in a database: none, unless it is built to have some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs {
    engine: Option<SeededBug>,
    pub(crate) log: wellspring_log::Bugs,
}

impl Bugs {
    pub(crate) fn has(self, bug: SeededBug) -> bool {
        cfg!(feature = "seeded-bugs") && self.engine == Some(bug)
    }

    /// [`SeededBug::SplitCommit`]: takes half of the changes for another commit.
    pub(crate) fn split_off(self, commit: &mut Commit) -> Option<Commit> {
        if !self.has(SeededBug::SplitCommit) || commit.changes.len() < 2 {
            return None;
        }
        let changes = commit.changes.split_off(commit.changes.len() / 2);
        Some(Commit {
            seq: commit.seq.next(),
            new_collections: Vec::new(),
            changes,
            ..commit.clone()
        })
    }
}

#[cfg(feature = "seeded-bugs")]
impl From<SeededBug> for Bugs {
    fn from(bug: SeededBug) -> Bugs {
        Bugs {
            engine: Some(bug),
            ..Bugs::default()
        }
    }
}

#[cfg(feature = "seeded-bugs")]
impl From<wellspring_log::SeededBug> for Bugs {
    fn from(bug: wellspring_log::SeededBug) -> Bugs {
        Bugs {
            log: bug.into(),
            ..Bugs::default()
        }
    }
}
