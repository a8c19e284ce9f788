//! How large something can become in an encoding, without encoding it.

use wellspring_types::Data;
use wellspring_types::feed::{Change, FeedCommit};

/// The most bytes that a byte of a string becomes in JSON: `\u001f`.
pub(crate) const ESCAPE_MAX: usize = 6;

/// Bytes of the names and numbers around a change, and around a commit.
const NAMES_BYTES: usize = 176;

/// An upper bound of a commit's bytes, documents being JSON text and a byte of any other string
/// becoming up to `string_growth`.
pub(crate) fn commit_max(commit: &FeedCommit, string_growth: usize) -> usize {
    let actor = commit.actor.as_ref().map_or(0, |actor| actor.len());
    let mutation_id = commit
        .mutation_id
        .as_ref()
        .map_or(0, |id| id.as_str().len());
    let changes: usize = commit
        .changes
        .iter()
        .map(|change| change_max(change, string_growth))
        .sum();
    NAMES_BYTES + string_growth * (actor + mutation_id) + changes
}

fn change_max(change: &Change, string_growth: usize) -> usize {
    let bytes = |data: &Option<Data>| data.as_ref().map_or(0, |data| data.as_bytes().len());
    let data = bytes(&change.data) + bytes(&change.old) + bytes(&change.patch);
    NAMES_BYTES + string_growth * change.path.as_str().len() + data
}
