//! Points in time, in milliseconds, as the wire writes them (RFC 3339, UTC).

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;

/// Milliseconds since 1970-01-01T00:00:00Z. Shown as RFC 3339 in UTC with three decimals:
/// `2026-11-24T09:00:00.000Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Why a text or number is not a [`Timestamp`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time between 1970 and 9999 in RFC 3339, like 2026-11-24T09:00:00.000Z")]
pub struct TimestampError;

impl Timestamp {
    /// 9999-12-31T23:59:59.999Z, the last time that RFC 3339 can write.
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999);

    /// From milliseconds since 1970; later than [`Timestamp::MAX`] becomes that.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Timestamp(millis.min(Self::MAX.0))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// Appends what is shown, without the machinery of a formatter: it runs for every commit on a
    /// feed.
    pub fn push_to(self, out: &mut String) {
        let text = self.text();
        // Digits and punctuation.
        out.push_str(std::str::from_utf8(&text).unwrap_or_default());
    }

    fn text(self) -> [u8; 24] {
        let (seconds, millis) = (self.0 / 1000, self.0 % 1000);
        let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute) = (second_of_day / 3600, second_of_day / 60 % 60);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        write_digits(&mut text[..4], year);
        write_digits(&mut text[5..7], month);
        write_digits(&mut text[8..10], day);
        write_digits(&mut text[11..13], hour);
        write_digits(&mut text[14..16], minute);
        write_digits(&mut text[17..19], second_of_day % 60);
        write_digits(&mut text[20..23], millis);
        text
    }
}

/// Fills `place` with the last decimal digits of `value`.
fn write_digits(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// Year, month and day of the proleptic Gregorian calendar for a count of days since 1970-01-01.
/// From Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2021), `civil_from_days`.
/// Written out because it runs for every commit on a feed, where a calendar library's formatter
/// cost more than the rest of the commit's envelope.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days since 0000-03-01
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

impl std::str::FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        since_1970(text)
            .filter(|time| *time <= Self::MAX)
            .ok_or(TimestampError)
    }
}

/// Through the parts of the text rather than an instant of the library, whose last one is some
/// hours before the last that RFC 3339 can write.
fn since_1970(text: &str) -> Option<Timestamp> {
    let pieces = Pieces::parse(text).ok()?;
    if pieces.time_zone_annotation().is_some() {
        return None;
    }
    let local = pieces.date().to_datetime(pieces.time()?);
    let offset = SignedDuration::from_secs(pieces.to_numeric_offset()?.seconds().into());
    let since = local.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)) - offset;
    if since.is_negative() {
        return None;
    }
    u64::try_from(since.as_millis()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_it_parses() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2000-02-29T23:59:59.999Z",
            "2026-11-24T09:00:00.000Z",
            "2100-03-01T00:00:00.001Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn agrees_with_a_calendar_library_on_every_day_for_400_years() {
        for day in 0..146_097_u64 {
            let millis = day * 86_400_000;
            let theirs = jiff::Timestamp::from_millisecond(i64::try_from(millis).unwrap()).unwrap();
            let ours = Timestamp::from_millis(millis).to_string();
            assert_eq!(ours[..19], theirs.to_string()[..19]);
        }
    }

    #[test]
    fn refuses_what_is_no_time_or_out_of_range() {
        for text in [
            "",
            "yesterday",
            "2026-11-24",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
            "2026-11-24T09:00:00",
            "2026-11-24T09:00:00Z[UTC]",
            "1969-12-31T23:59:59.9999Z",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn takes_another_offset_and_drops_what_is_finer_than_a_millisecond() {
        let shown = "2026-11-24T10:00:00.123999+01:00"
            .parse::<Timestamp>()
            .unwrap()
            .to_string();
        assert_eq!(shown, "2026-11-24T09:00:00.123Z");
    }
}
