//! The one message that is written by hand: commits on their way to subscribers, encoded once for
//! all of them.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType};
use prost::{DecodeError, Message};

use super::generated::Commit;

/// Commits, oldest first: `wellspring.v1.ChangeBatch`.
#[derive(Clone, PartialEq, Message)]
pub struct ChangeBatch {
    /// At least one.
    #[prost(message, repeated, tag = "1")]
    pub commits: Vec<SharedCommit>,
    /// The position of the last of them; empty where that one has `more`.
    #[prost(string, tag = "2")]
    pub token: String,
}

/// A `wellspring.v1.Commit` that may be encoded already.
#[derive(Clone, Debug, PartialEq)]
pub enum SharedCommit {
    /// Its bytes, as the sender has them.
    Encoded(Bytes),
    /// The message, as the receiver has it.
    Decoded(Commit),
}

impl SharedCommit {
    /// The message.
    ///
    /// # Errors
    /// If it was encoded, and not by us.
    pub fn into_commit(self) -> Result<Commit, DecodeError> {
        match self {
            SharedCommit::Encoded(bytes) => Commit::decode(bytes),
            SharedCommit::Decoded(commit) => Ok(commit),
        }
    }
}

impl Default for SharedCommit {
    fn default() -> SharedCommit {
        SharedCommit::Decoded(Commit::default())
    }
}

impl Message for SharedCommit {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        match self {
            SharedCommit::Encoded(bytes) => buf.put_slice(bytes),
            SharedCommit::Decoded(commit) => commit.encode_raw(buf),
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        let mut commit = std::mem::take(self).into_commit()?;
        let merged = commit.merge_field(tag, wire_type, buf, context);
        *self = SharedCommit::Decoded(commit);
        merged
    }

    fn encoded_len(&self) -> usize {
        match self {
            SharedCommit::Encoded(bytes) => bytes.len(),
            SharedCommit::Decoded(commit) => commit.encoded_len(),
        }
    }

    fn clear(&mut self) {
        *self = SharedCommit::default();
    }
}
