//! Paths of collections and documents.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::{PATH_BYTES_MAX, PATH_SEGMENT_BYTES_MAX};

/// Path of a collection: an odd number of segments joined by `/`, such as `rooms/42/messages`.
/// Byte-exact; no Unicode normalisation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionPath(Arc<str>);

/// Path of a document: an even number of segments, such as `rooms/42`. The last segment is the
/// document's id, the rest its collection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentPath {
    text: Arc<str>,
    collection_bytes: u16,
}

/// Why a text is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Nothing between two `/`, or at an end.
    #[error("path {path:?} has an empty segment")]
    EmptySegment {
        /// The path as it was given.
        path: Box<str>,
    },
    /// A segment is longer than [`PATH_SEGMENT_BYTES_MAX`].
    #[error("a path segment has at most {PATH_SEGMENT_BYTES_MAX} bytes, this one {bytes}")]
    SegmentTooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The whole path is longer than [`PATH_BYTES_MAX`].
    #[error("a path has at most {PATH_BYTES_MAX} bytes, this one {bytes}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A segment is `.`, `..`, `*` or `**`.
    #[error("{segment:?} is not allowed as a path segment")]
    ForbiddenSegment {
        /// The segment.
        segment: Box<str>,
    },
    /// A segment has a control character.
    #[error("path {path:?} has a control character")]
    ControlCharacter {
        /// The path as it was given.
        path: Box<str>,
    },
    /// A `/` in what has to be one segment, such as a document's id.
    #[error("{segment:?} has a slash: it would name another path")]
    Slash {
        /// The segment.
        segment: Box<str>,
    },
    /// A segment begins with `__`.
    #[error("{segment:?} is reserved: a segment must not begin with two underscores")]
    Reserved {
        /// The segment.
        segment: Box<str>,
    },
    /// A document's path (even number of segments) where a collection's is wanted.
    #[error("{path:?} names a document: a collection's path has an odd number of segments")]
    NotACollection {
        /// The path as it was given.
        path: Box<str>,
    },
    /// A collection's path (odd number of segments) where a document's is wanted.
    #[error("{path:?} names a collection: a document's path has an even number of segments")]
    NotADocument {
        /// The path as it was given.
        path: Box<str>,
    },
}

fn check_segment(path: &str, segment: &str) -> Result<(), PathError> {
    if segment.is_empty() {
        return Err(PathError::EmptySegment { path: path.into() });
    }
    if segment.len() > PATH_SEGMENT_BYTES_MAX {
        return Err(PathError::SegmentTooLong {
            bytes: segment.len(),
        });
    }
    if matches!(segment, "." | ".." | "*" | "**") {
        return Err(PathError::ForbiddenSegment {
            segment: segment.into(),
        });
    }
    if segment.contains('/') {
        return Err(PathError::Slash {
            segment: segment.into(),
        });
    }
    if segment.chars().any(char::is_control) {
        return Err(PathError::ControlCharacter { path: path.into() });
    }
    Ok(())
}

/// Checks a segment that a client names.
pub(crate) fn check_named(path: &str, segment: &str) -> Result<(), PathError> {
    check_segment(path, segment)?;
    if is_reserved(segment) {
        return Err(PathError::Reserved {
            segment: segment.into(),
        });
    }
    Ok(())
}

fn is_reserved(segment: &str) -> bool {
    segment.starts_with("__")
}

type CheckSegment = fn(&str, &str) -> Result<(), PathError>;

/// Checks every rule but the parity of the segments, whose number it returns.
fn check(path: &str, segment_of: CheckSegment) -> Result<usize, PathError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong { bytes: path.len() });
    }
    let mut segments = 0;
    for segment in path.split('/') {
        segment_of(path, segment)?;
        segments += 1;
    }
    Ok(segments)
}

impl CollectionPath {
    /// A path as the database's own files have it, in which reserved segments are allowed: those of
    /// the collections that the database keeps for itself. What clients name is parsed instead.
    ///
    /// # Errors
    /// If it is not a path of a collection.
    pub fn from_stored(path: &str) -> Result<CollectionPath, PathError> {
        CollectionPath::checked(path, check_segment)
    }

    fn checked(path: &str, segment: CheckSegment) -> Result<CollectionPath, PathError> {
        if check(path, segment)? % 2 == 0 {
            return Err(PathError::NotACollection { path: path.into() });
        }
        Ok(CollectionPath(path.into()))
    }

    /// Whether a segment is reserved, so that no client can name it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.split('/').any(is_reserved)
    }

    /// The whole path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of this collection's document `id`.
    ///
    /// # Errors
    /// If `id` is not a segment, or the path becomes too long.
    pub fn document(&self, id: &str) -> Result<DocumentPath, PathError> {
        check_named(id, id)?;
        let path = self.join(id);
        if path.text.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong {
                bytes: path.text.len(),
            });
        }
        Ok(path)
    }

    /// The path of the document `id`, whose id came from a checked path before: what the log and
    /// the store keep is not checked again on every read.
    #[must_use]
    pub fn join(&self, id: &str) -> DocumentPath {
        debug_assert!(
            check_segment(id, id).is_ok(),
            "an id that was stored: {id:?}"
        );
        let mut text = String::with_capacity(self.0.len() + 1 + id.len());
        text.push_str(&self.0);
        text.push('/');
        text.push_str(id);
        DocumentPath {
            text: text.into(),
            collection_bytes: path_bytes(self.0.len()),
        }
    }
}

fn path_bytes(len: usize) -> u16 {
    // Paths are at most `PATH_BYTES_MAX` long, which limits.rs asserts to fit.
    u16::try_from(len).unwrap_or(u16::MAX)
}

impl FromStr for CollectionPath {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        CollectionPath::checked(path, check_named)
    }
}

impl DocumentPath {
    /// A path as the database's own files have it: see [`CollectionPath::from_stored`].
    ///
    /// # Errors
    /// If it is not a path of a document.
    pub fn from_stored(path: &str) -> Result<DocumentPath, PathError> {
        DocumentPath::checked(path, check_segment)
    }

    fn checked(path: &str, segment: CheckSegment) -> Result<DocumentPath, PathError> {
        if check(path, segment)? % 2 == 1 {
            return Err(PathError::NotADocument { path: path.into() });
        }
        let collection_bytes = path_bytes(path.rfind('/').unwrap_or(0));
        Ok(DocumentPath {
            text: path.into(),
            collection_bytes,
        })
    }

    /// Whether a segment is reserved, so that no client can name it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.text.split('/').any(is_reserved)
    }

    /// The whole path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path of the collection that the document is in.
    #[must_use]
    pub fn collection(&self) -> CollectionPath {
        CollectionPath(self.collection_str().into())
    }

    /// The path of the document's collection, borrowed.
    #[must_use]
    pub fn collection_str(&self) -> &str {
        &self.text[..usize::from(self.collection_bytes)]
    }

    /// The last segment.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.text[usize::from(self.collection_bytes) + 1..]
    }
}

impl FromStr for DocumentPath {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        DocumentPath::checked(path, check_named)
    }
}

impl fmt::Display for CollectionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CollectionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parity_tells_collections_from_documents() {
        assert!("rooms".parse::<CollectionPath>().is_ok());
        assert!("rooms/42/messages".parse::<CollectionPath>().is_ok());
        assert!(matches!(
            "rooms/42".parse::<CollectionPath>(),
            Err(PathError::NotACollection { .. })
        ));
        assert!(matches!(
            "rooms".parse::<DocumentPath>(),
            Err(PathError::NotADocument { .. })
        ));
        let path: DocumentPath = "rooms/42/messages/é".parse().unwrap();
        assert_eq!(
            (path.collection_str(), path.id()),
            ("rooms/42/messages", "é")
        );
        assert_eq!(path.collection().document("é").unwrap(), path);
    }

    #[test]
    fn each_rule_has_its_error() {
        let error = |path: &str| path.parse::<DocumentPath>().unwrap_err();
        assert!(matches!(error(""), PathError::EmptySegment { .. }));
        assert!(matches!(error("a//b"), PathError::EmptySegment { .. }));
        assert!(matches!(error("/a"), PathError::EmptySegment { .. }));
        assert!(matches!(error("a/."), PathError::ForbiddenSegment { .. }));
        assert!(matches!(error("a/.."), PathError::ForbiddenSegment { .. }));
        assert!(matches!(error("a/*"), PathError::ForbiddenSegment { .. }));
        assert!(matches!(error("**/a"), PathError::ForbiddenSegment { .. }));
        assert!(matches!(
            error("a/b\u{7}"),
            PathError::ControlCharacter { .. }
        ));
        assert!(matches!(
            error("a/b\u{85}"),
            PathError::ControlCharacter { .. }
        ));
        assert!(matches!(error("__keys/b"), PathError::Reserved { .. }));
        assert!(matches!(error("a/__b"), PathError::Reserved { .. }));
        assert!(matches!(
            error(&format!("a/{}", "x".repeat(257))),
            PathError::SegmentTooLong { .. }
        ));
        let long = ["x".repeat(256).as_str(); 4].join("/");
        assert!(matches!(error(&long), PathError::TooLong { bytes: 1027 }));
    }

    #[test]
    fn what_is_stored_may_have_reserved_segments_and_nothing_else_that_clients_may_not_name() {
        let floors = CollectionPath::from_stored("__floors").unwrap();
        assert!(floors.is_reserved());
        assert!(floors.join("__x").is_reserved());
        let path = DocumentPath::from_stored("rooms/1/__texts/2").unwrap();
        assert_eq!(path.collection_str(), "rooms/1/__texts");
        assert!(!"rooms/1".parse::<DocumentPath>().unwrap().is_reserved());
        for refused in ["", "a//b", "a/../b", "__a/*/b", "__a/b"] {
            assert!(CollectionPath::from_stored(refused).is_err(), "{refused}");
        }
        assert!(DocumentPath::from_stored("__floors").is_err());
        assert!("__floors".parse::<CollectionPath>().is_err());
        assert!(floors.document("__x").is_err(), "an id that a client names");
    }

    #[test]
    fn an_id_is_one_segment() {
        let rooms: CollectionPath = "rooms".parse().unwrap();
        assert!(matches!(
            rooms.document("a/b"),
            Err(PathError::Slash { .. })
        ));
        assert!(matches!(
            rooms.document("a/b/c"),
            Err(PathError::Slash { .. })
        ));
        assert!(matches!(
            rooms.document(""),
            Err(PathError::EmptySegment { .. })
        ));
    }

    #[test]
    fn a_segment_may_have_256_bytes_and_a_path_1024() {
        assert!(
            format!("a/{}", "x".repeat(256))
                .parse::<DocumentPath>()
                .is_ok()
        );
        let longest = format!("{0}/{0}/{0}/{1}", "x".repeat(256), "x".repeat(253));
        assert_eq!(longest.len(), 1024);
        assert!(longest.parse::<DocumentPath>().is_ok());
    }
}
