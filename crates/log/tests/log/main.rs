//! The log through its public surface, on real files.

mod appending;
mod collections;
mod damage;
mod format;
mod hostile;
mod model;
mod recovery;
mod support;
mod times;
