//! Reading an object for what is wanted of it.

use std::str::FromStr;

use wellspring_types::{Data, Document, JsonError, Object, Sequence, Timestamp, Value};

/// Why a server's message cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not JSON.
    #[error("the server's message is not JSON: {0}")]
    Json(#[from] JsonError),
    /// Not an object.
    #[error("the server's message is not an object")]
    NotAnObject,
    /// A field that is needed is missing, or of another type.
    #[error("the server's message has no usable {field}")]
    Field {
        /// Its name.
        field: &'static str,
    },
}

/// The fields of an object; those that nobody asks for do not matter.
#[derive(Clone, Copy)]
pub(super) struct Members<'a>(&'a Object);

impl<'a> Members<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Members<'a>, ReadError> {
        value.as_object().map(Members).ok_or(ReadError::NotAnObject)
    }

    pub(super) fn optional(self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    fn required<T>(
        self,
        field: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, ReadError> {
        self.optional(field)
            .and_then(read)
            .ok_or(ReadError::Field { field })
    }

    pub(super) fn text(self, field: &'static str) -> Result<&'a str, ReadError> {
        self.required(field, Value::as_str)
    }

    pub(super) fn optional_text(self, field: &str) -> Option<&'a str> {
        self.optional(field).and_then(Value::as_str)
    }

    pub(super) fn optional_string(self, field: &str) -> Option<String> {
        self.optional_text(field).map(str::to_owned)
    }

    pub(super) fn parsed<T: FromStr>(self, field: &'static str) -> Result<T, ReadError> {
        self.required(field, |value| value.as_str()?.parse().ok())
    }

    pub(super) fn integer(self, field: &'static str) -> Result<u64, ReadError> {
        self.required(field, |value| value.as_number()?.as_u64())
    }

    pub(super) fn optional_integer(self, field: &str) -> Option<u64> {
        self.optional(field)
            .and_then(Value::as_number)
            .and_then(|number| number.as_u64())
    }

    pub(super) fn sequence(self, field: &'static str) -> Result<Sequence, ReadError> {
        self.integer(field).map(Sequence)
    }

    pub(super) fn time(self, field: &'static str) -> Result<Timestamp, ReadError> {
        self.parsed(field)
    }

    pub(super) fn flag(self, field: &str) -> bool {
        self.optional(field)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    pub(super) fn array(self, field: &'static str) -> Result<&'a [Value], ReadError> {
        self.required(field, Value::as_array)
    }

    pub(super) fn optional_array(self, field: &str) -> &'a [Value] {
        self.optional(field)
            .and_then(Value::as_array)
            .unwrap_or_default()
    }

    pub(super) fn members(self, field: &'static str) -> Result<Members<'a>, ReadError> {
        self.required(field, |value| value.as_object().map(Members))
    }

    pub(super) fn data(self, field: &'static str) -> Result<Data, ReadError> {
        let object = self.required(field, Value::as_object)?;
        Ok(Data::from_object(object.clone())?)
    }

    pub(super) fn optional_data(self, field: &'static str) -> Result<Option<Data>, ReadError> {
        self.optional(field).map(|_| self.data(field)).transpose()
    }

    /// A patch: it may be larger than a document, for it names what it removes.
    pub(super) fn optional_patch(self, field: &'static str) -> Result<Option<Data>, ReadError> {
        if self.optional(field).is_none() {
            return Ok(None);
        }
        let object = self.required(field, Value::as_object)?;
        let mut text = String::new();
        object.write(&mut text);
        Ok(Some(Data::from_stored(text.into())))
    }

    pub(super) fn object(self, field: &str) -> Option<&'a Object> {
        self.optional(field).and_then(Value::as_object)
    }
}

/// Texts of an array, parsed.
pub(super) fn parsed_all<T: FromStr>(
    field: &'static str,
    values: &[Value],
) -> Result<Vec<T>, ReadError> {
    let parse = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
    values
        .iter()
        .map(|value| parse(value).ok_or(ReadError::Field { field }))
        .collect()
}

pub(super) fn read_document(value: &Value) -> Result<Document, ReadError> {
    let members = Members::of(value)?;
    Ok(Document {
        path: members.parsed("path")?,
        version: members.sequence("version")?,
        created_at: members.time("created_at")?,
        updated_at: members.time("updated_at")?,
        data: members.data("data")?,
    })
}

pub(super) fn read_documents(values: &[Value]) -> Result<Vec<Document>, ReadError> {
    values.iter().map(read_document).collect()
}
