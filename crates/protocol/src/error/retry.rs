//! What follows from an error.

use std::fmt;
use std::str::FromStr;

use super::UnknownName;

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same request would fail again.
    Never,
    /// The same, at once.
    Now,
    /// The same, after `after_ms` or with growing, random delays.
    Backoff,
    /// With a new access token.
    Reauth,
    /// From a snapshot.
    Resync,
}

impl Retry {
    /// Every value.
    pub const ALL: [Retry; 5] = [
        Retry::Never,
        Retry::Now,
        Retry::Backoff,
        Retry::Reauth,
        Retry::Resync,
    ];

    /// The value as it is written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Retry::Never => "never",
            Retry::Now => "now",
            Retry::Backoff => "backoff",
            Retry::Reauth => "reauth",
            Retry::Resync => "resync",
        }
    }
}

impl FromStr for Retry {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Retry, UnknownName> {
        Retry::ALL
            .into_iter()
            .find(|retry| retry.as_str() == text)
            .ok_or(UnknownName)
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
