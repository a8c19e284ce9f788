//! The exact value of a number's text, without expanding its exponent.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

use crate::limits::NUMBER_BYTES_MAX;

/// Integers of up to so many places are written plainly, as in ECMAScript.
const PLAIN_PLACES: i64 = 21;

/// A decimal in its one canonical form: d.ddd × 10^exponent, where the first and the last digit
/// are not 0. Zero has no digits, no sign and the exponent 0. The digits are those of a number's
/// text, from before and after its point, so that nothing is copied.
#[derive(Clone, Copy)]
pub(super) struct Decimal<'a> {
    is_negative: bool,
    before_point: &'a [u8],
    after_point: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// The value of the text of a [`super::Number`].
    pub(super) fn of(text: &'a str) -> Decimal<'a> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            // A number other than 0 is in a double's range, so its exponent fits; that of 0 is
            // of no importance.
            Some((mantissa, exponent)) => (mantissa, exponent.parse().unwrap_or_default()),
            None => (text, 0),
        };
        Decimal::of_parts(mantissa, exponent)
    }

    /// The value of an integer's digits × 10^exponent.
    pub(super) fn of_integer(digits: &'a str, exponent: i64) -> Decimal<'a> {
        Decimal::of_parts(digits, exponent)
    }

    fn of_parts(mantissa: &'a str, exponent: i64) -> Decimal<'a> {
        let (is_negative, digits) = match mantissa.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, mantissa),
        };
        let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
        let mut before_point = before.trim_start_matches('0');
        let mut after_point = after.trim_end_matches('0');
        let mut exponent = exponent
            .saturating_add(places(before_point))
            .saturating_sub(1);
        if before_point.is_empty() {
            let significant = after_point.trim_start_matches('0');
            exponent = exponent.saturating_sub(places(after_point) - places(significant));
            after_point = significant;
        }
        if after_point.is_empty() {
            before_point = before_point.trim_end_matches('0');
        }
        if before_point.is_empty() && after_point.is_empty() {
            return Decimal {
                is_negative: false,
                before_point: b"",
                after_point: b"",
                exponent: 0,
            };
        }
        let (before_point, after_point) = (before_point.as_bytes(), after_point.as_bytes());
        Decimal {
            is_negative,
            before_point,
            after_point,
            exponent,
        }
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.before_point.iter().chain(self.after_point).copied()
    }

    fn digit_count(&self) -> usize {
        self.before_point.len() + self.after_point.len()
    }

    fn digits_text(&self) -> String {
        self.digits().map(char::from).collect()
    }

    fn places(&self) -> i64 {
        i64::try_from(self.digit_count()).unwrap_or(i64::MAX)
    }

    /// The power of ten of the last digit.
    fn last_exponent(&self) -> i64 {
        self.exponent.saturating_sub(self.places() - 1)
    }

    fn is_zero(&self) -> bool {
        self.digit_count() == 0
    }

    pub(super) fn to_u64(self) -> Option<u64> {
        if self.is_zero() {
            return Some(0);
        }
        let zeros = u32::try_from(self.last_exponent()).ok()?;
        if self.is_negative {
            return None;
        }
        let digits: u64 = self.digits_text().parse().ok()?;
        digits.checked_mul(10_u64.checked_pow(zeros)?)
    }

    pub(super) fn to_big(self) -> BigDecimal {
        let digits: String = self.digits_text();
        let integer: BigInt = digits.parse().unwrap_or_default();
        let integer = if self.is_negative { -integer } else { integer };
        BigDecimal::new(integer, -self.last_exponent())
    }

    fn cmp_magnitude(&self, other: &Decimal<'_>) -> Ordering {
        // Zero's exponent says nothing.
        let by_zero = other.is_zero().cmp(&self.is_zero());
        by_zero
            .then(self.exponent.cmp(&other.exponent))
            .then_with(|| self.digits().cmp(other.digits()))
    }

    pub(super) fn cmp(&self, other: &Decimal<'_>) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
            (is_negative, _) if is_negative => Ordering::Less,
            _ => Ordering::Greater,
        }
    }

    fn plain(&self) -> String {
        let digits = self.digits_text();
        let place = |count: i64| usize::try_from(count).unwrap_or_default();
        if self.exponent < 0 {
            return format!("0.{}{digits}", "0".repeat(place(-self.exponent - 1)));
        }
        let before = place(self.exponent) + 1;
        match digits.split_at_checked(before) {
            Some((digits, "")) => digits.to_owned(),
            Some((before, after)) => format!("{before}.{after}"),
            None => format!("{digits}{}", "0".repeat(before - digits.len())),
        }
    }

    /// `1.25e40`.
    fn pointed(&self) -> String {
        let digits = self.digits_text();
        match digits.split_at_checked(1) {
            Some((first, rest)) if !rest.is_empty() => format!("{first}.{rest}e{}", self.exponent),
            _ => format!("{digits}e{}", self.exponent),
        }
    }

    /// `125e38`.
    fn pointless(&self) -> String {
        format!("{}e{}", self.digits_text(), self.last_exponent())
    }
}

fn places(digits: &str) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

impl Hash for Decimal<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.is_negative, self.exponent).hash(state);
        self.digits().for_each(|digit| state.write_u8(digit));
        state.write_u8(0);
    }
}

/// The canonical text: the first of `125`, `1.25e2` and `125e0` that fits into a number, but plain
/// only where that adds few zeros. One of them is no longer than any other spelling.
impl fmt::Display for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let sign = if self.is_negative { "-" } else { "" };
        let fits = |text: &String| sign.len() + text.len() <= NUMBER_BYTES_MAX;
        let plain_exponents = -7..self.places().max(PLAIN_PLACES);
        let plain = plain_exponents
            .contains(&self.exponent)
            .then(|| self.plain());
        let text = plain
            .filter(fits)
            .or_else(|| Some(self.pointed()).filter(fits));
        write!(f, "{sign}{}", text.unwrap_or_else(|| self.pointless()))
    }
}
