//! Resume tokens and page cursors: positions, sealed so that only this database issues them.
//!
//! A token is base64url of `version(1) kind(1) epoch(4) sequence(8) … mac(8)`; a place inside a
//! snapshot has `collection hash(8) view hash(8) last id` before the MAC, one of a consumer
//! `generation(8) name`. It is a pure function
//! of the position, so that every transport shows the same bytes for it.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wellspring_types::query::Query;
use wellspring_types::{CollectionSet, DocumentPath, Epoch, Filter, ResumeToken, Sequence};

const VERSION: u8 = 1;
const MAC_BYTES: usize = 8;
const HEAD_BYTES: usize = 1 + 1 + 4 + 8;

/// Why a resume token or a page's cursor is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It was not issued by this database, or was changed on the way.
    #[error("not a token of this database")]
    Forged,
    /// A place inside a snapshot, or a page's cursor, belongs to another collection or query.
    #[error("the token belongs to another collection, document, filter, order or at")]
    OtherQuery,
    /// It is a page's cursor where a resume token is wanted, or the other way round.
    #[error("a page's cursor and a resume token are not the same thing")]
    WrongKind,
    /// It is of a consumer, and acknowledges what that was sent.
    #[error("a consumer's token is for acknowledging; it is no place to go on from")]
    OfConsumer,
    /// It acknowledges nothing: it is no consumer's.
    #[error("only a token of a consumer's subscription can be acknowledged")]
    NotOfConsumer,
    /// It is of a place inside a snapshot that has only what differs from what was known, and the
    /// request does not say what that is.
    #[error("the token is of a snapshot of differences: it needs known again")]
    KnownMissing,
}

/// What a sealed text stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) epoch: Epoch,
    pub(crate) place: Place,
}

/// A position that a client can come back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Every commit up to here is seen.
    Position(Sequence),
    /// The documents up to `last_id` are seen as of `pin`. Of several collections it is the last
    /// document's path, or that of the collection that comes next.
    InSnapshot {
        pin: Sequence,
        scope: Scope,
        last_id: Box<str>,
        extent: Extent,
    },
    /// The pages of a query up to the document `last_id` are seen as of `pin`.
    InQuery {
        pin: Sequence,
        scope: Scope,
        last_id: Box<str>,
    },
    /// The versions of a document from `before` on are seen.
    InHistory { before: Sequence, scope: Scope },
    /// What the subscription of a consumer that goes by `generation` was sent through `position`.
    InConsumer {
        position: Sequence,
        generation: u64,
        name: Box<str>,
    },
    /// The collections up to `last` are seen, of those that were there by `pin`.
    InCollections {
        pin: Sequence,
        scope: Scope,
        last: Box<str>,
    },
}

/// What a snapshot sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every document of the view.
    Whole,
    /// What differs from what the subscriber knows.
    Differences,
}

/// Hash of the collection and of what was asked of it: a place inside a snapshot or a query is
/// good only for the same question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope([u8; 16]);

impl Scope {
    pub(crate) fn of_snapshot(collections: &CollectionSet, filter: Option<&Filter>) -> Scope {
        Scope::hash(&[&collections.to_string(), &filter_text(filter)])
    }

    pub(crate) fn of_query(query: &Query) -> Scope {
        let mut parts = vec![
            query.collection.to_string(),
            filter_text(query.filter.as_ref()),
        ];
        parts.extend(query.order_by.iter().map(ToString::to_string));
        // No order begins with a space.
        parts.extend(query.at.as_ref().map(|at| format!(" at {at}")));
        Scope::hash(&parts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(crate) fn of_history(path: &DocumentPath) -> Scope {
        Scope::hash(&[path.as_str()])
    }

    pub(crate) fn of_collections(below: Option<&DocumentPath>) -> Scope {
        Scope::hash(&[below.map_or("", DocumentPath::as_str)])
    }

    fn hash(parts: &[&str]) -> Scope {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut scope = [0; 16];
        scope.copy_from_slice(&hasher.finalize()[..16]);
        Scope(scope)
    }
}

fn filter_text(filter: Option<&Filter>) -> String {
    filter.map(ToString::to_string).unwrap_or_default()
}

/// Seals and opens tokens under the database's key and epoch.
pub(crate) struct Sealer {
    key: Hmac<Sha256>,
    epoch: AtomicU32,
    /// The position that was sealed last, which all are sent who are level with the writers. Held
    /// for a comparison or an assignment and never across an await.
    last_position: Mutex<Option<(Epoch, Sequence, ResumeToken)>>,
}

const POSITION: u8 = 0;
const IN_SNAPSHOT: u8 = 1;
const IN_QUERY: u8 = 2;
const IN_DIFFERENCES: u8 = 3;
const IN_HISTORY: u8 = 4;
const IN_COLLECTIONS: u8 = 5;
const IN_CONSUMER: u8 = 6;

impl Sealer {
    pub(crate) fn new(key: &[u8; 32], epoch: Epoch) -> Sealer {
        Sealer {
            key: keyed(key),
            epoch: AtomicU32::new(epoch.0),
            last_position: Mutex::new(None),
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// From now on tokens are issued under `epoch`, which must be durable.
    pub(crate) fn set_epoch(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Release);
    }

    pub(crate) fn position(&self, position: Sequence) -> ResumeToken {
        let epoch = self.epoch();
        if let Some((of_epoch, of_position, token)) = &*self.last_position.lock()
            && (*of_epoch, *of_position) == (epoch, position)
        {
            return token.clone();
        }
        let token = ResumeToken::new(&self.seal_under(epoch, &Place::Position(position)));
        *self.last_position.lock() = Some((epoch, position, token.clone()));
        token
    }

    pub(crate) fn seal(&self, place: &Place) -> String {
        self.seal_under(self.epoch(), place)
    }

    fn seal_under(&self, epoch: Epoch, place: &Place) -> String {
        let number;
        let (kind, sequence, rest): (_, _, Option<(&[u8], &str)>) = match place {
            Place::Position(position) => (POSITION, position, None),
            Place::InSnapshot {
                pin,
                scope,
                last_id,
                extent,
            } => {
                let kind = match extent {
                    Extent::Whole => IN_SNAPSHOT,
                    Extent::Differences => IN_DIFFERENCES,
                };
                (kind, pin, Some((&scope.0, &**last_id)))
            }
            Place::InQuery {
                pin,
                scope,
                last_id,
            } => (IN_QUERY, pin, Some((&scope.0, &**last_id))),
            Place::InHistory { before, scope } => (IN_HISTORY, before, Some((&scope.0, ""))),
            Place::InCollections { pin, scope, last } => {
                (IN_COLLECTIONS, pin, Some((&scope.0, &**last)))
            }
            Place::InConsumer {
                position,
                generation,
                name,
            } => {
                number = generation.to_be_bytes();
                (IN_CONSUMER, position, Some((&number, &**name)))
            }
        };
        let mut bytes = Vec::with_capacity(HEAD_BYTES + MAC_BYTES);
        bytes.push(VERSION);
        bytes.push(kind);
        bytes.extend(epoch.0.to_be_bytes());
        bytes.extend(sequence.0.to_be_bytes());
        if let Some((of, text)) = rest {
            bytes.extend(of);
            bytes.extend(text.as_bytes());
        }
        let mac = self
            .key
            .clone()
            .chain_update(&bytes)
            .finalize()
            .into_bytes();
        bytes.extend(&mac[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn open(&self, text: &str) -> Result<Opened, TokenError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_not_base64| TokenError::Forged)?;
        let body_len = bytes
            .len()
            .checked_sub(MAC_BYTES)
            .ok_or(TokenError::Forged)?;
        let (body, mac) = bytes.split_at(body_len);
        let expected = self.key.clone().chain_update(body);
        expected
            .verify_truncated_left(mac)
            .map_err(|_mismatch| TokenError::Forged)?;
        parse(body).ok_or(TokenError::Forged)
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes a key of any length (RFC 2104)"
    )]
    Hmac::new_from_slice(key).expect("any length")
}

/// A body whose MAC was good; `None` where another version of this program wrote it.
fn parse(body: &[u8]) -> Option<Opened> {
    let (head, rest) = body.split_at_checked(HEAD_BYTES)?;
    if head[0] != VERSION {
        return None;
    }
    let epoch = Epoch(u32::from_be_bytes(head[2..6].try_into().ok()?));
    let sequence = Sequence(u64::from_be_bytes(head[6..14].try_into().ok()?));
    let scoped = || -> Option<(Scope, Box<str>)> {
        let (scope, id) = rest.split_at_checked(16)?;
        Some((
            Scope(scope.try_into().ok()?),
            std::str::from_utf8(id).ok()?.into(),
        ))
    };
    let place = match head[1] {
        POSITION if rest.is_empty() => Place::Position(sequence),
        kind @ (IN_SNAPSHOT | IN_DIFFERENCES) => {
            let (scope, last_id) = scoped()?;
            let extent = match kind {
                IN_SNAPSHOT => Extent::Whole,
                _ => Extent::Differences,
            };
            Place::InSnapshot {
                pin: sequence,
                scope,
                last_id,
                extent,
            }
        }
        IN_QUERY => {
            let (scope, last_id) = scoped()?;
            Place::InQuery {
                pin: sequence,
                scope,
                last_id,
            }
        }
        IN_HISTORY => Place::InHistory {
            before: sequence,
            scope: Scope(rest.try_into().ok()?),
        },
        IN_COLLECTIONS => {
            let (scope, last) = scoped()?;
            Place::InCollections {
                pin: sequence,
                scope,
                last,
            }
        }
        IN_CONSUMER => {
            let (generation, name) = rest.split_at_checked(8)?;
            Place::InConsumer {
                position: sequence,
                generation: u64::from_be_bytes(generation.try_into().ok()?),
                name: std::str::from_utf8(name).ok()?.into(),
            }
        }
        _ => return None,
    };
    Some(Opened { epoch, place })
}

#[cfg(test)]
mod tests {
    use wellspring_types::{At, CollectionPath};

    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&[7; 32], Epoch(0x9f3c_2a7e))
    }

    fn places() -> Vec<Place> {
        let scope = Scope::of_snapshot(&"rooms".parse::<CollectionPath>().unwrap().into(), None);
        let last_id: Box<str> = "é".into();
        vec![
            Place::Position(Sequence(41)),
            Place::InSnapshot {
                pin: Sequence(7),
                scope,
                last_id: last_id.clone(),
                extent: Extent::Whole,
            },
            Place::InSnapshot {
                pin: Sequence(7),
                scope,
                last_id: last_id.clone(),
                extent: Extent::Differences,
            },
            Place::InQuery {
                pin: Sequence(7),
                scope,
                last_id,
            },
            Place::InHistory {
                before: Sequence(7),
                scope: Scope::of_history(&"rooms/1".parse().unwrap()),
            },
            Place::InCollections {
                pin: Sequence(7),
                scope: Scope::of_collections(None),
                last: "rooms/1/é".into(),
            },
            Place::InConsumer {
                position: Sequence(7),
                generation: 0x0102_0304_0506_0708,
                name: "mailer é".into(),
            },
        ]
    }

    #[test]
    fn what_was_sealed_opens() {
        for place in places() {
            let opened = sealer().open(&sealer().seal(&place)).unwrap();
            assert_eq!(
                opened,
                Opened {
                    epoch: Epoch(0x9f3c_2a7e),
                    place
                }
            );
        }
    }

    #[test]
    fn what_is_sealed_is_never_taken_for_a_sequence_or_a_time() {
        for place in places() {
            let sealed = sealer().seal(&place);
            let at: At = sealed.parse().unwrap();
            assert_eq!(at, At::Token(ResumeToken::new(&sealed)));
        }
    }

    #[test]
    fn no_changed_or_foreign_token_opens() {
        for place in places() {
            let sealed = sealer().seal(&place);
            for at in 0..sealed.len() {
                let mut changed = sealed.clone().into_bytes();
                changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(
                    sealer().open(&changed),
                    Err(TokenError::Forged),
                    "{changed}"
                );
            }
            let other = Sealer::new(&[8; 32], Epoch(0x9f3c_2a7e));
            assert_eq!(other.open(&sealed), Err(TokenError::Forged));
        }
        for text in ["", "A", "AAAAAAAAAAA", "not base64!", "AZ8sKg9"] {
            assert_eq!(sealer().open(text), Err(TokenError::Forged), "{text}");
        }
    }
}
