//! How much of the log is kept.

use wellspring_log::SegmentSpan;
use wellspring_types::{Sequence, Timestamp};

/// What may be dropped. It is told by what the log holds, never by a clock, so that a database at
/// rest keeps what it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    /// Commits older than this, against the newest one, are dropped.
    pub(super) age_ms_max: Option<u64>,
    /// The oldest commits are dropped while the full segments are longer than this.
    pub(super) bytes_max: Option<u64>,
}

impl Retention {
    /// The last commit of the last segment that is to go; none after `most`. `segments` are the
    /// full ones, ascending, `last_time` is that of the newest commit.
    pub(super) fn floor(
        &self,
        segments: impl Iterator<Item = SegmentSpan> + Clone,
        last_time: Timestamp,
        most: Sequence,
    ) -> Option<Sequence> {
        let mut bytes: u64 = segments.clone().map(|span| span.bytes).sum();
        let mut floor = None;
        for span in segments.take_while(|span| span.last <= most) {
            let age_ms = last_time
                .as_millis()
                .saturating_sub(span.last_time.as_millis());
            let too_old = self.age_ms_max.is_some_and(|most| age_ms > most);
            let too_much = self.bytes_max.is_some_and(|most| bytes > most);
            if !too_old && !too_much {
                break;
            }
            bytes -= span.bytes;
            floor = Some(span.last);
        }
        floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments() -> impl Iterator<Item = SegmentSpan> + Clone {
        (0..5).map(|n| SegmentSpan {
            first: Sequence(n * 10 + 1),
            last: Sequence(n * 10 + 10),
            last_time: Timestamp::from_millis(n * 100),
            bytes: 1_000,
        })
    }

    fn floor(age_ms_max: Option<u64>, bytes_max: Option<u64>, most: u64) -> Option<u64> {
        let retention = Retention {
            age_ms_max,
            bytes_max,
        };
        let last_time = Timestamp::from_millis(450);
        let floor = retention.floor(segments(), last_time, Sequence(most));
        floor.map(|floor| floor.0)
    }

    #[test]
    fn without_bounds_everything_is_kept() {
        assert_eq!(floor(None, None, 99), None);
    }

    #[test]
    fn what_is_older_than_the_age_goes_and_what_is_just_as_old_stays() {
        assert_eq!(floor(Some(450), None, 99), None);
        assert_eq!(floor(Some(449), None, 99), Some(10));
        assert_eq!(floor(Some(250), None, 99), Some(20));
        assert_eq!(floor(Some(0), None, 99), Some(50));
    }

    #[test]
    fn the_oldest_go_until_the_rest_is_short_enough() {
        assert_eq!(floor(None, Some(5_000), 99), None);
        assert_eq!(floor(None, Some(4_999), 99), Some(10));
        assert_eq!(floor(None, Some(2_500), 99), Some(30));
        assert_eq!(floor(None, Some(0), 99), Some(50));
    }

    #[test]
    fn either_bound_is_enough_and_neither_passes_what_may_go() {
        assert_eq!(floor(Some(250), Some(4_999), 99), Some(20));
        assert_eq!(floor(Some(449), Some(2_500), 99), Some(30));
        assert_eq!(floor(Some(0), Some(0), 29), Some(20));
        assert_eq!(floor(Some(0), Some(0), 9), None);
    }
}
