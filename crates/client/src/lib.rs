//! Wellspring's Rust client: commits, reads, and a change feed that resumes by itself.
