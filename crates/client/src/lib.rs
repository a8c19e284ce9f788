//! Wellspring's Rust client: commits, reads, and a change feed that resumes by itself.
//!
//! [`Client`] holds one WebSocket, shared by its clones and streams and made again by itself when
//! it is lost. The words of a request, such as [`types::write::CommitRequest`], are those of
//! [`types`].
//!
//! ```no_run
//! use wellspring_client::types::Data;
//! use wellspring_client::{ChangeEvent, Client};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("http://127.0.0.1:7654").await?;
//! let mut changes = client.changes("rooms".parse()?).from_snapshot().subscribe().await?;
//! client.set("rooms/42".parse()?, Data::parse(br#"{"topic":"tea"}"#)?).await?;
//! while let Some(event) = changes.next().await {
//!     match event? {
//!         ChangeEvent::Snapshot(snapshot) => println!("{} rooms", snapshot.documents.len()),
//!         ChangeEvent::Commit(commit) => {
//!             for change in commit.changes {
//!                 println!("{} {:?} {}", commit.seq, change.op, change.path);
//!             }
//!             break;
//!         }
//!         _ => {}
//!     }
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```

mod address;
mod backoff;
mod builder;
mod changes;
mod client;
mod connection;
mod error;
mod wire;

pub use backoff::BackoffPolicy;
pub use builder::ClientBuilder;
pub use changes::{
    ChangeEvent, Changes, ChangesBuilder, Commit, Consumer, ConsumerBuilder, Differences, Snapshot,
};
pub use client::Client;
pub use error::{ChangesError, ConnectError, RequestError};
pub use wellspring_protocol::error::{Code, Retry, WireError};
/// The words of requests and answers.
pub use wellspring_types as types;
