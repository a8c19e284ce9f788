//! Benchmarks of Wellspring; `docs/benchmarks.md` has the figures and their commands.
