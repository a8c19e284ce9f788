//! How long a database takes to open after its process was killed: with the store that it left,
//! and with a store that has to be built, from the newest snapshot and the log, and from the log
//! alone. Argument: GB of log, 0.1 by default.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use wellspring_benches::{document, per_second};
use wellspring_engine::{Database, OpenProgress, Options};
use wellspring_types::write::{CommitRequest, Write};

const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");
const WRITERS: u64 = 256;
/// Writes of one commit.
const WRITES: u64 = 10;
/// Bytes of log for each document, so that most writes replace one.
const LOG_BYTES_A_DOCUMENT: u64 = 2_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [what, directory, bytes] if what == "fill" => fill(directory.as_ref(), bytes.parse()?),
        [what, directory] if what == "open" => open(directory.as_ref()),
        _ => {
            let size_gb = arguments.iter().find_map(|text| text.parse().ok());
            run(size_gb.unwrap_or(0.1))
        }
    }
}

fn run(size_gb: f64) -> Result<()> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size that somebody typed"
    )]
    let bytes = (size_gb * 1e9) as u64;
    let directory = tempfile::tempdir_in(DIRECTORY)?;
    let data = directory.path().join("data");
    let began = Instant::now();
    let mut filling = Command::new(std::env::current_exe()?)
        .arg("fill")
        .arg(&data)
        .arg(bytes.to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    for line in BufReader::new(filling.stdout.take().context("piped")?).lines() {
        println!("{}, {:.0} s", line?, began.elapsed().as_secs_f64());
    }
    filling.wait()?;
    show(&data)?;
    println!("| opening | s | RSS at most, MB | commits applied |\n| --- | --- | --- | --- |");
    for _ in 0..3 {
        measure("killed", &data)?;
    }
    fs::remove_dir_all(data.join("store"))?;
    measure("store deleted", &data)?;
    fs::remove_dir_all(data.join("snapshots"))?;
    fs::remove_dir_all(data.join("store"))?;
    measure("store and snapshots deleted", &data)?;
    show(&data)
}

fn show(data: &Path) -> Result<()> {
    for part in ["log", "snapshots", "store"] {
        println!(
            "{part}: {} MB",
            directory_bytes(&data.join(part))? / 1_000_000
        );
    }
    Ok(())
}

fn measure(name: &str, data: &Path) -> Result<()> {
    let opened = Command::new(std::env::current_exe()?)
        .arg("open")
        .arg(data)
        .stderr(Stdio::inherit())
        .output()?;
    println!("| {name} | {} |", String::from_utf8(opened.stdout)?.trim());
    Ok(())
}

fn options(data: &Path) -> Options {
    let mut options = Options::new(data);
    options.reserve_bytes = 0;
    options
}

/// Commits until the log has so many bytes, and some more, and ends in the middle of it.
fn fill(data: &Path, bytes: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let database = Database::open(options(data), &mut |_| {})?;
    let next = Arc::new(AtomicU64::new(0));
    let documents = bytes / LOG_BYTES_A_DOCUMENT;
    runtime.block_on(async {
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            writers.spawn(write(database.clone(), Arc::clone(&next), documents));
        }
        let mut told = 0;
        loop {
            tokio::select! {
                ended = writers.join_next() => ended.context("writers")??.context("a writer")?,
                () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {}
            }
            let written = directory_bytes(&data.join("log"))?;
            if written / (bytes / 10).max(1) > told {
                told = written / (bytes / 10).max(1);
                println!("{} MB of log, {} documents", written / 1_000_000, documents);
            }
            if written >= bytes {
                std::io::stdout().flush()?;
                // As by a kill: nothing is closed.
                rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::KILL,
                )?;
            }
        }
    })
}

async fn write(database: Database, next: Arc<AtomicU64>, documents: u64) -> Result<()> {
    loop {
        let first = next.fetch_add(WRITES, Ordering::Relaxed);
        let writes = (first..first + WRITES).map(|n| {
            let path = format!("docs/{}", n % documents.max(WRITES));
            Ok(Write::set(path.parse()?, document(n)?))
        });
        database
            .commit(CommitRequest::of(writes.collect::<Result<_>>()?))
            .await?;
    }
}

/// Opens the database, and ends as by a kill.
fn open(data: &Path) -> Result<()> {
    let _runtime = tokio::runtime::Runtime::new()?;
    let began = Instant::now();
    let mut first = None;
    let mut last = 0;
    let database = Database::open(options(data), &mut |progress| {
        if let OpenProgress::Applying { applied, .. } = progress {
            first.get_or_insert(applied.0);
            last = applied.0;
        }
    })?;
    let took = began.elapsed();
    let head = database.visible().0;
    let applied = first.map_or(0, |first| head.saturating_sub(first));
    let rate = per_second(applied, took);
    let resident = resident_mb()?;
    println!(
        "{:.2} | {resident} | {applied} of {head}, {rate:.0}/s, told through {last}",
        took.as_secs_f64()
    );
    std::io::stdout().flush()?;
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
    Ok(())
}

/// The most memory that this process has had.
fn resident_mb() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.context("VmHWM")?.parse::<u64>()? / 1024)
}

fn directory_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(0); // There is none yet.
    };
    for entry in entries {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            directory_bytes(&entry.path())?
        } else {
            // Gone since: it was dropped, or got its name.
            entry.metadata().map_or(0, |metadata| metadata.len())
        };
    }
    Ok(bytes)
}
