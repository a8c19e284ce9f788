//! Names of fields inside a document.

use std::fmt;
use std::str::FromStr;

use crate::json::{Object, Value, clip};
use crate::limits::{DEPTH_MAX, FIELD_PATH_BYTES_MAX};

mod select;

pub use select::{Select, SelectError};

/// A field: dotted names (`address.city`), or a JSON Pointer (RFC 6901) where it begins with `/`
/// (`/a.b/0`). Dotted names go through objects only; a pointer's number also indexes an array.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath {
    text: Box<str>,
    /// The names, unless the text itself is the only one: most are, and a filter that is kept for
    /// each of very many subscriptions has one at least.
    parts: Vec<Box<str>>,
}

/// Why a text is not a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldPathError {
    /// No name, or an empty one in a dotted path.
    #[error("field {text:?} has an empty name (a name with dots is written as a JSON Pointer)")]
    EmptyName {
        /// The text.
        text: Box<str>,
    },
    /// `~` in a JSON Pointer that is not `~0` or `~1`.
    #[error("JSON Pointer {text:?} has a ~ that is not followed by 0 or 1")]
    BadEscape {
        /// The text.
        text: Box<str>,
    },
    /// Longer than [`crate::limits::FIELD_PATH_BYTES_MAX`], or with more names than a document
    /// can be deep.
    #[error("a field's path is too long")]
    TooLong,
}

/// Why a field cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldSetError {
    /// What would have to hold the field is neither absent nor an object (nor, for a pointer's
    /// number, an array).
    #[error("field {field:?} cannot be set: {holder} is in the way, where it names {name:?}")]
    NotAnObject {
        /// The field.
        field: Box<str>,
        /// The name that leads nowhere.
        name: Box<str>,
        /// What is there, such as `a string`.
        holder: &'static str,
    },
    /// A pointer names an element that an array does not have, and that is not the next.
    #[error("field {field:?} cannot be set: it names {name:?} of an array of {len} elements")]
    NotAnIndex {
        /// The field.
        field: Box<str>,
        /// The name that is not an index of the array.
        name: Box<str>,
        /// The array's length.
        len: usize,
    },
}

impl FieldPath {
    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names on the way to the field, outermost first; at least one.
    #[must_use]
    pub fn names(&self) -> &[Box<str>] {
        if self.parts.is_empty() {
            std::slice::from_ref(&self.text)
        } else {
            &self.parts
        }
    }

    fn is_pointer(&self) -> bool {
        self.text.starts_with('/')
    }

    /// The index that `name` is in an array, if this path can go into arrays. RFC 6901 knows no
    /// leading zeros.
    fn index(&self, name: &str) -> Option<usize> {
        let digits = name == "0" || (!name.starts_with('0') && !name.is_empty());
        let is_index =
            self.is_pointer() && digits && name.bytes().all(|byte| byte.is_ascii_digit());
        if is_index { name.parse().ok() } else { None }
    }

    /// The field's value in `object`, if it is there.
    #[must_use]
    pub fn find<'a>(&self, object: &'a Object) -> Option<&'a Value> {
        let (first, rest) = self.names().split_first()?;
        rest.iter()
            .try_fold(object.get(first)?, |value, name| match value {
                Value::Object(object) => object.get(name),
                Value::Array(elements) => elements.get(self.index(name)?),
                _ => None,
            })
    }

    /// Sets the field, and makes the objects on the way to it that are missing. A pointer replaces
    /// an element of an array, or appends by the index after the last.
    ///
    /// # Errors
    /// If something that cannot hold the field is in the way; `object` is unchanged then.
    pub fn set(&self, object: &mut Object, value: Value) -> Result<(), FieldSetError> {
        self.set_member(object, self.names(), value)
    }

    fn set_member(
        &self,
        object: &mut Object,
        names: &[Box<str>],
        value: Value,
    ) -> Result<(), FieldSetError> {
        let Some((name, rest)) = names.split_first() else {
            return Ok(());
        };
        match object.get_mut(name) {
            Some(child) if !rest.is_empty() => self.set_below(child, rest, value),
            _ => {
                object.insert(name.as_ref(), nested(rest, value));
                Ok(())
            }
        }
    }

    fn set_below(
        &self,
        holder: &mut Value,
        names: &[Box<str>],
        value: Value,
    ) -> Result<(), FieldSetError> {
        let Some((name, rest)) = names.split_first() else {
            *holder = value;
            return Ok(());
        };
        match holder {
            Value::Object(object) => self.set_member(object, names, value),
            Value::Array(elements) if self.is_pointer() => {
                let len = elements.len();
                match self.index(name) {
                    Some(index) if index < len => self.set_below(&mut elements[index], rest, value),
                    Some(index) if index == len => {
                        elements.push(nested(rest, value));
                        Ok(())
                    }
                    _ => Err(self.not_an_index(name, len)),
                }
            }
            other => Err(self.in_the_way(name, other)),
        }
    }

    fn not_an_index(&self, name: &str, len: usize) -> FieldSetError {
        FieldSetError::NotAnIndex {
            field: clip(&self.text),
            name: clip(name),
            len,
        }
    }

    fn in_the_way(&self, name: &str, holder: &Value) -> FieldSetError {
        let (field, name) = (clip(&self.text), clip(name));
        FieldSetError::NotAnObject {
            field,
            name,
            holder: holder.type_name(),
        }
    }

    /// Removes the field and returns it; `None` if it was missing. The element of an array is
    /// taken out, and those after it move up.
    pub fn remove(&self, object: &mut Object) -> Option<Value> {
        let (last, holders) = self.names().split_last()?;
        let Some((first, rest)) = holders.split_first() else {
            return object.remove(last);
        };
        let holder = rest
            .iter()
            .try_fold(object.get_mut(first)?, |value, name| match value {
                Value::Object(object) => object.get_mut(name),
                Value::Array(elements) => elements.get_mut(self.index(name)?),
                _ => None,
            })?;
        match holder {
            Value::Object(object) => object.remove(last),
            Value::Array(elements) => {
                let index = self.index(last).filter(|index| *index < elements.len())?;
                Some(elements.remove(index))
            }
            _ => None,
        }
    }
}

/// `value` inside objects of one member each, named `names`, outermost first.
fn nested(names: &[Box<str>], value: Value) -> Value {
    names.iter().rev().fold(value, |inner, name| {
        Object::from_iter([(name.as_ref(), inner)]).into()
    })
}

impl FromStr for FieldPath {
    type Err = FieldPathError;

    fn from_str(text: &str) -> Result<FieldPath, FieldPathError> {
        if text.len() > FIELD_PATH_BYTES_MAX {
            return Err(FieldPathError::TooLong);
        }
        let parts = match text.strip_prefix('/') {
            Some(pointer) => {
                let names = pointer.split('/').map(unescape).collect::<Option<Vec<_>>>();
                names.ok_or_else(|| FieldPathError::BadEscape { text: text.into() })?
            }
            None if text.split('.').any(str::is_empty) => {
                return Err(FieldPathError::EmptyName { text: text.into() });
            }
            None if !text.contains('.') => Vec::new(),
            None => text.split('.').map(Into::into).collect(),
        };
        if parts.len() > DEPTH_MAX {
            return Err(FieldPathError::TooLong);
        }
        Ok(FieldPath {
            text: text.into(),
            parts,
        })
    }
}

/// A name of a JSON Pointer: `~1` is `/`, `~0` is `~`.
fn unescape(name: &str) -> Option<Box<str>> {
    let mut parts = name.split('~');
    let mut unescaped = String::from(parts.next()?);
    for part in parts {
        unescaped.push(match part.as_bytes().first()? {
            b'0' => '~',
            b'1' => '/',
            _ => return None,
        });
        unescaped.push_str(&part[1..]);
    }
    Some(unescaped.into())
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
