//! Wellspring's log: groups of commits in append-only, checksummed segments.
