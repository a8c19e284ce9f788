//! How fast passes go while commits come.

use std::time::{Duration, Instant};

use wellspring_types::Sequence;

/// At most so many times as long as they worked do passes rest.
const RESTS_MAX: u128 = 9;
/// The longest rest: who takes a seat meanwhile waits for its end.
const REST_MAX: Duration = Duration::from_millis(100);
/// Commits a second with which they rest so long; with fewer in proportion, as a database that is
/// hardly written to need not be spared.
const COMMITS_PER_SECOND: u128 = 2_000;
/// At least so many times as fast as commits come do passes come on, if they can.
const GAIN: u128 = 3;

/// What a turn of a pass came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// So many commits on.
    On(u64),
    /// To the end of what is visible.
    ToTheEnd,
}

/// Decides how long a worker that drives passes rests.
///
/// Reading is work for a processor that writers want too, and what a pass finds is work for all
/// who are woken by it. So a pass rests behind each chunk, the longer the more commits come, up to
/// nine times as long as it worked; but no longer than that it comes on three times as fast as the
/// commits do: it is to be level soon.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the turn before ended, and what was visible then.
    before: Option<(Instant, Sequence)>,
    /// Commits that were read and that came in the last turns, those of long ago counted less: who
    /// rests is woken later than it wished.
    read: u128,
    came: u128,
}

impl Pace {
    /// How long to rest behind a turn that took `worked` and ends now.
    pub(super) fn rest(
        &mut self,
        worked: Duration,
        (now, visible): (Instant, Sequence),
        came: Came,
    ) -> Duration {
        let Some((then, seen)) = self.before.replace((now, visible)) else {
            return Duration::ZERO;
        };
        let commits = u128::from(visible.0.saturating_sub(seen.0));
        let elapsed = now.saturating_duration_since(then).as_nanos().max(1);
        let full = (elapsed * COMMITS_PER_SECOND / 1_000_000_000).max(1);
        let wished = worked.as_nanos() * RESTS_MAX * commits.min(full) / full;
        self.came = self.came - self.came / 16 + commits;
        let read = match came {
            Came::ToTheEnd => {
                // Nothing is to be gained.
                (self.read, self.came) = (0, 0);
                return bounded(wished);
            }
            Came::On(read) => u128::from(read),
        };
        self.read = self.read - self.read / 16 + read;
        if self.read < GAIN * self.came {
            return Duration::ZERO;
        }
        // In this time a third as many commits come as were read.
        let most = read * elapsed / (GAIN * commits).max(1);
        bounded(wished.min(most.saturating_sub(worked.as_nanos())))
    }
}

/// So many nanoseconds, within reason.
fn bounded(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX)).min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKED: Duration = Duration::from_millis(2);

    /// Behind a turn in which, with the rest before it, a tenth of a second has passed.
    fn rest_after(commits: u64, came: Came) -> Duration {
        let mut pace = Pace::default();
        let then = Instant::now();
        let first = pace.rest(WORKED, (then, Sequence(100)), came);
        assert_eq!(first, Duration::ZERO, "nothing to compare with");
        let now = then + Duration::from_millis(100);
        pace.rest(WORKED, (now, Sequence(100 + commits)), came)
    }

    #[test]
    fn the_more_commits_come_the_longer_it_rests() {
        for came in [Came::ToTheEnd, Came::On(1 << 20)] {
            assert_eq!(rest_after(0, came), Duration::ZERO);
            assert_eq!(rest_after(20, came), 9 * WORKED / 10);
            assert_eq!(rest_after(100, came), 9 * WORKED / 2);
            assert_eq!(rest_after(200, came), 9 * WORKED);
            assert_eq!(rest_after(2_000, came), 9 * WORKED);
        }
        assert_eq!(rest_after(1 << 40, Came::ToTheEnd), 9 * WORKED);
    }

    #[test]
    fn it_comes_on_three_times_as_fast_as_the_commits_do() {
        // 20,000 come in a second, and a third of 6,000 in a tenth.
        let rest = rest_after(2_000, Came::On(6_000));
        assert_eq!(rest, 9 * WORKED);
        assert_eq!(rest_after(2_000, Came::On(5_999)), Duration::ZERO);
        assert_eq!(rest_after(2_000, Came::On(80)), Duration::ZERO);
        assert_eq!(rest_after(2_000, Came::On(10)), Duration::ZERO);
    }
}
