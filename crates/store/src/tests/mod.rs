//! Tests of the stores through what they promise, alike for each; what only sled's has stands
//! beside it.

mod conformance;
mod damage;
mod disk;
mod model;

pub(crate) mod history;
