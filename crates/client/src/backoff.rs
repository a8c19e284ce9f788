//! Waiting times between attempts: exponential, with jitter.

use std::time::Duration;

/// How long to wait between attempts to reach a server that is away or busy: the n-th wait is a
/// random time between half of `first · 2ⁿ` and all of it, and never longer than `longest`. The
/// jitter keeps a thousand clients from coming back in the same millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffPolicy {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait of all.
    pub longest: Duration,
}

impl Default for BackoffPolicy {
    /// From 100 ms to 10 s.
    fn default() -> Self {
        BackoffPolicy {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
        }
    }
}

/// A run of failed attempts.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    policy: BackoffPolicy,
    attempts: u32,
}

impl Backoff {
    pub(crate) fn new(policy: BackoffPolicy) -> Backoff {
        Backoff {
            policy,
            attempts: 0,
        }
    }

    /// An attempt succeeded: the next wait is a first one again.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next wait, at least as long as the server asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        // Without randomness from the system the wait is the longest of its range: slower, but
        // still right.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        self.next_with(random).max(asked.unwrap_or_default())
    }

    fn next_with(&mut self, random: u32) -> Duration {
        let doubled = self
            .policy
            .first
            .saturating_mul(1_u32 << self.attempts.min(30));
        let longest = doubled.min(self.policy.longest);
        self.attempts = self.attempts.saturating_add(1);
        longest / 2 + (longest / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> BackoffPolicy {
        BackoffPolicy {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(1),
        }
    }

    #[test]
    fn doubles_up_to_the_longest_and_starts_again_after_a_success() {
        let mut backoff = Backoff::new(policy());
        let mut wait = || backoff.next_with(u32::MAX).as_millis();
        assert_eq!(
            [wait(), wait(), wait(), wait(), wait(), wait()],
            [100, 200, 400, 800, 1000, 1000]
        );
        backoff.reset();
        assert_eq!(backoff.next_with(u32::MAX).as_millis(), 100);
    }

    #[test]
    fn jitter_takes_at_most_half_away() {
        assert_eq!(Backoff::new(policy()).next_with(0).as_millis(), 50);
        assert_eq!(
            Backoff::new(policy()).next_with(u32::MAX / 2).as_millis(),
            75
        );
    }

    #[test]
    fn never_wraps_however_many_attempts_failed() {
        let mut backoff = Backoff::new(policy());
        for _ in 0..100 {
            assert!(backoff.next_with(u32::MAX) <= policy().longest);
        }
    }

    #[test]
    fn waits_at_least_as_long_as_the_server_asked() {
        let asked = Duration::from_secs(60);
        assert_eq!(Backoff::new(policy()).next(Some(asked)), asked);
    }
}
