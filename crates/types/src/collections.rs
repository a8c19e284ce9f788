//! Which collections a subscription follows.

use std::fmt;

use crate::{CollectionPath, CollectionPattern, limits};

/// One collection, or all that match one of some patterns.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CollectionSet(Members);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Members {
    One(CollectionPath),
    /// In their order, none twice.
    Matching(Box<[CollectionPattern]>),
}

/// A set has too few patterns, or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{count} collections were named; from 1 to {} can be",
    limits::COLLECTION_PATTERNS_MAX
)]
pub struct CollectionSetError {
    /// How many there were.
    pub count: usize,
}

impl CollectionSet {
    /// The collections that match any of these patterns, those that are created later too.
    ///
    /// # Errors
    /// If there is no pattern, or there are more than [`limits::COLLECTION_PATTERNS_MAX`].
    pub fn matching(
        patterns: impl IntoIterator<Item = CollectionPattern>,
    ) -> Result<CollectionSet, CollectionSetError> {
        let mut patterns: Vec<CollectionPattern> = patterns.into_iter().collect();
        let count = patterns.len();
        if !(1..=limits::COLLECTION_PATTERNS_MAX).contains(&count) {
            return Err(CollectionSetError { count });
        }
        patterns.sort_unstable();
        patterns.dedup();
        let only = match &patterns[..] {
            [pattern] => pattern.only(),
            _ => None,
        };
        Ok(CollectionSet(match only {
            Some(collection) => Members::One(collection),
            None => Members::Matching(patterns.into()),
        }))
    }

    /// The collection, if the set is one alone, by its path.
    #[must_use]
    pub fn only(&self) -> Option<&CollectionPath> {
        match &self.0 {
            Members::One(collection) => Some(collection),
            Members::Matching(_) => None,
        }
    }

    /// The patterns; none where the set is one collection.
    #[must_use]
    pub fn patterns(&self) -> &[CollectionPattern] {
        match &self.0 {
            Members::One(_) => &[],
            Members::Matching(patterns) => patterns,
        }
    }

    /// The collection's path, or the patterns, as texts that [`CollectionSet::matching`] makes the
    /// set of again.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        match &self.0 {
            Members::One(collection) => vec![collection.as_str()],
            Members::Matching(patterns) => patterns.iter().map(CollectionPattern::as_str).collect(),
        }
    }

    /// Whether a collection is one of them.
    #[must_use]
    pub fn contains(&self, collection: &CollectionPath) -> bool {
        match &self.0 {
            Members::One(only) => only == collection,
            Members::Matching(patterns) => {
                patterns.iter().any(|pattern| pattern.matches(collection))
            }
        }
    }
}

impl From<CollectionPath> for CollectionSet {
    fn from(collection: CollectionPath) -> CollectionSet {
        CollectionSet(Members::One(collection))
    }
}

/// The path, or the patterns with commas between them.
impl fmt::Display for CollectionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Members::One(collection) => collection.fmt(f),
            Members::Matching(patterns) => {
                for (index, pattern) in patterns.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{pattern}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for CollectionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> Result<CollectionSet, CollectionSetError> {
        CollectionSet::matching(patterns.iter().map(|pattern| pattern.parse().unwrap()))
    }

    fn contains(set: &CollectionSet, collection: &str) -> bool {
        set.contains(&collection.parse().unwrap())
    }

    #[test]
    fn it_contains_what_any_pattern_matches() {
        let both = set(&["rooms/*/messages", "users"]).unwrap();
        assert!(contains(&both, "users"));
        assert!(contains(&both, "rooms/1/messages"));
        assert!(!contains(&both, "rooms"));
        assert_eq!(both.to_string(), "rooms/*/messages,users");
        assert_eq!(both, set(&["users", "rooms/*/messages", "users"]).unwrap());
    }

    #[test]
    fn one_collection_by_its_path_is_that_collection() {
        let rooms: CollectionPath = "rooms".parse().unwrap();
        assert_eq!(set(&["rooms"]).unwrap(), rooms.clone().into());
        assert_eq!(set(&["rooms", "rooms"]).unwrap().only(), Some(&rooms));
        assert!(set(&["rooms", "users"]).unwrap().only().is_none());
    }

    #[test]
    fn there_are_from_one_to_sixteen_patterns() {
        assert_eq!(set(&[]), Err(CollectionSetError { count: 0 }));
        let names: Vec<String> = (0..17).map(|n| format!("c{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(set(&names[..16]).is_ok());
        assert_eq!(set(&names), Err(CollectionSetError { count: 17 }));
    }
}
