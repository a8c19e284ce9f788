//! Which id a row has.

use wellspring_types::{CollectionPath, Data, DocumentPath, FieldPath, Object, Value};

use super::error::ImportError;
use super::format::Row;

/// Members of a line that `wellspring export` writes.
const ENVELOPE: [&str; 5] = ["path", "version", "created_at", "updated_at", "data"];

/// Where rows have their ids.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Identity {
    /// In a field.
    Field(FieldPath),
    /// In the path of an export's line; the document is in its `data`.
    Envelope,
    /// In the path of a line, which is the document's own: the document is in its `data`.
    Path,
    /// Nowhere: they are generated.
    Generated,
}

/// A row's document.
#[derive(Debug)]
pub(crate) struct Document {
    /// `None` where it is generated; the whole path with [`Identity::Path`].
    pub(crate) id: Option<Box<str>>,
    pub(crate) data: Data,
}

impl Identity {
    /// As the command line says, or else as the first row shows.
    pub(crate) fn find(field: Option<&FieldPath>, first: &Row) -> Identity {
        match field {
            Some(field) => Identity::Field(field.clone()),
            None if is_envelope(&first.object) => Identity::Envelope,
            None => Identity::Generated,
        }
    }

    /// A row's document, checked in full: nothing about it is refused later.
    pub(crate) fn document(
        &self,
        collection: Option<&CollectionPath>,
        row: Row,
    ) -> Result<Document, ImportError> {
        let Row { number, object } = row;
        let (id, object) = match self {
            Identity::Field(field) => (Some(field_id(number, field, &object)?), object),
            Identity::Envelope => {
                let (id, data) = open(object).ok_or(ImportError::NotAnEnvelope { row: number })?;
                (Some(id), data)
            }
            Identity::Path => {
                let line = open_line(object);
                let (path, data) = line.ok_or(ImportError::NotALine { row: number })?;
                (Some(path), data)
            }
            Identity::Generated => (None, object),
        };
        let path = id.as_deref().map(|id| match collection {
            Some(collection) => collection.document(id),
            None => id.parse(),
        });
        if let Some(Err(source)) = path {
            return Err(ImportError::Id {
                row: number,
                source,
            });
        }
        let data = Data::from_object(object);
        let data = data.map_err(|source| ImportError::Json {
            row: number,
            source,
        })?;
        Ok(Document { id, data })
    }
}

/// The path and the data of a line of an export of everything.
fn open_line(mut line: Object) -> Option<(Box<str>, Object)> {
    let path = line.get("path")?.as_str()?.into();
    let is_known = line.keys().all(|member| ENVELOPE.contains(&member));
    match line.remove("data")? {
        Value::Object(data) if is_known => Some((path, data)),
        _ => None,
    }
}

fn field_id(row: u64, field: &FieldPath, object: &Object) -> Result<Box<str>, ImportError> {
    match field.find(object) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.as_str().into()),
        Some(other) => Err(ImportError::IdType {
            row,
            field: field.clone(),
            found: other.type_name(),
        }),
        None => Err(ImportError::NoId {
            row,
            field: field.clone(),
        }),
    }
}

fn is_envelope(object: &Object) -> bool {
    object.len() == ENVELOPE.len()
        && ENVELOPE.iter().all(|member| object.contains_key(member))
        && path(object).is_some()
        && object
            .get("data")
            .is_some_and(|data| data.as_object().is_some())
}

fn path(envelope: &Object) -> Option<DocumentPath> {
    envelope.get("path")?.as_str()?.parse().ok()
}

/// The id and the data of an export's line.
fn open(mut envelope: Object) -> Option<(Box<str>, Object)> {
    if !is_envelope(&envelope) {
        return None;
    }
    let id = path(&envelope)?.id().into();
    match envelope.remove("data")? {
        Value::Object(data) => Some((id, data)),
        _ => None,
    }
}
