//! Patterns of collections' paths.

use std::fmt;
use std::str::FromStr;

use crate::{CollectionPath, PathError};

/// Collections by their paths: a collection's path in which `*` stands for any one segment, such
/// as `rooms/*/messages`, and `**` at the end for one or more: `rooms/42/**` is every collection
/// below a document, `**` every collection that there is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionPattern(Box<str>);

/// Any one segment.
const ANY: &str = "*";
/// Any segments, but not none.
const REST: &str = "**";

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
                (None, None) | (Some(REST), Some(_)) => return !collection.is_reserved(),
                (Some(wanted), Some(found)) if wanted == ANY || wanted == found => {}
                _ => return false,
            }
        }
    }

    /// The collection that it stands for, if that is one alone.
    #[must_use]
    pub fn only(&self) -> Option<CollectionPath> {
        self.0.parse().ok()
    }
}

impl FromStr for CollectionPattern {
    type Err = PathError;

    fn from_str(text: &str) -> Result<CollectionPattern, PathError> {
        // What is no path with a segment in each place is no pattern either.
        let mut path: Vec<&str> = text.split('/').collect();
        if path.last() == Some(&REST) {
            path.pop();
            let is_collection = path.len() % 2 == 1;
            path.extend(if is_collection {
                &["any"; 2][..]
            } else {
                &["any"]
            });
        }
        for segment in &mut path {
            if *segment == ANY {
                *segment = "any";
            }
        }
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
    fn two_stars_at_the_end_stand_for_all_that_is_below() {
        for all in ["rooms", "rooms/42/messages", "a/b/c/d/e"] {
            assert!(matches("**", all), "{all}");
        }
        assert!(matches("rooms/42/**", "rooms/42/messages"));
        assert!(matches("rooms/42/**", "rooms/42/messages/7/votes"));
        assert!(matches("rooms/**", "rooms/42/messages"));
        assert!(matches("rooms/*/**", "rooms/42/messages"));
        assert!(!matches("rooms/42/**", "rooms/43/messages"));
        assert!(!matches("rooms/**", "rooms"), "not itself");
        assert!(!matches("**", "__floors"), "a reserved collection");
        assert!(!matches("**", "rooms/42/__texts"), "nor below");
    }

    #[test]
    fn a_pattern_without_stars_is_one_collection() {
        let only = |text: &str| text.parse::<CollectionPattern>().unwrap().only();
        assert_eq!(only("rooms"), Some("rooms".parse().unwrap()));
        assert_eq!(only("rooms/*/messages"), None);
        assert_eq!(only("**"), None);
    }

    #[test]
    fn only_what_could_be_a_path_is_a_pattern() {
        for refused in [
            "",
            "/**",
            "**/rooms",
            "rooms/***",
            "__rooms/**",
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
