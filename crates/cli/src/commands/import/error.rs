//! Why rows cannot be imported.

use std::io;
use std::path::PathBuf;

use wellspring_types::{FieldPath, JsonError, PathError};

/// Why an input cannot be imported. Rows count from 1; in NDJSON they are lines.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot read row {row}")]
    ReadRow { row: u64, source: io::Error },
    #[error("standard input has more than {bytes_max} bytes: import it from a file")]
    StdinTooLarge { bytes_max: usize },
    #[error("the input is neither a JSON array, nor NDJSON: if it is CSV, say --format csv")]
    UnknownFormat,
    #[error("the input ends before the JSON array does, in row {row}")]
    ArrayNotClosed { row: u64 },
    #[error("row {row}: there is nothing between two commas")]
    EmptyElement { row: u64 },
    #[error("something follows the JSON array after row {row}")]
    AfterArray { row: u64 },
    #[error("row {row} has more than {bytes_max} bytes")]
    RowTooLong { row: u64, bytes_max: usize },
    #[error("row {row} cannot be a document: {source}")]
    Json { row: u64, source: JsonError },
    #[error("row {row} is not an object but {found}")]
    NotAnObject { row: u64, found: &'static str },
    #[error("row {row} is not a line of an export, as the first one is")]
    NotAnEnvelope { row: u64 },
    #[error("row {row} is not a line of an export: an object with path and data")]
    NotALine { row: u64 },
    #[error("row {row} has no field {}", field.as_str())]
    NoId { row: u64, field: FieldPath },
    #[error("row {row}: {} is {found}; an id is a text or a number", field.as_str())]
    IdType {
        row: u64,
        field: FieldPath,
        found: &'static str,
    },
    #[error("row {row} has no id that can be one: {source}")]
    Id { row: u64, source: PathError },
    #[error("the first record of the CSV has {name:?} twice")]
    RepeatedColumn { name: Box<str> },
    #[error("row {row} of the CSV: {source}")]
    Csv { row: u64, source: csv::Error },
    #[error("the input has changed while it was imported")]
    Changed,
}
