//! [`SeededBug::HalfAGroup`](super::SeededBug::HalfAGroup).

use bytes::Bytes;
use wellspring_types::Sequence;

use crate::error::IoError;
use crate::files::LogFile;
use crate::group::{self, Link};
use crate::record::{CommitRecord, Cursor, Wanted, read_commit, write_commit};
use crate::recovery::Recovered;
use crate::window::{Found, Window};

/// Writes half of the last group in its place: of its commits, or where it has one, of the changes
/// of that. Leaves it where `witnessed` would give that away. Returns whether it has.
pub(crate) fn halve_last_group(
    file: &LogFile,
    recovered: &Recovered,
    witnessed: Sequence,
) -> Result<bool, IoError> {
    let (index, salt) = (&recovered.index, recovered.header.salt);
    let number = index.groups().checked_sub(1);
    let Some(span) = number.and_then(|number| index.span(number)) else {
        return Ok(false);
    };
    let mut window = Window::default();
    let Found::Group(found) = window.group(file, span.offset, salt)? else {
        return Ok(false);
    };
    let commits = half(commits(found.body));
    let Some(last) = commits.last().map(|commit| commit.sequence) else {
        return Ok(false);
    };
    if last < witnessed || recovered.link.last == witnessed {
        return Ok(false);
    }
    let mut group = Vec::new();
    group::begin(&mut group);
    for commit in &commits {
        write_commit(&mut group, commit);
    }
    let before = Link {
        last: Sequence(span.first.0 - 1),
        checksum: found.header.previous_checksum,
        ..Link::default()
    };
    let count = u32::try_from(commits.len()).unwrap_or(u32::MAX);
    group::finish(&mut group, salt, count, before);
    // Nothing is behind it: recovery has seen to that.
    group.resize(found.bytes.len(), 0);
    file.write_at(span.offset, &group)?;
    file.sync_all()?;
    Ok(true)
}

fn commits(body: &[u8]) -> Vec<CommitRecord> {
    let body = Bytes::copy_from_slice(body);
    let mut cursor = Cursor::new(&body, 0);
    let all = Wanted {
        from: Sequence::ZERO,
        collection: None,
    };
    let mut commits = Vec::new();
    while !cursor.is_at_end()
        && let Ok(Some(commit)) = read_commit(&mut cursor, &body, all)
    {
        commits.push(commit);
    }
    commits
}

/// None where there is no half.
fn half(mut commits: Vec<CommitRecord>) -> Vec<CommitRecord> {
    match commits.as_mut_slice() {
        [one] if one.changes.len() > 1 => one.changes.truncate(one.changes.len() / 2),
        whole => {
            let kept = whole.len() / 2;
            commits.truncate(kept);
        }
    }
    commits
}
