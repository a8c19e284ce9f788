//! Wellspring's store: current documents, derived from the log and disposable.
//!
//! A [`Store`] holds what the log adds up to at some sequence: documents, the numbers of
//! collections, remembered mutation ids. [`SledStore`] keeps it on disk, [`MemoryStore`] in
//! memory. Nothing in a store is the only copy of anything, so a store is never repaired: one
//! that fails in any way is replaced by a new one.
//!
//! # Entries on disk
//!
//! [`SledStore`] has one tree. Numbers are big-endian; lengths in bytes stand in parentheses; a
//! collection stands for its number (4).
//!
//! | key | value |
//! | --- | --- |
//! | `mf` | *sealed*: format (4), now 1. This entry is alike in all formats |
//! | `ma` | *sealed*: applied sequence (8), position (8), newest mutation ordinal (8), ordinal through which mutations are forgotten (8), digest of documents and collections (16), sum of all mutations ever remembered (16) |
//! | `n` collection | *sealed*: path |
//! | `d` collection, id | *head* of a document: its stamp is version (8), created (8), updated (8); its payload the data |
//! | `c` collection, id, version (8), index (4) | chunk of a document's data |
//! | `r` 0x00, mutation id | *head* of a mutation without principal |
//! | `r` 0x01, length of the principal (8), principal, mutation id | *head* of a mutation: its stamp is ordinal (8), commit time (8), commit time (8); its payload SHA-256 of the command (32), sequence (8), then for each path its length (2) and text |
//! | `s` ordinal (8), index (4) | chunk of a mutation's payload |
//! | `o` ordinal (8) | *sealed*: number of the mutation's chunks (4), CRC32C of its payload (4), sum of all mutations through this one (16), key of its head |
//!
//! Times are milliseconds since 1970. A *sealed* value ends with its checksum (4): CRC32C over the
//! key and the rest of the value. A *head* is
//!
//! ```text
//! kind (1)  stamp (24)  payload length (4)  checksum (4)  payload, if kind is 0
//! ```
//!
//! with CRC32C over the key, all before the checksum, and the payload. With kind 0 the payload
//! follows; that is where one of up to 6,111 bytes is. With kind 1 it is in chunks of 6,144 bytes,
//! the last one shorter, numbered from 0. The key in the checksum finds a value that turns up in
//! another's place. [`Digest`] says what the digests are made of.
//!
//! Keys of one collection's heads sort by the bytes of ids, so a scan is one range.
//!
//! # Order
//!
//! An apply is written entry by entry: new chunks of all documents, then heads, in the order of
//! their keys, then the deletion of old chunks, then mutations, and `ma` last of all. A reader who
//! misses a chunk has been overtaken and reads the head again. After a crash in between, `ma`
//! stands where it stood and the same commits are applied again: they write the same entries.

mod digest;
mod error;
mod memory;
mod model;
mod sled_store;
mod store;
#[cfg(test)]
mod tests;

pub use digest::Digest;
pub use error::{Damage, Key, StoreError};
pub use memory::MemoryStore;
pub use model::{
    Applied, Batch, RememberedMutation, ScanLimit, ScanPage, Scanned, Scrub, StoreChange,
    StoredDocument,
};
pub use sled_store::{Options, SledStore};
pub use store::Store;
