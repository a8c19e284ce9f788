//! Reads as of a sequence, a token or a time that may be long past.

use wellspring_types::{CollectionId, Document, DocumentPath, ResumeToken, Sequence, Timestamp};

use super::permit::Permit;
use super::{ReadError, Sources};
use crate::commit::{Commit, DocumentChange};
use crate::token::{Place, Sealer, TokenError};

/// Versions of a document that are followed back one by one, before the log is searched instead:
/// a document that changes often has its first change soon after wherever the search begins.
const VERSIONS_BACK_MAX: usize = 16;

/// The position of a token, which is not before the head of the log.
pub(crate) enum OfToken {
    Position(Sequence),
    /// It belongs to another history of the database.
    OtherHistory,
    /// It proves that history was lost: it is of this epoch, and ahead of everything durable.
    Lost(Sequence),
}

/// What a token stands for, as of which something is to be read.
pub(crate) fn of_token(
    sources: &Sources,
    sealer: &Sealer,
    token: &ResumeToken,
) -> Result<OfToken, TokenError> {
    let opened = sealer.open(token.as_str())?;
    let at = match opened.place {
        // What a snapshot has sent so far is as of its pin.
        Place::Position(at) | Place::InSnapshot { pin: at, .. } => at,
        Place::InConsumer { .. } => return Err(TokenError::OfConsumer),
        Place::InQuery { .. } | Place::InHistory { .. } | Place::InCollections { .. } => {
            return Err(TokenError::WrongKind);
        }
    };
    if opened.epoch != sealer.epoch() {
        return Ok(OfToken::OtherHistory);
    }
    if at > sources.log.head() {
        return Ok(OfToken::Lost(at));
    }
    Ok(OfToken::Position(at))
}

/// The last commit at or before a time. It may not be visible yet.
pub(crate) fn of_time(
    sources: &Sources,
    collection: &str,
    (time, now): (Timestamp, Timestamp),
) -> Result<Sequence, ReadError> {
    if time > now.max(sources.log.last_time()) {
        return Err(ReadError::TimeAhead { time, now });
    }
    let later = Timestamp::from_millis(time.as_millis().saturating_add(1));
    let first_later = sources.log.first_at(later)?;
    // Asked afterwards: what is kept now was kept then.
    if !sources.log.keeps_from(later) {
        return Err(sources.expired(collection));
    }
    Ok(super::before(first_later))
}

/// Whether a collection can be read as of `pin`.
pub(crate) fn check(sources: &Sources, collection: &str, pin: Sequence) -> Result<(), ReadError> {
    let visible = sources.visible.sequence();
    if pin > visible {
        return Err(ReadError::Ahead { at: pin, visible });
    }
    if pin < sources.floor(collection) {
        return Err(sources.expired(collection));
    }
    Ok(())
}

/// The document as of `pin`, from what it is now and what was changed since.
pub(crate) fn document_at(
    sources: &Sources,
    path: &DocumentPath,
    pin: Sequence,
    permit: &Permit,
) -> Result<Option<Document>, ReadError> {
    let mut known = super::get(sources, path)?;
    let Some(collection) = sources.collections.id(path.collection_str()) else {
        return Ok(None);
    };
    // As of this, `known` is the document: whatever was read was visible by now, and where it has
    // changed since, that is among what is searched.
    let mut through = sources.visible.sequence();
    for _ in 0..VERSIONS_BACK_MAX {
        let version = match &known {
            Some(document) if document.version > pin => document.version,
            Some(_) => return Ok(known),
            None => break,
        };
        permit.check()?;
        let Some((_, change)) = change_at(sources, collection, path, version)? else {
            break;
        };
        known = document_before(&change);
        through = super::before(version);
    }
    if known.as_ref().is_some_and(|known| known.version <= pin) {
        return Ok(known);
    }
    for commit in sources.commits(pin, through, Some(collection)) {
        permit.check()?;
        let commit = commit?;
        if let Some(change) = commit.changes.iter().find(|change| change.path == *path) {
            return Ok(document_before(change));
        }
    }
    Ok(known)
}

/// The change of a document that one commit made.
pub(super) fn change_at(
    sources: &Sources,
    collection: CollectionId,
    path: &DocumentPath,
    seq: Sequence,
) -> Result<Option<(Commit, DocumentChange)>, ReadError> {
    let commit = sources
        .commits(super::before(seq), seq, Some(collection))
        .next();
    Ok(commit
        .transpose()?
        .and_then(|commit| change_of(commit, path)))
}

/// A commit's change of a document, beside the rest of the commit.
pub(super) fn change_of(
    mut commit: Commit,
    path: &DocumentPath,
) -> Option<(Commit, DocumentChange)> {
    let place = commit
        .changes
        .iter()
        .position(|change| change.path == *path)?;
    let change = commit.changes.swap_remove(place);
    Some((commit, change))
}

/// The document that a change found.
pub(crate) fn document_before(change: &DocumentChange) -> Option<Document> {
    change.before.as_ref().map(|image| Document {
        path: change.path.clone(),
        version: image.version,
        created_at: change.created_at,
        updated_at: image.updated_at,
        data: image.data.clone(),
    })
}
