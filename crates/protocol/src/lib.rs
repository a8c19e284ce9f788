//! Wellspring's wire forms: the error table, JSON messages, protobuf messages, and their
//! conversions to and from the words of [`wellspring_types`].
//!
//! Requests are read strictly: a field that is not known is refused, so that a misspelt
//! precondition does not become an unconditional write. Responses are read leniently, so that a
//! newer server may say more. Documents are forwarded as the bytes that were written; nothing on
//! the way to a subscriber parses them again.

pub mod error;
pub mod json;
pub mod pb;
pub mod request;
pub mod strict;

mod size;
