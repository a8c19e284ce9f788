//! The bugs, and which rules are to find them.

use wellspring_engine::{Bugs, SeededBug};
use wellspring_log::SeededBug as LogBug;
use wellspring_testkit::history::Rule;

/// A bug.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Bug {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What is wrong.
    pub what: &'static str,
    /// The rules that it is against: one of them has to find it.
    pub rules: &'static [Rule],
    put_in: fn() -> Bugs,
}

impl Bug {
    /// What a database that has it is opened with.
    #[must_use]
    pub fn put_in(&self) -> Bugs {
        (self.put_in)()
    }
}

/// Seeds within which each has to be found.
pub const SEEDS_MAX: u64 = 1000;

/// All of them.
pub const BUGS: &[Bug] = &[
    Bug {
        name: "acknowledge-before-sync",
        what: "a commit is acknowledged before its group is synced",
        rules: &[Rule::C1],
        put_in: || LogBug::AcknowledgeBeforeSync.into(),
    },
    Bug {
        name: "publish-before-append",
        what: "a group is visible before it is in the log",
        rules: &[Rule::S7],
        put_in: || SeededBug::PublishBeforeAppend.into(),
    },
    Bug {
        name: "drop-at-switch",
        what: "a change that comes between the last read of the log and going live is dropped",
        rules: &[Rule::S3, Rule::S4],
        put_in: || SeededBug::DropAtSwitch.into(),
    },
    Bug {
        name: "token-off-by-one",
        what: "the token of live changes is of the commit before them",
        rules: &[Rule::S2, Rule::S4],
        put_in: || SeededBug::TokenOffByOne.into(),
    },
    Bug {
        name: "split-commit",
        what: "a commit of several writes is stored as two",
        rules: &[Rule::C3, Rule::S6],
        put_in: || SeededBug::SplitCommit.into(),
    },
    Bug {
        name: "stale-before-image",
        what: "the document before a write comes from the store, which is behind",
        rules: &[Rule::C5, Rule::S8],
        put_in: || SeededBug::StaleBeforeImage.into(),
    },
    Bug {
        name: "checkpoint-overtakes",
        what: "a checkpoint is sent before what waits in the queue before it",
        rules: &[Rule::S3, Rule::S5],
        put_in: || SeededBug::CheckpointOvertakes.into(),
    },
    Bug {
        name: "miss-deleted",
        what: "a snapshot misses a document that was deleted after its pin",
        rules: &[Rule::C5],
        put_in: || SeededBug::MissDeleted.into(),
    },
    Bug {
        name: "apply-twice",
        what: "a mutation id is not known before the store has it, and its commit is done again",
        rules: &[Rule::C3],
        put_in: || SeededBug::ApplyTwice.into(),
    },
    Bug {
        name: "half-a-group",
        what: "recovery takes half of the last group for all of it",
        rules: &[Rule::C1, Rule::S6],
        put_in: || LogBug::HalfAGroup.into(),
    },
];
