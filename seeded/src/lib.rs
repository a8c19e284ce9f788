//! Ten bugs of the kinds that a database like this has had, put into the engine one at a time, and
//! found by the history checker in histories of the simulation.
//!
//! The checker finds what is broken by hand in files, and is silent about an engine that works; this
//! shows that between the two nothing is lost: what the engine does wrong is seen by some client,
//! what is seen is recorded, and what is recorded is judged. `docs/testing.md` has the table.

mod bugs;
mod hunt;

pub use bugs::{BUGS, Bug, SEEDS_MAX};
pub use hunt::{Find, Hunt, hunt};
