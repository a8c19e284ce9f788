//! What a change is to a view: the effect on what the subscriber sees, not on the document.

use wellspring_types::feed::{Cause, Change, FeedCommit, Op, View};
use wellspring_types::json::merge_diff;
use wellspring_types::{Data, Document, Filter};

use crate::commit::{Commit, DocumentChange};
use crate::read::projected;

/// Whether a filter matched a document before and after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Matched {
    before: bool,
    after: bool,
}

impl Matched {
    /// Whether the change concerns the filter at all.
    pub(crate) fn any(self) -> bool {
        self.before || self.after
    }
}

/// Whether `filter` matched before and after `change`; without a filter every document matches.
pub(crate) fn matches(filter: Option<&Filter>, change: &DocumentChange) -> Matched {
    let matches = |data: &Data| filter.is_none_or(|filter| filter.matches(data.object()));
    Matched {
        before: change
            .before
            .as_ref()
            .is_some_and(|image| matches(&image.data)),
        after: change.after.as_ref().is_some_and(matches),
    }
}

/// A commit's changes of one collection as a view sees them; `None` where it sees nothing.
pub(crate) fn see<'a>(
    view: &View,
    commit: &Commit,
    changes: impl Iterator<Item = &'a DocumentChange>,
) -> Option<FeedCommit> {
    let filter = view.filter.as_ref();
    let changes = changes.map(|change| (change, matches(filter, change)));
    see_matched(view, commit, changes)
}

/// The same, where it is known already what the view's filter matched.
pub(super) fn see_matched<'a>(
    view: &View,
    commit: &Commit,
    changes: impl Iterator<Item = (&'a DocumentChange, Matched)>,
) -> Option<FeedCommit> {
    let changes: Vec<Change> = changes
        .filter_map(|(change, matched)| see_change(view, commit, change, matched))
        .collect();
    if changes.is_empty() {
        return None;
    }
    Some(FeedCommit {
        seq: commit.seq,
        time: commit.time,
        actor: commit.principal.clone(),
        mutation_id: commit.mutation.as_ref().map(|mutation| mutation.id.clone()),
        changes,
        conflated: false,
        encoded: wellspring_types::feed::Encoded::default(),
    })
}

fn see_change(
    view: &View,
    commit: &Commit,
    change: &DocumentChange,
    matched: Matched,
) -> Option<Change> {
    let op = match (matched.before, matched.after) {
        (false, false) => return None,
        (false, true) => Op::Insert,
        (true, true) => Op::Update,
        (true, false) => Op::Delete,
    };
    let cause = match op {
        Op::Insert if change.before.is_some() => Some(Cause::Filter),
        Op::Delete if change.after.is_some() => Some(Cause::Filter),
        _ => None,
    };
    let before = change
        .before
        .as_ref()
        .filter(|_| matched.before)
        .map(|image| &image.data);
    let before = before.map(|data| shown(view, data));
    let after = change
        .after
        .as_ref()
        .filter(|_| matched.after)
        .map(|data| shown(view, data));
    if op == Op::Update && view.select.is_some() && before == after {
        return None; // Nothing that was selected has changed.
    }
    let patch = match (&before, &after) {
        (Some(before), Some(after)) if view.patch => merge_diff(before.object(), after.object()),
        _ => None,
    };
    Some(Change {
        op,
        cause,
        path: change.path.clone(),
        version: commit.seq,
        data: after,
        old: before.filter(|_| view.old),
        patch: patch.and_then(|patch| Data::from_object(patch).ok()),
    })
}

/// What a view shows of a document's data.
fn shown(view: &View, data: &Data) -> Data {
    match &view.select {
        None => data.clone(),
        Some(select) => projected(select, data),
    }
}

/// A document as a view shows it; `None` where it is not in the view.
pub(crate) fn show(view: &View, document: Document) -> Option<Document> {
    let in_view = view
        .filter
        .as_ref()
        .is_none_or(|filter| filter.matches(document.data.object()));
    in_view.then(|| Document {
        data: shown(view, &document.data),
        ..document
    })
}

/// Gives the documents of what was read from the log memory of their own, by `detach`: they may wait
/// for a slow client.
pub(super) fn detach_documents(commit: &mut FeedCommit, mut detach: impl FnMut(&mut Data)) {
    for change in &mut commit.changes {
        let data = [&mut change.data, &mut change.old];
        data.into_iter().flatten().for_each(&mut detach);
    }
}

/// About how many bytes a commit takes in a queue and in a message.
pub(crate) fn feed_commit_bytes(commit: &FeedCommit) -> usize {
    128 + commit.changes.iter().map(change_bytes).sum::<usize>()
}

/// About how many bytes a change takes there.
pub(super) fn change_bytes(change: &Change) -> usize {
    let data_bytes = |data: &Option<Data>| data.as_ref().map_or(0, |data| data.as_bytes().len());
    let texts = data_bytes(&change.data) + data_bytes(&change.old) + data_bytes(&change.patch);
    96 + change.path.as_str().len() + texts
}
