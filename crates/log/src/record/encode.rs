//! Records to bytes.

use super::{ChangeRecord, CommitRecord, change_flags, commit_flags};
use crate::varint;

impl CommitRecord {
    /// Bytes that the record takes in a group's body.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        let content = self.content_bytes();
        varint::encoded_bytes(content as u64) + content
    }

    fn content_bytes(&self) -> usize {
        let mutation = self.mutation.as_ref();
        let collections = self
            .collections
            .iter()
            .map(|(id, path)| varint::encoded_bytes(u64::from(id.0)) + text_bytes(path.as_str()));
        varint::encoded_bytes(self.sequence.0)
            + varint::encoded_bytes(self.position_code())
            + varint::encoded_bytes(self.time.as_millis())
            + 1
            + self.principal.as_deref().map_or(0, text_bytes)
            + mutation.map_or(0, |mutation| {
                text_bytes(&mutation.id) + mutation.digest.len()
            })
            + varint::encoded_bytes(self.collections.len() as u64)
            + collections.sum::<usize>()
            + varint::encoded_bytes(self.changes.len() as u64)
            + self
                .changes
                .iter()
                .map(ChangeRecord::encoded_bytes)
                .sum::<usize>()
    }

    /// The position as its distance from the sequence, small numbers for small distances of
    /// either sign.
    fn position_code(&self) -> u64 {
        let distance = self.position.wrapping_sub(self.sequence.0).cast_signed();
        (distance << 1 ^ distance >> 63).cast_unsigned()
    }
}

impl ChangeRecord {
    fn encoded_bytes(&self) -> usize {
        let before = self.before.as_ref();
        1 + varint::encoded_bytes(u64::from(self.collection.0))
            + text_bytes(&self.id)
            + varint::encoded_bytes(self.created_at.as_millis())
            + before.map_or(0, |before| {
                varint::encoded_bytes(before.version.0)
                    + varint::encoded_bytes(before.updated_at.as_millis())
                    + blob_bytes(&before.data)
            })
            + self.after.as_ref().map_or(0, |data| blob_bytes(data))
    }
}

fn text_bytes(text: &str) -> usize {
    blob_bytes(text.as_bytes())
}

fn blob_bytes(bytes: &[u8]) -> usize {
    varint::encoded_bytes(bytes.len() as u64) + bytes.len()
}

/// Appends the record to `buffer`; [`CommitRecord::encoded_bytes`] tells how much that is.
pub(crate) fn write_commit(buffer: &mut Vec<u8>, commit: &CommitRecord) {
    varint::put(buffer, commit.content_bytes() as u64);
    varint::put(buffer, commit.sequence.0);
    varint::put(buffer, commit.position_code());
    varint::put(buffer, commit.time.as_millis());
    let principal = commit
        .principal
        .as_ref()
        .map_or(0, |_| commit_flags::PRINCIPAL);
    let mutation = commit
        .mutation
        .as_ref()
        .map_or(0, |_| commit_flags::MUTATION);
    buffer.push(principal | mutation);
    if let Some(principal) = &commit.principal {
        write_blob(buffer, principal.as_bytes());
    }
    if let Some(mutation) = &commit.mutation {
        write_blob(buffer, mutation.id.as_bytes());
        buffer.extend_from_slice(&mutation.digest);
    }
    varint::put(buffer, commit.collections.len() as u64);
    for (id, path) in &commit.collections {
        varint::put(buffer, u64::from(id.0));
        write_blob(buffer, path.as_str().as_bytes());
    }
    varint::put(buffer, commit.changes.len() as u64);
    for change in &commit.changes {
        write_change(buffer, change);
    }
}

fn write_change(buffer: &mut Vec<u8>, change: &ChangeRecord) {
    let before = change.before.as_ref().map_or(0, |_| change_flags::BEFORE);
    let after = change.after.as_ref().map_or(0, |_| change_flags::AFTER);
    buffer.push(before | after);
    varint::put(buffer, u64::from(change.collection.0));
    write_blob(buffer, change.id.as_bytes());
    varint::put(buffer, change.created_at.as_millis());
    if let Some(before) = &change.before {
        varint::put(buffer, before.version.0);
        varint::put(buffer, before.updated_at.as_millis());
        write_blob(buffer, &before.data);
    }
    if let Some(data) = &change.after {
        write_blob(buffer, data);
    }
}

pub(crate) fn write_blob(buffer: &mut Vec<u8>, bytes: &[u8]) {
    varint::put(buffer, bytes.len() as u64);
    buffer.extend_from_slice(bytes);
}
