//! Histograms that the writer can afford: fixed buckets, one relaxed addition each.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts observations by size. Shared by who observes and who looks.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above them all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// How many observations there were of which size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The buckets: the largest observation that belongs into each, and how many did. Not
    /// cumulative.
    pub buckets: Vec<(u64, u64)>,
    /// How many observations were above every bucket.
    pub above: u64,
    /// All observations added up.
    pub sum: u64,
}

impl Histogram {
    /// `bounds` are the largest observations of the buckets, ascending.
    pub(crate) fn new(bounds: &'static [u64]) -> Histogram {
        debug_assert!(bounds.is_sorted(), "ascending: {bounds:?}");
        Histogram {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    pub(crate) fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn distribution(&self) -> Distribution {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let bounded = self.bounds.iter().copied();
        Distribution {
            buckets: bounded.zip(self.counts.iter().map(count)).collect(),
            above: self.counts.last().map_or(0, count),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Distribution {
    /// How many observations there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum::<u64>() + self.above
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_belongs_into_the_first_bucket_that_is_not_smaller() {
        let histogram = Histogram::new(&[1, 10]);
        for value in [0, 1, 2, 10, 11] {
            histogram.observe(value);
        }
        let distribution = histogram.distribution();
        assert_eq!(distribution.buckets, [(1, 2), (10, 2)]);
        assert_eq!((distribution.above, distribution.sum), (1, 24));
        assert_eq!(distribution.count(), 5);
    }
}
