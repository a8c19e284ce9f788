//! Makes a golden data directory by the engine as it is now, never over one that is there:
//! `cargo run -p wellspring-tests --bin wellspring-test-golden -- NUMBER`.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use anyhow::{Context as _, Result};
use wellspring_tests::golden;

fn main() -> Result<()> {
    let number = std::env::args().nth(1).context("the number of a format")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let made = runtime.block_on(golden::make(number.parse()?))?;
    println!("{}", made.display());
    Ok(())
}
