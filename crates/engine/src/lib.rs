//! Wellspring's engine: an embeddable document database whose log is its change feed.
