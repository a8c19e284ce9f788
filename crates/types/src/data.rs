//! A document's data: the JSON object that was written, minified.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::json::{self, JsonError, Minified, Object, Value};
use crate::limits::{DEPTH_MAX, DOCUMENT_BYTES_MAX};

/// A JSON object as a document holds it: the text that was written, without insignificant white
/// space, every number digit for digit; and its parsed form, made at most once and shared by all
/// clones. Equality is of the text.
#[derive(Clone)]
pub struct Data(Arc<Inner>);

struct Inner {
    text: Bytes,
    object: OnceLock<Object>,
}

impl Data {
    /// Checks and minifies what a client sent. Its parsed form is made when somebody looks inside.
    ///
    /// # Errors
    /// If it is not a JSON object within the limits of a document.
    pub fn parse(text: &[u8]) -> Result<Data, JsonError> {
        Data::from_minified(json::minify(text)?)
    }

    /// From an object that was parsed as text.
    ///
    /// # Errors
    /// As [`Data::from_object`].
    pub fn from_minified(Minified { text, levels }: Minified) -> Result<Data, JsonError> {
        if levels > DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        if text.len() > DOCUMENT_BYTES_MAX {
            return Err(JsonError::TooLarge { bytes: text.len() });
        }
        Ok(Data::from_stored(String::from(text).into()))
    }

    /// From a parsed object.
    ///
    /// # Errors
    /// If its text is larger than [`DOCUMENT_BYTES_MAX`] or nested too deeply.
    pub fn from_object(object: Object) -> Result<Data, JsonError> {
        object.check_depth()?;
        let mut text = String::new();
        object.write(&mut text);
        if text.len() > DOCUMENT_BYTES_MAX {
            return Err(JsonError::TooLarge { bytes: text.len() });
        }
        let inner = Inner {
            text: text.into(),
            object: OnceLock::new(),
        };
        inner.object.get_or_init(|| object);
        Ok(Data(Arc::new(inner)))
    }

    /// From text that came from a [`Data`] before: what the log and the store keep is not checked
    /// again on every read. It is parsed only when somebody looks inside.
    #[must_use]
    pub fn from_stored(text: Bytes) -> Data {
        Data(Arc::new(Inner {
            text,
            object: OnceLock::new(),
        }))
    }

    /// Exchanges the text for a copy, such as one in memory of its own where this one holds the whole
    /// group that it was read with. A parsed form is not kept: it takes several times the text.
    pub fn replace_text(&mut self, copy: impl FnOnce(&[u8]) -> Bytes) {
        let text = copy(&self.0.text);
        match Arc::get_mut(&mut self.0) {
            Some(inner) => {
                inner.text = text;
                inner.object.take();
            }
            None => *self = Data::from_stored(text),
        }
    }

    /// The minified text.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0.text
    }

    /// The minified text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Text that was stored went through checksums; should it be damaged all the same, an
        // empty object is shown rather than a panic.
        std::str::from_utf8(&self.0.text).unwrap_or("{}")
    }

    /// The parsed form.
    #[must_use]
    pub fn object(&self) -> &Object {
        self.0
            .object
            .get_or_init(|| match json::parse(&self.0.text) {
                Ok(Value::Object(object)) => object,
                _ => Object::default(),
            })
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Data) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Data {}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
