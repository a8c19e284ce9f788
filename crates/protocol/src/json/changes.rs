//! Messages of changes that are written as the log is read: the same as those of
//! [`feed::write`](super::feed::write), byte for byte.

use wellspring_types::ResumeToken;
use wellspring_types::feed::{ChangeRef, ChangesWriter, CommitRef, Room};
use wellspring_types::limits::MESSAGE_BYTES_MAX;

use super::text::{COMMITS, begin, push_change_ref, push_commit_ref_head, push_text_member};

/// Writes the messages of one subscription.
#[derive(Debug)]
pub struct JsonChanges {
    /// What each begins with.
    head: Box<str>,
    /// Bytes that a message has before its end.
    bytes_max: usize,
}

impl JsonChanges {
    /// For the subscription `id`; `None` where messages carry none.
    #[must_use]
    pub fn new(id: Option<&str>) -> JsonChanges {
        /// Bytes that a message's end has room for; a token is far shorter.
        const END_BYTES: usize = 4096;
        let mut head = begin("changes", id);
        head.push_str(COMMITS);
        JsonChanges {
            head: head.into(),
            bytes_max: MESSAGE_BYTES_MAX - END_BYTES,
        }
    }
}

impl ChangesWriter for JsonChanges {
    fn begin(&self) -> String {
        self.head.to_string()
    }

    fn push(
        &self,
        out: &mut String,
        commit: CommitRef<'_>,
        changes: &mut dyn Iterator<Item = ChangeRef<'_>>,
    ) -> Room {
        let before = out.len();
        if before > self.head.len() {
            out.push(',');
        }
        push_commit_ref_head(out, commit);
        let mut separator = "";
        for change in changes {
            out.push_str(separator);
            push_change_ref(out, change, commit.seq);
            separator = ",";
            if out.len() > self.bytes_max {
                out.truncate(before);
                return Room::TooLittle;
            }
        }
        out.push_str("]}");
        Room::Enough
    }

    fn end(&self, out: &mut String, token: &ResumeToken) {
        out.push(']');
        push_text_member(out, "token", token.as_str());
        out.push('}');
    }
}
