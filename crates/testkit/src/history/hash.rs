//! What histories keep of a document where its content does not matter.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use wellspring_types::Data;

/// The first eight bytes of the SHA-256 of a document's minified text, written as 16 hexadecimal
/// digits (fewer are read: histories written by hand say `a1`). Digits, order of keys and escapes
/// count: what is compared is what was written, not what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentHash(u64);

/// Why a text is not a [`DocumentHash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 1 to 16 hexadecimal digits")]
pub struct DocumentHashError;

impl DocumentHash {
    /// The hash of a document.
    #[must_use]
    pub fn of(data: &Data) -> DocumentHash {
        DocumentHash::of_text(data.as_bytes())
    }

    /// The hash of a document's minified text.
    #[must_use]
    pub fn of_text(text: &[u8]) -> DocumentHash {
        let digest = Sha256::digest(text);
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        DocumentHash(u64::from_be_bytes(first))
    }
}

impl fmt::Display for DocumentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for DocumentHash {
    type Err = DocumentHashError;

    fn from_str(text: &str) -> Result<DocumentHash, DocumentHashError> {
        // `from_str_radix` would take a sign.
        let fits = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !fits {
            return Err(DocumentHashError);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_unreachable| DocumentHashError)?;
        Ok(DocumentHash(number))
    }
}

impl Serialize for DocumentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DocumentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DocumentHash, D::Error> {
        deserializer.deserialize_str(HashVisitor)
    }
}

struct HashVisitor;

impl Visitor<'_> for HashVisitor {
    type Value = DocumentHash;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("1 to 16 hexadecimal digits")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<DocumentHash, E> {
        text.parse().map_err(E::custom)
    }
}
