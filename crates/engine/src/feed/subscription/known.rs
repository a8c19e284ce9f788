//! What a subscriber says that it holds, and whether it can be used.

use wellspring_types::feed::{From, Known, SubscribeRequest};
use wellspring_types::{ResumeToken, Sequence, limits};

use super::FeedSources;
use crate::feed::SubscribeError;
use crate::token::{Place, TokenError};

/// What a subscriber says that it holds.
#[derive(Debug, Default)]
pub(super) enum Said {
    /// Nothing, or it is of no use any more.
    #[default]
    Nothing,
    /// Versions of another history of the database: one that is equal may be another document.
    OfAnotherHistory,
    /// Versions of this one.
    Known(Box<Known>),
}

impl Said {
    /// What can be used, once.
    pub(super) fn take(&mut self) -> Option<Known> {
        match std::mem::take(self) {
            Said::Known(known) => Some(*known),
            Said::Nothing | Said::OfAnotherHistory => None,
        }
    }

    pub(super) fn is_known(&self) -> bool {
        matches!(self, Said::Known(_))
    }
}

/// Takes what is known out of a request.
pub(super) fn take(
    sources: &FeedSources,
    request: &mut SubscribeRequest,
) -> Result<Said, SubscribeError> {
    let Some(known) = request.known.take() else {
        return Ok(Said::Nothing);
    };
    if request.collections.only().is_none() {
        return Err(SubscribeError::KnownOfSeveral);
    }
    let ids = known.versions.keys().map(|id| id.len());
    if known.versions.len() > limits::KNOWN_DOCUMENTS_MAX
        || ids.sum::<usize>() > limits::KNOWN_BYTES_MAX
    {
        return Err(SubscribeError::TooMuchKnown);
    }
    let of_request = match &request.from {
        From::Now | From::Beginning => return Err(SubscribeError::KnownUnused),
        From::Token(token) => Some(token),
        From::Snapshot | From::Time(_) => None,
    };
    let token = known.token.as_ref().or(of_request);
    let token = token.ok_or(SubscribeError::KnownWithoutToken)?;
    if is_of_this_history(sources, token)? {
        Ok(Said::Known(Box::new(known)))
    } else {
        Ok(Said::OfAnotherHistory)
    }
}

fn is_of_this_history(sources: &FeedSources, token: &ResumeToken) -> Result<bool, SubscribeError> {
    let opened = sources.sealer.open(token.as_str())?;
    let at: Sequence = match opened.place {
        Place::Position(at) | Place::InSnapshot { pin: at, .. } => at,
        Place::InConsumer { .. } => return Err(TokenError::OfConsumer.into()),
        Place::InQuery { .. } | Place::InHistory { .. } | Place::InCollections { .. } => {
            return Err(TokenError::WrongKind.into());
        }
    };
    if opened.epoch != sources.sealer.epoch() {
        return Ok(false);
    }
    let is_lost = at > sources.read.log.head();
    if is_lost {
        (sources.lost_future)(at);
    }
    Ok(!is_lost)
}
