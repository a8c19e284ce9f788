//! Wellspring's store: current documents, derived from the log and disposable.

mod digest;
mod error;
mod memory;
mod model;
mod sled_store;
mod store;
#[cfg(test)]
mod tests;

pub use digest::Digest;
pub use error::{Damage, Key, StoreError};
pub use memory::MemoryStore;
pub use model::{
    Applied, Batch, RememberedMutation, ScanLimit, ScanPage, Scanned, Scrub, StoreChange,
    StoredDocument,
};
pub use sled_store::{Options, SledStore};
pub use store::Store;
