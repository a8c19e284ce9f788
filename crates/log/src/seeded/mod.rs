//! Bugs that can be put in on purpose, so that it is seen that tests find them (`docs/testing.md`).
//! Without the feature `seeded-bugs` none can be: [`Bugs::has`] is false when it is compiled, and
//! what depends on it is not there.

mod half_a_group;

pub(crate) use half_a_group::halve_last_group;

/// A bug of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeededBug {
    /// An append returns without a sync: the end of its segment, or the close, syncs it.
    AcknowledgeBeforeSync,
    /// Recovery takes half of the last group for all of it, unless somebody knows better.
    HalfAGroup,
}

/// The bugs that are in a log: none, unless it is built to have some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs(Option<SeededBug>);

impl Bugs {
    pub(crate) fn has(self, bug: SeededBug) -> bool {
        cfg!(feature = "seeded-bugs") && self.0 == Some(bug)
    }
}

#[cfg(feature = "seeded-bugs")]
impl From<SeededBug> for Bugs {
    fn from(bug: SeededBug) -> Bugs {
        Bugs(Some(bug))
    }
}
