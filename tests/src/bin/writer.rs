//! A process that commits until it is killed, and prints what was acknowledged, a line each:
//! `wellspring-test-writer DATA_DIR FIRST_NUMBER [LARGE_BYTES]`.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use wellspring_engine::Database;
use wellspring_testkit::workload::{Acknowledged, Entry, options};

const WRITERS: u64 = 8;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let data_dir = PathBuf::from(arguments.next().context("a data directory")?);
    let first: u64 = arguments.next().context("a number")?.parse()?;
    let large_bytes: usize = arguments.next().map_or(Ok(20_000), |bytes| bytes.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let database = Database::open(options(&data_dir), &mut |_| {})?;
    println!("open");
    runtime.block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write(database.clone(), writer, first, large_bytes));
        }
        while let Some(ended) = writers.join_next().await {
            ended??;
        }
        Ok(())
    })
}

async fn write(database: Database, writer: u64, first: u64, large_bytes: usize) -> Result<()> {
    for number in first.. {
        let entry = Entry { number, writer };
        let seq = database.commit(entry.commit(large_bytes)?).await?.seq;
        // One write a line: what was printed before the kill is whole.
        let line = format!("{}\n", Acknowledged { entry, seq });
        std::io::stdout().lock().write_all(line.as_bytes())?;
    }
    Ok(())
}
