//! The walk over a request's bytes (<https://protobuf.dev/programming-guides/encoding/>).

use super::tables::{Content, MessageTable, Nesting, TABLES, Tables};
use crate::error::{Code, WireError};

/// Levels of `Struct` and `ListValue`, the outermost being the first. prost stops at 100 nested
/// messages; a level of `Struct` is three of them, and a request needs a few around it.
pub const STRUCT_DEPTH_MAX: usize = 30;

const _: () = assert!(
    3 * STRUCT_DEPTH_MAX + 6 < 100,
    "prost reads whatever passes"
);

/// Why a request is refused before it is decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StrictError {
    /// A field that the message does not have.
    #[error("{message} has no field {number}")]
    UnknownField {
        /// The message's full name.
        message: String,
        /// The field's number.
        number: u32,
    },
    /// A field of messages that is not encoded as one.
    #[error("field {number} of {message} is not encoded as a message")]
    NotAMessage {
        /// The message's full name.
        message: String,
        /// The field's number.
        number: u32,
    },
    /// Not the protobuf encoding at all.
    #[error("{message} is not valid protobuf: {reason}")]
    Malformed {
        /// The full name of the message that the fault is in.
        message: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// More than [`STRUCT_DEPTH_MAX`] levels.
    #[error("a Struct has at most {STRUCT_DEPTH_MAX} levels; send deeper data as json")]
    TooDeep,
}

impl From<StrictError> for WireError {
    fn from(error: StrictError) -> WireError {
        let code = match error {
            StrictError::TooDeep => Code::TooDeep,
            _ => Code::InvalidArgument,
        };
        WireError::new(code, error.to_string())
    }
}

/// Checks the bytes of the message `full_name`, if it is the request of a method; any other
/// message passes, for responses are read leniently.
///
/// # Errors
/// If a message in it has a field that is not known, its Structs are too deep, or it is not
/// protobuf. What scalars hold is left to prost.
pub fn check_request(full_name: &str, bytes: &[u8]) -> Result<(), StrictError> {
    match TABLES.request(full_name) {
        Some(place) => walk(&TABLES, place, bytes, 0),
        None => Ok(()),
    }
}

/// Recursion ends because only Structs and lists contain themselves, and `depth` bounds those.
fn walk(tables: &Tables, place: usize, bytes: &[u8], depth: usize) -> Result<(), StrictError> {
    let message = &tables.messages[place];
    let depth = match message.nesting {
        Nesting::None => depth,
        Nesting::Level => depth + 1,
    };
    if depth > STRUCT_DEPTH_MAX {
        return Err(StrictError::TooDeep);
    }
    let mut cursor = Cursor { bytes, message };
    while !cursor.bytes.is_empty() {
        let (number, wire_type) = cursor.key()?;
        let Some(content) = message.field(number) else {
            return Err(StrictError::UnknownField {
                message: message.name.clone(),
                number,
            });
        };
        match (content, wire_type) {
            (Content::Message(inner), LENGTH_DELIMITED) => {
                walk(tables, inner, cursor.length_delimited()?, depth)?;
            }
            (Content::Message(_), _) => {
                return Err(StrictError::NotAMessage {
                    message: message.name.clone(),
                    number,
                });
            }
            (Content::Scalar, wire_type) => cursor.skip(wire_type)?,
        }
    }
    Ok(())
}

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

/// What is left of a message's bytes.
struct Cursor<'a> {
    bytes: &'a [u8],
    message: &'a MessageTable,
}

impl<'a> Cursor<'a> {
    fn malformed(&self, reason: &'static str) -> StrictError {
        StrictError::Malformed {
            message: self.message.name.clone(),
            reason,
        }
    }

    /// A field's number and wire type.
    fn key(&mut self) -> Result<(u32, u64), StrictError> {
        let key = self.varint()?;
        match u32::try_from(key >> 3) {
            Ok(number) if (1..=0x1fff_ffff).contains(&number) => Ok((number, key & 7)),
            _ => Err(self.malformed("a field's number is out of range")),
        }
    }

    fn varint(&mut self) -> Result<u64, StrictError> {
        let mut value = 0;
        for (index, byte) in self.bytes.iter().take(10).enumerate() {
            // The tenth byte has room for the last bit only.
            if index == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.bytes = &self.bytes[index + 1..];
                return Ok(value);
            }
        }
        Err(self.malformed("a varint does not end"))
    }

    fn length_delimited(&mut self) -> Result<&'a [u8], StrictError> {
        let length = self.varint()?;
        self.take(length)
    }

    fn skip(&mut self, wire_type: u64) -> Result<(), StrictError> {
        match wire_type {
            VARINT => self.varint().map(drop),
            FIXED64 => self.take(8).map(drop),
            LENGTH_DELIMITED => self.length_delimited().map(drop),
            FIXED32 => self.take(4).map(drop),
            _ => Err(self.malformed("a wire type that is not used")),
        }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], StrictError> {
        let taken = usize::try_from(length)
            .ok()
            .and_then(|length| self.bytes.split_at_checked(length));
        match taken {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(self.malformed("it ends within a field")),
        }
    }
}
