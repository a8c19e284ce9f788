//! How fast passes go while commits come.

use std::time::{Duration, Instant};

use wellspring_types::Sequence;

/// At most so many times as long as they worked do passes rest.
const RESTS_MAX: u128 = 9;
/// Commits a second with which they rest so long; with fewer in proportion, as a database that is
/// hardly written to need not be spared.
const COMMITS_PER_SECOND: u128 = 2_000;

/// What a turn of a pass has gained on the writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gain {
    /// Commits that the pass has come on.
    pub(super) read: u64,
    /// Commits that became visible since its turn before.
    pub(super) came: u64,
    /// Whether it has come to the end of what is visible.
    pub(super) is_level: bool,
}

/// Decides how long a worker that drives passes rests.
///
/// Reading is work for a processor that writers want too, and what a pass finds is work for all
/// who are woken by it. So a pass rests behind each chunk, the longer the more commits come, up to
/// nine times as long as it worked; but not if it would not come on at least twice as fast as the
/// commits do.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the turn before ended, and what was visible then.
    before: Option<(Instant, Sequence)>,
}

impl Pace {
    /// How long to rest behind a turn that took `worked` and ends now.
    pub(super) fn rest(
        &mut self,
        worked: Duration,
        (now, visible): (Instant, Sequence),
        gain: Gain,
    ) -> Duration {
        let Some((then, seen)) = self.before.replace((now, visible)) else {
            return Duration::ZERO;
        };
        let gains = gain.is_level || gain.read >= gain.came.saturating_mul(2);
        if !gains {
            return Duration::ZERO;
        }
        let came = u128::from(visible.0.saturating_sub(seen.0));
        let elapsed = now.saturating_duration_since(then).as_nanos().max(1);
        let full = elapsed * COMMITS_PER_SECOND / 1_000_000_000;
        let rest = worked.as_nanos() * RESTS_MAX * came.min(full) / full.max(1);
        Duration::from_nanos(u64::try_from(rest).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKED: Duration = Duration::from_millis(2);

    /// Behind a turn in which, with the rest before it, a tenth of a second has passed.
    fn rest_after(came: u64, gain: Gain) -> Duration {
        let mut pace = Pace::default();
        let then = Instant::now();
        let first = pace.rest(WORKED, (then, Sequence(100)), gain);
        assert_eq!(first, Duration::ZERO, "nothing to compare with");
        let now = then + Duration::from_millis(100);
        pace.rest(WORKED, (now, Sequence(100 + came)), gain)
    }

    const GAINS: Gain = Gain {
        read: 10_000,
        came: 5_000,
        is_level: false,
    };

    #[test]
    fn the_more_commits_come_the_longer_it_rests() {
        assert_eq!(rest_after(0, GAINS), Duration::ZERO);
        assert_eq!(rest_after(20, GAINS), 9 * WORKED / 10);
        assert_eq!(rest_after(100, GAINS), 9 * WORKED / 2);
        assert_eq!(rest_after(200, GAINS), 9 * WORKED);
        assert_eq!(rest_after(1 << 40, GAINS), 9 * WORKED);
    }

    #[test]
    fn it_does_not_rest_while_the_writers_are_nearly_as_fast() {
        let too_slow = Gain {
            came: 5_001,
            ..GAINS
        };
        assert_eq!(rest_after(200, too_slow), Duration::ZERO);
        let level = Gain {
            is_level: true,
            ..too_slow
        };
        assert_eq!(rest_after(200, level), 9 * WORKED);
    }
}
