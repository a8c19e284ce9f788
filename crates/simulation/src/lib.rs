//! Wellspring's engine, simulated: the writer, the log and its recovery, the overlay, the apply
//! worker, the ring, the hub, subscriptions, exact reads and the keeper, all of them as they run
//! in production, over a disk, a clock and a scheduler that a seed decides about.
//!
//! | module | what it does |
//! | --- | --- |
//! | `disk` | files in memory, and what a kill, a power cut or a failing operation makes of them |
//! | `stores` | stores in memory, of which a power cut leaves nothing that may be trusted |
//! | `turns` | who goes on next, also in the middle of an operation of another |
//! | `world` | random numbers, time, what fails, when it crashes |
//! | `plan` | what a seed decides beforehand |
//! | `clients` | writers, readers and followers, who record what they see |
//! | `run` | the lives of one database, and its end |
//! | `judge` | the checker of histories, over the whole log |
//!
//! All of it runs on the thread that calls [`run`], or [`run_with`] for a database with bugs; the same seed gives the same history, byte for
//! byte. `docs/testing.md` says how to run many, and how to follow one.

mod clients;
mod counts;
mod disk;
mod judge;
mod plan;
mod run;
mod stores;
mod turns;
mod world;

pub use counts::Counts;
pub use run::{Outcome, run, run_with};
pub use world::Trace;
