//! Wellspring's store: current documents, derived from the log and disposable.
