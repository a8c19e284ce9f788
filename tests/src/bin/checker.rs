//! Opens a database of the writer's and checks everything that must be true of it:
//! `wellspring-test-checker DATA_DIR <ACKNOWLEDGED`, with the lines that the writer printed.
//! `--crash` ends without closing the database.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use wellspring_engine::Database;
use wellspring_testkit::workload::{Acknowledged, check, options};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let data_dir = PathBuf::from(arguments.next().context("a data directory")?);
    let crash = arguments.next().as_deref() == Some("--crash");
    let lines = std::io::stdin().lines();
    let acknowledged: Vec<Acknowledged> = lines.map(|line| line?.parse()).collect::<Result<_>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let database = Database::open(options(&data_dir), &mut |_| {})?;
    runtime.block_on(async {
        let found = check(&database, &acknowledged).await?;
        println!("{} acknowledged, head {}", acknowledged.len(), found.head);
        if crash {
            std::process::exit(0);
        }
        Ok(database.close().await?)
    })
}
