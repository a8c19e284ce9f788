//! Full disks, under the server as it is shipped: `wellspring-test-full-disk WELLSPRING [FILLINGS]`.
//!
//! The data directory is a small tmpfs. Under 8 writers and 16 subscribers its free space, or its
//! free inodes, are taken away, down to an amount that is drawn anew each time, so that the disk is
//! full at another place; reads, snapshots and the whole log are read then, now and then the server is
//! started on the full disk, and the space comes back. In every third database a reserve is kept, and
//! the disk must never be really full. The history of what everybody was told keeps every promise.
//!
//! Needs root, to mount.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its output is what it is for"
)]

mod disk;
mod life;
mod sites;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use life::{Life, Reserve};
use sites::Sites;

const FILLINGS_A_DATABASE: u64 = 5;

/// What happened, over all databases.
#[derive(Debug, Default)]
struct Figures {
    fillings: u64,
    /// Why no commits were taken.
    reasons: BTreeMap<String, u64>,
    sites: Sites,
    opened_while_full: u64,
    not_opened_while_full: u64,
    mended_by_a_restart: u64,
    /// Documents read while the disk was full, and how often that was `unavailable`.
    read: u64,
    read_unavailable: u64,
    acknowledged: u64,
    refused: u64,
    unknown: u64,
    changes: u64,
    sessions: u64,
    reads: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let program = PathBuf::from(arguments.next().context("the program `wellspring`")?);
    let fillings: u64 = arguments.next().map_or(Ok(60), |count| count.parse())?;
    let mut figures = Figures::default();
    for number in 0..fillings.div_ceil(FILLINGS_A_DATABASE) {
        let reserve = match number % 3 {
            2 => Reserve::Kept,
            _ => Reserve::None,
        };
        let mut life = Life::new(number, &program, reserve)?;
        let hit = life.live(FILLINGS_A_DATABASE, &mut figures).await;
        // What there is stays, for whoever looks into it.
        let hit = hit.unwrap_or_else(|error| panic!("database {number}: {error:?}"));
        let is_right = reserve == Reserve::None || hit.is_empty();
        ensure!(
            is_right,
            "the disk was full in spite of the reserve: {hit:?}"
        );
        for (site, count) in hit {
            *figures.sites.entry(site).or_default() += count;
        }
        println!("{figures:?}");
    }
    println!("{figures:#?}");
    Ok(())
}
