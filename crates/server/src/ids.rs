//! Ids and random numbers that the server makes.

use std::ops::Range;

use sha2::{Digest, Sha256};
use ulid::Ulid;
use wellspring_types::{CollectionPath, MutationId};

/// The id of a new document that was given none: a ULID. With a mutation id it follows from that,
/// so that a repeat of the request asks for the same commit and not for another document.
pub(crate) fn new_document_id(
    collection: &CollectionPath,
    mutation: Option<&MutationId>,
) -> String {
    let Some(mutation) = mutation else {
        return Ulid::generate().to_string();
    };
    let mut digest = Sha256::new();
    // No path has a NUL, so that the two cannot run into each other.
    digest.update(collection.as_str());
    digest.update([0]);
    digest.update(mutation.as_str());
    let digest: [u8; 32] = digest.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Ulid::from_bytes(bytes).to_string()
}

/// A name for a connection, in logs and to support.
pub(crate) fn new_session_id() -> String {
    Ulid::generate().to_string()
}

/// A number of `range`, which must not be empty.
pub(crate) fn random_in(range: Range<u64>) -> u64 {
    let span = u128::from(range.end - range.start);
    let offset = Ulid::generate().random() % span;
    // Less than the span, which came from a u64.
    range.start + u64::try_from(offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_in_their_range_and_not_always_the_same() {
        let numbers: Vec<u64> = (0..100).map(|_| random_in(1000..3000)).collect();
        assert!(numbers.iter().all(|number| (1000..3000).contains(number)));
        assert!(numbers.iter().any(|number| *number != numbers[0]));
    }

    #[test]
    fn a_repeat_has_the_same_id_and_another_request_has_not() {
        let (rooms, users) = ("rooms".parse().unwrap(), "users".parse().unwrap());
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        let id = new_document_id(&rooms, Some(&a));
        assert_eq!(id.len(), 26);
        assert_eq!(new_document_id(&rooms, Some(&a)), id);
        assert_ne!(new_document_id(&rooms, Some(&b)), id);
        assert_ne!(new_document_id(&users, Some(&a)), id);
        assert_ne!(new_document_id(&rooms, None), new_document_id(&rooms, None));
    }
}
