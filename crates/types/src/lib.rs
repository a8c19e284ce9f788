//! Domain words and limits of Wellspring, shared by every crate. No I/O, no async.
//!
//! Values are parsed once, at the edge: whoever holds a [`DocumentPath`], a [`Data`] or a
//! [`Filter`] need not check it again.

pub mod consumer;
pub mod feed;
pub mod filter;
pub mod history;
pub mod json;
pub mod limits;
pub mod listing;
pub mod query;
pub mod write;

mod as_of;
mod collections;
mod data;
mod document;
mod field;
mod identity;
mod path;
mod pattern;
mod time;

pub use as_of::{At, AtError};
pub use collections::{CollectionSet, CollectionSetError};
pub use data::Data;
pub use document::Document;
pub use field::{FieldPath, FieldPathError, FieldSetError, Select, SelectError};
pub use filter::{Filter, FilterError};
pub use identity::{CollectionId, Epoch, MutationId, MutationIdError, ResumeToken, Sequence};
pub use json::{JsonError, Number, NumberError, Object, Value};
pub use path::{CollectionPath, DocumentPath, PathError};
pub use pattern::CollectionPattern;
pub use time::{Timestamp, TimestampError};
