//! `A` and `P`: what clients ask of consumers.

use serde::{Deserialize, Serialize};

use super::Outcome;

/// `A`: an acknowledgement of a token, over whatever connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckRecord {
    /// The subscription that was sent the token.
    pub sub: Box<str>,
    /// The event whose token it was.
    pub at_idx: u64,
    /// When it was sent.
    pub t_inv: u64,
    /// When the answer came; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_ret: Option<u64>,
    /// What became of it.
    pub outcome: Outcome,
    /// The position that it was answered with; there if, and only if, it is `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// `P`: a consumer's position as a list of the consumers has it: everything up to there is
/// acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositionRecord {
    /// The consumer.
    pub consumer: Box<str>,
    /// When it was asked.
    pub t_inv: u64,
    /// When the answer came.
    pub t_ret: u64,
    /// The position.
    pub seq: u64,
}
