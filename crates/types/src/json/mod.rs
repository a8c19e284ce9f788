//! JSON (RFC 8259) as documents hold it: strict, and exact to the digit.
//!
//! [`parse`] refuses what other parsers resolve in silence: duplicate keys (after unescaping),
//! lone surrogates, bytes that are not UTF-8, a byte order mark, numbers beyond a double's range.
//! Numbers keep the digits that were written. Equality, hashes and order go by meaning: numbers
//! are exact decimals (`1` = `1.0` = `1e0`), objects compare whatever the order of their keys.

mod decimal;
mod error;
mod form;
mod merge;
mod number;
mod object;
mod order;
mod parse;
mod value;
mod write;

pub use error::{JsonError, NumberError};
pub use form::Minified;
pub use merge::{merge_diff, merge_patch};
pub use number::Number;
pub use object::Object;
pub use order::{compare, compare_optional};
pub use parse::{parse, parse_lifting, parse_message};
pub use value::Value;
pub use write::{write_escaped, write_string};

pub(crate) use error::clip;
pub(crate) use parse::minify;
pub(crate) use write::{canonical_text, check_depth};
