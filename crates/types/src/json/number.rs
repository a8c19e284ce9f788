//! Numbers.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use bigdecimal::BigDecimal;

use super::decimal::Decimal;
use super::{NumberError, clip};
use crate::limits::NUMBER_BYTES_MAX;

/// A JSON number: the text that was written, digit for digit. Equality, hash and order are of its
/// exact decimal value, -0 being 0. It is within the range of a double, so that clients whose
/// numbers are doubles lose digits at worst, never the magnitude.
#[derive(Clone)]
pub struct Number(Box<str>);

impl Number {
    /// Checks a text that [`scan`] took whole.
    pub(super) fn check_scanned(text: &str) -> Result<(), NumberError> {
        if text.len() > NUMBER_BYTES_MAX {
            return Err(NumberError::TooLong { bytes: text.len() });
        }
        // A text this short leaves a double's range only by an exponent.
        let exponent = text.bytes().any(|byte| byte == b'e' || byte == b'E');
        if exponent && !is_in_range(text) {
            return Err(NumberError::OutOfRange {
                number: text.into(),
            });
        }
        Ok(())
    }

    /// A text that [`Number::check_scanned`] found right.
    pub(super) fn from_checked(text: &str) -> Number {
        Number(text.into())
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, if it is an integer within a `u64`, however it is written (`1e3`, `5.0`).
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        Decimal::of(&self.0).to_u64()
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        // Rust's grammar of floats includes JSON's, so this is never the default.
        self.0.parse().unwrap_or_default()
    }

    /// The exact sum, in canonical form: without insignificant zeros.
    ///
    /// # Errors
    /// If its text is longer than [`NUMBER_BYTES_MAX`], or it is beyond the range of a double.
    pub fn add(&self, other: &Number) -> Result<Number, NumberError> {
        // Both exponents are within a double's, so that aligning them costs a few hundred digits.
        let sum: BigDecimal = Decimal::of(&self.0).to_big() + Decimal::of(&other.0).to_big();
        let (digits, scale) = sum.into_bigint_and_scale();
        Decimal::of_integer(&digits.to_string(), -scale)
            .to_string()
            .parse()
    }

    /// Appends the one text that all equal numbers share. It is a number's text itself.
    pub(super) fn write_canonical(&self, out: &mut String) {
        out.push_str(&Decimal::of(&self.0).to_string());
    }
}

/// Whether a double comes near: neither infinite, nor 0 for another number.
fn is_in_range(text: &str) -> bool {
    let nearest: f64 = text.parse().unwrap_or(f64::INFINITY);
    let is_zero = |text: &str| {
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
    };
    nearest.is_finite() && (nearest != 0.0 || is_zero(text))
}

/// The length of the JSON number that `text` begins with, or the offset where a digit is missing.
pub(super) fn scan(text: &[u8]) -> Result<usize, usize> {
    let at = |offset: usize| text.get(offset).copied();
    let digits = |start: usize| {
        let count = text[start..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            Err(start)
        } else {
            Ok(start + count)
        }
    };
    let mut end = usize::from(at(0) == Some(b'-'));
    // No other digit follows a leading 0.
    end = if at(end) == Some(b'0') {
        end + 1
    } else {
        digits(end)?
    };
    if at(end) == Some(b'.') {
        end = digits(end + 1)?;
    }
    if let Some(b'e' | b'E') = at(end) {
        let sign = matches!(at(end + 1), Some(b'+' | b'-'));
        end = digits(end + 1 + usize::from(sign))?;
    }
    Ok(end)
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Number, NumberError> {
        if scan(text.as_bytes()) != Ok(text.len()) {
            return Err(NumberError::Syntax { text: clip(text) });
        }
        Number::check_scanned(text)?;
        Ok(Number::from_checked(text))
    }
}

impl TryFrom<&str> for Number {
    type Error = NumberError;

    fn try_from(text: &str) -> Result<Number, NumberError> {
        text.parse()
    }
}

impl TryFrom<f64> for Number {
    type Error = NumberError;

    /// The shortest text that gives the same double again.
    fn try_from(value: f64) -> Result<Number, NumberError> {
        let magnitude = value.abs();
        if value == 0.0 || (1e-7..1e21).contains(&magnitude) {
            value.to_string().parse()
        } else {
            format!("{value:e}").parse()
        }
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number(itoa::Buffer::new().format(value).into())
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        Number(itoa::Buffer::new().format(value).into())
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        if self.0 == other.0 {
            return Ordering::Equal;
        }
        Decimal::of(&self.0).cmp(&Decimal::of(&other.0))
    }
}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Decimal::of(&self.0).hash(state);
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
