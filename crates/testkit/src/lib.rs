//! What Wellspring's tests share: random numbers that a seed reproduces, and a workload whose
//! halves can be told from wholes, with everything that must be true of it afterwards.

pub mod random;
pub mod workload;
