//! Histories: what clients saw, written down as JSON lines, and the checker that compares it with
//! what the database promises.
//!
//! Clients write down their commits, their reads and whatever a feed sends them ([`recorder`]);
//! after the last restart a separate reader dumps the log and the state ([`recorder::dump`]). The
//! [checker](check()) reads the files ([`History::read`]) and names every promise that was not
//! kept, with the records that show it. [`record`] is the format; `docs/testing.md` describes it.

mod check;
mod hash;
mod load;
mod model;
pub mod record;
pub mod recorder;
mod verdict;

pub use check::check;
pub use hash::{DocumentHash, DocumentHashError};
pub use load::{Fault, InputError};
pub use model::{History, Place};
pub use verdict::{Report, Rule, Summary, Verdict};
