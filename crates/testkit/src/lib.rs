//! What Wellspring's tests share: random numbers that a seed reproduces; a file system that fails; a workload whose halves
//! can be told from wholes, with everything that must be true of it afterwards; and the recorder
//! and the checker of histories, behind the command `wellspring-check`.

pub mod failing;
pub mod history;
pub mod random;
pub mod workload;
