//! Wellspring's engine: an embeddable database of JSON documents whose log is its change feed.
//!
//! ```
//! use wellspring_engine::{Database, Options};
//! use wellspring_types::Data;
//! use wellspring_types::feed::{FeedMessage, From, SubscribeRequest};
//! use wellspring_types::write::{CommitRequest, Write};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! # let data_dir = directory.path().join("data");
//! let database = Database::open(Options::new(data_dir), &mut |_progress| {})?;
//! runtime.block_on(async {
//!     let rooms = "rooms".parse()?;
//!     let mut changes = database.subscribe(SubscribeRequest::new(rooms, From::Now))?;
//!
//!     let write = Write::set("rooms/42".parse()?, Data::parse(br#"{"topic": "tea"}"#)?);
//!     let committed = database.commit(CommitRequest::of(vec![write])).await?;
//!
//!     let subscribed = changes.next().await?;
//!     assert!(matches!(subscribed, FeedMessage::Subscribed { .. }));
//!     let FeedMessage::Changes { commits, .. } = changes.next().await? else { panic!() };
//!     assert_eq!(commits[0].seq, committed.seq);
//!     database.close().await?;
//!     Ok(())
//! })
//! # }
//! ```
//!
//! A commit is durable before it is visible, and visible before it is acknowledged; see the
//! project's `docs/architecture.md` for the way of one write through these modules:
//!
//! | module | what it does |
//! | --- | --- |
//! | [`backup`] | backups, and databases made from them |
//! | `executor` | who does the work: a thread for each worker, or a simulation in turns |
//! | `floors` | which changes are no longer offered: documents, moved by commits |
//! | `keeper` | its worker makes snapshots of the log, has floors moved, and drops what is below them |
//! | `open` | META, the lock, recovery, rebuilding the store from the log |
//! | `pipeline` | the writer's thread: check, append, sync, make visible, acknowledge |
//! | `visible` | the overlay: what is visible and not yet in the store |
//! | `apply` | the apply thread: from the overlay into the store |
//! | `read` | get, exact reads as of one sequence, queries and their pages |
//! | `feed` | the hub that matches commits to subscriptions; subscriptions |
//! | `consumers` | subscriptions with a name, whose position the database keeps and whose documents are shared out |
//! | `seeded` | bugs that tests put in, and no build of the product has |
//! | `statistics` | what is counted, and which subscriptions there are |
//! | [`verify`] | checking a data directory or a backup, every byte, without changing any |
//! | `token` | resume tokens and page cursors |

mod apply;
pub mod backup;
mod collections;
mod commit;
mod consumers;
mod database;
mod executor;
mod feed;
mod floors;
mod health;
mod keeper;
mod open;
mod options;
mod pipeline;
mod read;
mod seeded;
mod statistics;
mod store;
mod token;
pub mod verify;
mod visible;

pub use commit::{CommitError, EffectError};
pub use consumers::{ConsumeError, ConsumerError, ConsumerSubscription};
pub use database::{CloseError, Database};
pub use executor::{Executor, Panicked, Patience, Threads, Turn, Worker, Working};
pub use feed::{FeedPage, PageLimit, SubscribeError, Subscription, SubscriptionError, Told};
pub use floors::{CollectionFloor, FloorError, FloorMove, FloorMoved};
pub use health::{Health, ReadOnlyReason};
pub use keeper::Kept;
pub use open::{MetaError, OpenError, OpenProgress, SledStores, Stamp, Stores};
pub use options::{Clock, CollectionRetention, Options, SystemClock};
pub use read::ReadError;
pub use seeded::{Bugs, SeededBug};
pub use statistics::{
    Distribution, Statistics, Subscriber, SubscriptionState, SubscriptionStatistics,
    SubscriptionTotals,
};
pub use token::TokenError;
