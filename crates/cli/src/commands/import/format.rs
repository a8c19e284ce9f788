//! What an input is, and its rows.

use std::io::{BufRead, Read};
use std::path::Path;

use wellspring_types::{Object, Value, json};

use super::array::Elements;
use super::error::ImportError;
use super::lines::Lines;
use super::source::Source;
use super::table::Records;

/// Bytes of a row as it stands in the input. A document has at most 1 MiB, but white space and
/// escapes may make its text longer.
pub(crate) const ROW_BYTES_MAX: usize = 8 << 20;

/// White space at an input's start that is passed over in search of its first character.
const LEADING_BYTES_MAX: u64 = 4096;

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values, named by the first record (RFC 4180).
    Csv,
}

/// An object of the input.
#[derive(Debug)]
pub(crate) struct Row {
    /// Counted from 1; a line's number in NDJSON.
    pub(crate) number: u64,
    pub(crate) object: Object,
}

pub(crate) type Rows<'a> = Box<dyn Iterator<Item = Result<Row, ImportError>> + 'a>;

impl Format {
    /// Tells from the file's name and the first character.
    pub(crate) fn find(path: &Path, source: &Source) -> Result<Format, ImportError> {
        if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
        {
            return Ok(Format::Csv);
        }
        let mut start = Vec::new();
        let read = source
            .open()?
            .take(LEADING_BYTES_MAX)
            .read_to_end(&mut start);
        read.map_err(|source| ImportError::Read {
            path: path.into(),
            source,
        })?;
        match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => Ok(Format::Json),
            // An empty input is NDJSON without lines.
            Some(b'{') | None => Ok(Format::Ndjson),
            Some(_) => Err(ImportError::UnknownFormat),
        }
    }

    /// The rows of an input.
    pub(crate) fn rows(self, reader: Box<dyn BufRead + '_>) -> Result<Rows<'_>, ImportError> {
        Ok(match self {
            Format::Json => Box::new(Elements::new(reader)),
            Format::Ndjson => Box::new(Lines::new(reader)),
            Format::Csv => Box::new(Records::new(reader)?),
        })
    }
}

/// Parses a row's text. An export's lines have their own level around the document, so that depth
/// is checked later.
pub(crate) fn parse_row(number: u64, text: &[u8]) -> Result<Row, ImportError> {
    match json::parse_message(text) {
        Ok(Value::Object(object)) => Ok(Row { number, object }),
        Ok(other) => Err(ImportError::NotAnObject {
            row: number,
            found: other.type_name(),
        }),
        Err(source) => Err(ImportError::Json {
            row: number,
            source,
        }),
    }
}
