//! When a read is to be as of.

use std::fmt;
use std::str::FromStr;

use crate::{ResumeToken, Sequence, Timestamp, TimestampError};

/// As of when documents are read: after all commits up to here, and before the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// As of this commit. [`Sequence::ZERO`]: before the first.
    Sequence(Sequence),
    /// As of what a resume token stands for.
    Token(ResumeToken),
    /// As of the last commit at or before this time.
    Time(Timestamp),
}

/// Why a text does not say as of when to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AtError {
    /// It is empty.
    #[error("a sequence, a time like 2026-11-24T09:00:00Z or a token is expected")]
    Empty,
    /// It has digits alone, and too many.
    #[error("{0:?} is larger than any sequence")]
    Sequence(Box<str>),
    /// It begins with a digit, and is neither a sequence nor a time.
    #[error("neither a sequence nor a time: {0}")]
    Time(#[from] TimestampError),
}

impl FromStr for At {
    type Err = AtError;

    /// What can be told apart is: sequences and times begin with a digit, tokens with a letter.
    fn from_str(text: &str) -> Result<At, AtError> {
        if text.is_empty() {
            return Err(AtError::Empty);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let sequence = text.parse().map_err(|_too_large| {
                // What is repeated of a request is short.
                AtError::Sequence(text.chars().take(40).collect())
            })?;
            return Ok(At::Sequence(Sequence(sequence)));
        }
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(At::Time(text.parse()?));
        }
        Ok(At::Token(ResumeToken::new(text)))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Sequence(sequence) => sequence.fmt(f),
            At::Token(token) => token.fmt(f),
            At::Time(time) => time.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_told_by_its_text_and_shows_what_it_parses() {
        let time = "2026-11-24T09:00:00.000Z";
        let forms = [
            ("0", At::Sequence(Sequence(0))),
            ("18446744073709551615", At::Sequence(Sequence(u64::MAX))),
            (time, At::Time(time.parse().unwrap())),
            ("AZ8sWgA", At::Token(ResumeToken::new("AZ8sWgA"))),
        ];
        for (text, at) in forms {
            assert_eq!(text.parse(), Ok(at.clone()));
            assert_eq!(at.to_string(), text);
        }
    }

    #[test]
    fn what_begins_like_a_number_is_not_taken_for_a_token() {
        for text in ["", "18446744073709551616", "41a", "2026-11-24", "1e3"] {
            assert!(text.parse::<At>().is_err(), "{text}");
        }
    }
}
