//! Patterns of collections' paths.

use std::fmt;
use std::str::FromStr;

use crate::{CollectionPath, PathError};

/// Collections by their paths: a collection's path in which `*` stands for any one segment, such
/// as `rooms/*/messages`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CollectionPattern(Box<str>);

/// Any one segment.
const ANY: &str = "*";

impl CollectionPattern {
    /// The pattern's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for this collection. Never for one that no client can name.
    #[must_use]
    pub fn matches(&self, collection: &CollectionPath) -> bool {
        let (mut wanted, mut found) = (self.0.split('/'), collection.as_str().split('/'));
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return !collection.is_reserved(),
                (Some(wanted), Some(found)) if wanted == ANY || wanted == found => {}
                _ => return false,
            }
        }
    }
}

impl FromStr for CollectionPattern {
    type Err = PathError;

    fn from_str(text: &str) -> Result<CollectionPattern, PathError> {
        // What is no path with a segment in each place is no pattern either.
        let segments = text.split('/');
        let filled = segments.map(|segment| if segment == ANY { "any" } else { segment });
        let path: Vec<&str> = filled.collect();
        path.join("/").parse::<CollectionPath>()?;
        Ok(CollectionPattern(text.into()))
    }
}

impl fmt::Display for CollectionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CollectionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let path = CollectionPath::from_stored(path).unwrap();
        pattern.parse::<CollectionPattern>().unwrap().matches(&path)
    }

    #[test]
    fn a_star_stands_for_one_segment() {
        assert!(matches("rooms", "rooms"));
        assert!(!matches("rooms", "room"));
        assert!(matches("rooms/*/messages", "rooms/42/messages"));
        assert!(!matches("rooms/*/messages", "rooms/42/votes"));
        assert!(!matches("rooms/*/messages", "rooms"));
        assert!(!matches("rooms", "rooms/42/messages"));
        assert!(matches("*", "rooms"));
        assert!(matches("*/*/*", "rooms/42/messages"));
        assert!(!matches("*", "__floors"), "a reserved collection");
    }

    #[test]
    fn only_what_could_be_a_path_is_a_pattern() {
        for refused in [
            "",
            "rooms/*",
            "rooms//x",
            "rooms/**/x",
            "ro*ms/../x",
            "__floors",
        ] {
            assert!(refused.parse::<CollectionPattern>().is_err(), "{refused}");
        }
    }
}
