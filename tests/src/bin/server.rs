//! The server that the kill tests kill: `wellspring-test-server DATA_DIR RETENTION_BYTES`, with
//! everything small. 0 bytes: nothing is dropped.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use wellspring_tests::server::{busy_keeper, serve, small};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let data_dir = PathBuf::from(arguments.next().context("a data directory")?);
    let retention_bytes: u64 = arguments.next().context("a number of bytes")?.parse()?;
    let retention_bytes_max = Some(retention_bytes).filter(|&bytes| bytes > 0);
    serve(data_dir, |options| {
        small(options);
        busy_keeper(options, retention_bytes_max);
    })
}
