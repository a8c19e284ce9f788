//! An object of a request, taken apart field by field until nothing is left.

use wellspring_types::{Object, Value};

use crate::error::WireError;

/// Bytes of a client's own key that an error repeats.
const KEY_BYTES_MAX: usize = 64;

/// The fields of an object that have not been taken yet.
pub(super) struct Fields {
    /// What the object is, for messages: `a commit`.
    what: &'static str,
    object: Object,
}

impl Fields {
    pub(super) fn of(what: &'static str, value: Value) -> Result<Fields, WireError> {
        match value {
            Value::Object(object) => Ok(Fields { what, object }),
            other => Err(WireError::invalid_argument(format!(
                "{what} is an object, not {}",
                other.type_name()
            ))),
        }
    }

    /// The same fields, by the name of what they turned out to be.
    pub(super) fn called(self, what: &'static str) -> Fields {
        Fields { what, ..self }
    }

    pub(super) fn any(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name)
    }

    pub(super) fn string(&mut self, name: &str) -> Result<Option<Box<str>>, WireError> {
        self.typed(name, "a string", |value| match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        })
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, WireError> {
        self.typed(name, "true or false", |value| value.as_bool().ok_or(value))
    }

    /// A field that is `true` or absent: `false` would say what leaving it out says.
    pub(super) fn mark(&mut self, name: &str) -> Result<Option<()>, WireError> {
        self.typed(name, "true", |value| match value {
            Value::Bool(true) => Ok(()),
            other => Err(other),
        })
    }

    pub(super) fn integer(&mut self, name: &str) -> Result<Option<u64>, WireError> {
        let is_integer = |value: &Value| value.as_number().and_then(|number| number.as_u64());
        self.typed(name, "a non-negative integer", |value| {
            is_integer(&value).ok_or(value)
        })
    }

    pub(super) fn array(&mut self, name: &str) -> Result<Option<Vec<Value>>, WireError> {
        self.typed(name, "an array", |value| match value {
            Value::Array(elements) => Ok(elements),
            other => Err(other),
        })
    }

    pub(super) fn strings(&mut self, name: &str) -> Result<Option<Vec<Box<str>>>, WireError> {
        self.typed(name, "an array of strings", |value| match value {
            Value::Array(elements) if elements.iter().all(|element| element.as_str().is_some()) => {
                Ok(elements.into_iter().filter_map(into_string).collect())
            }
            other => Err(other),
        })
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Object>, WireError> {
        self.typed(name, "an object", |value| match value {
            Value::Object(object) => Ok(object),
            other => Err(other),
        })
    }

    fn typed<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Result<Option<T>, WireError> {
        match self.any(name).map(read) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(other)) => Err(self.wrong(name, expected, &other)),
        }
    }

    /// The error for a field of the wrong type.
    fn wrong(&self, name: &str, expected: &str, found: &Value) -> WireError {
        let what = self.what;
        let found = match found {
            Value::Bool(false) => "false",
            Value::Number(number) => number.as_str(),
            other => other.type_name(),
        };
        let message = format!("{name} of {what} must be {expected}, not {found}");
        WireError::invalid_argument(message).detail("field", name)
    }

    /// What was taken of a required field.
    pub(super) fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, WireError> {
        value.ok_or_else(|| {
            let what = self.what;
            WireError::invalid_argument(format!("{what} needs the field {name}"))
                .detail("field", name)
        })
    }

    /// Refuses what has not been taken.
    pub(super) fn finish(self) -> Result<(), WireError> {
        let what = self.what;
        match self.object.keys().next() {
            None => Ok(()),
            Some(name) => {
                let name = clip(name);
                Err(
                    WireError::invalid_argument(format!("{what} has no field {name:?}"))
                        .detail("field", name.as_str()),
                )
            }
        }
    }
}

fn into_string(value: Value) -> Option<Box<str>> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A client's text as an error may repeat it.
pub(super) fn clip(text: &str) -> String {
    if text.len() <= KEY_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(KEY_BYTES_MAX)])
}
