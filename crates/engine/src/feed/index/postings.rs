//! The views that one value of a field leads to.

use std::collections::HashSet;

use super::ViewId;

/// At least one view. Most values lead to one, which takes no memory of its own.
#[derive(Debug)]
pub(super) enum Postings {
    One(ViewId),
    #[expect(
        clippy::box_collection,
        reason = "a set is three times as large as all that most values need"
    )]
    Many(Box<HashSet<ViewId>>),
}

impl Postings {
    pub(super) fn len(&self) -> usize {
        match self {
            Postings::One(_) => 1,
            Postings::Many(views) => views.len(),
        }
    }

    pub(super) fn insert(&mut self, view: ViewId) {
        match self {
            Postings::One(only) if *only == view => {}
            Postings::One(only) => *self = Postings::Many(Box::new(HashSet::from([*only, view]))),
            Postings::Many(views) => {
                views.insert(view);
            }
        }
    }

    /// Removes a view, unless it is the last: then nothing is left, and the answer is false.
    pub(super) fn remove(&mut self, view: ViewId) -> bool {
        match self {
            Postings::One(only) => *only != view,
            Postings::Many(views) => {
                views.remove(&view);
                match (views.len(), views.iter().next()) {
                    (_, None) => false,
                    (1, Some(last)) => {
                        *self = Postings::One(*last);
                        true
                    }
                    _ => true,
                }
            }
        }
    }

    pub(super) fn for_each(&self, mut visit: impl FnMut(ViewId)) {
        match self {
            Postings::One(only) => visit(*only),
            Postings::Many(views) => views.iter().copied().for_each(visit),
        }
    }
}
