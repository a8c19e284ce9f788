//! The log through its public surface, on real files.
//!
//! `cfg(test)` says nothing new to the compiler; clippy takes helpers for tests by it.

#[cfg(test)]
mod appending;
#[cfg(test)]
mod backup_damage;
#[cfg(test)]
mod backups;
#[cfg(test)]
mod collections;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod format;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod model;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod support;
#[cfg(test)]
mod times;
#[cfg(test)]
mod trimming;
#[cfg(test)]
mod verify;
