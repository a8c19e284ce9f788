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
    /// Nowhere: they are generated.
    Generated,
}

/// A row's document.
#[derive(Debug)]
pub(crate) struct Document {
    /// `None` where it is generated.
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
        collection: &CollectionPath,
        row: Row,
    ) -> Result<Document, ImportError> {
        let Row { number, object } = row;
        let (id, object) = match self {
            Identity::Field(field) => (Some(field_id(number, field, &object)?), object),
            Identity::Envelope => {
                let (id, data) = open(object).ok_or(ImportError::NotAnEnvelope { row: number })?;
                (Some(id), data)
            }
            Identity::Generated => (None, object),
        };
        if let Some(id) = &id
            && let Err(source) = collection.document(id)
        {
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
