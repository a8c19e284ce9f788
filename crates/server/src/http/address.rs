//! What a URL addresses: a document or a collection, and the parameters behind it.

use percent_encoding::percent_decode_str;
use wellspring_protocol::error::WireError;
use wellspring_types::{CollectionPath, DocumentPath};

/// Either kind of path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// An even number of segments.
    Document(DocumentPath),
    /// An odd number of segments.
    Collection(CollectionPath),
}

impl Address {
    /// Reads what follows `prefix` in a URL's path. It is split at `/` before the segments are
    /// decoded, so that no encoding of a path is taken for another path.
    ///
    /// # Errors
    /// If it is not a path, or a segment decodes to one with a `/`.
    pub(crate) fn after(prefix: &str, url_path: &str) -> Result<Address, WireError> {
        let encoded = url_path.strip_prefix(prefix).unwrap_or_default();
        let mut path = String::with_capacity(encoded.len());
        let mut segments = 0;
        for segment in encoded.split('/') {
            if segments > 0 {
                path.push('/');
            }
            path.push_str(&decode_segment(segment)?);
            segments += 1;
        }
        if segments % 2 == 0 {
            Ok(Address::Document(path.parse()?))
        } else {
            Ok(Address::Collection(path.parse()?))
        }
    }

    /// # Errors
    /// If it is a collection's path.
    pub(crate) fn document(self) -> Result<DocumentPath, WireError> {
        match self {
            Address::Document(path) => Ok(path),
            Address::Collection(path) => Ok(path.as_str().parse::<DocumentPath>()?),
        }
    }

    /// # Errors
    /// If it is a document's path.
    pub(crate) fn collection(self) -> Result<CollectionPath, WireError> {
        match self {
            Address::Collection(path) => Ok(path),
            // Parsing again tells what is wrong in the words of every other place.
            Address::Document(path) => Ok(path.as_str().parse::<CollectionPath>()?),
        }
    }
}

/// Refuses a `%` that decoders would leave as it is.
pub(super) fn check_escapes(text: &str) -> Result<(), WireError> {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let digits = rest.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let told = format!("{text:?} has a % that is not followed by two hexadecimal digits");
            return Err(WireError::invalid_argument(told));
        }
        rest = &rest[at + 3..];
    }
    Ok(())
}

pub(super) fn decode_segment(segment: &str) -> Result<String, WireError> {
    check_escapes(segment)?;
    let Ok(decoded) = percent_decode_str(segment).decode_utf8() else {
        return Err(WireError::invalid_argument(format!(
            "{segment:?} is not UTF-8 when decoded"
        )));
    };
    if decoded.contains('/') {
        let told = format!("{segment:?} has an encoded /, which no path segment may have");
        return Err(WireError::invalid_argument(told));
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url_path: &str) -> Result<Address, String> {
        Address::after("/v1/documents/", url_path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_number_of_segments_tells_documents_from_collections() {
        let document = Address::Document("rooms/42".parse().unwrap());
        assert_eq!(read("/v1/documents/rooms/42"), Ok(document));
        let collection = Address::Collection("rooms/42/messages".parse().unwrap());
        assert_eq!(read("/v1/documents/rooms/42/messages"), Ok(collection));
    }

    #[test]
    fn segments_are_decoded_byte_for_byte() {
        let document = Address::Document("röoms/a b+c%?".parse().unwrap());
        assert_eq!(read("/v1/documents/r%C3%B6oms/a%20b+c%25%3F"), Ok(document));
    }

    #[test]
    fn an_encoding_cannot_smuggle_a_separator_or_a_relative_path() {
        for path in [
            "rooms%2F42",
            "rooms/%2e%2e",
            "rooms/.",
            "rooms//42",
            "rooms/",
            "",
            "rooms/%00",
        ] {
            assert!(read(&format!("/v1/documents/{path}")).is_err(), "{path}");
        }
        for path in ["rooms/%", "rooms/%2", "rooms/%zz", "rooms/%ff"] {
            let error = read(&format!("/v1/documents/{path}")).unwrap_err();
            assert!(error.starts_with("invalid_argument"), "{error}");
        }
    }
}
