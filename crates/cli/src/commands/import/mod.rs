//! `wellspring import`
//!
//! The input is read twice: first to check every row, so that nothing is written when one of them
//! is wrong, then to write.

mod array;
mod error;
mod format;
mod identity;
mod lines;
mod plan;
mod progress;
mod source;
mod table;

use std::path::PathBuf;

use clap::Args;
use futures_util::{StreamExt, stream};
use wellspring_types::limits::COMMIT_WRITES_MAX;
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{CollectionPath, FieldPath};

pub(crate) use self::error::ImportError;
use self::format::Format;
use self::plan::{Plan, Prepared};
use self::progress::Progress;
use self::source::Source;
use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::tell;

/// Commits that are under way at once.
const COMMITS_IN_FLIGHT: usize = 8;
/// Bytes of documents in one commit, one large document apart.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Write documents from a JSON array, NDJSON or CSV.
#[derive(Debug, Args)]
#[command(after_help = "\
Documents are created or replaced. With --id FIELD a row's id is the text or number of that
field; where rows have the same id the last wins. Without it ids are generated, except for
lines of `wellspring export`, which keep theirs.

With --all each line is an object with path and data; other members of an export's lines are allowed,
and not looked at. Every document of it is created or replaced, and none is removed.

All rows are checked before the first is written. Numbers keep every digit. A cell of a CSV
file is text, unless it is exactly a JSON number, true, false or null; the first record names
the fields.")]
pub(crate) struct Import {
    /// The collection, such as `rooms`.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    collection: Option<CollectionPath>,
    /// The file; `-`: standard input, which is then held in memory.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    file: Option<PathBuf>,
    /// Lines of `wellspring export --all`, or of an export of collections, each into the path that
    /// it names; from this file, or from standard input without it.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "-",
        conflicts_with = "id"
    )]
    all: Option<PathBuf>,
    /// The field that is each row's id, such as `code` or `address.zip`.
    #[arg(long, value_name = "FIELD")]
    id: Option<FieldPath>,
    /// Documents in one commit.
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = parse_batch)]
    batch: usize,
    /// What the input is; found out from its name and first character unless told.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
}

fn parse_batch(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(batch) if (1..=COMMIT_WRITES_MAX).contains(&batch) => Ok(batch),
        _ => Err(format!("a number from 1 to {COMMIT_WRITES_MAX} is wanted")),
    }
}

impl Import {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        // The command line asks for one or the other.
        let Some(file) = self.all.or(self.file) else {
            return Ok(());
        };
        let source = Source::new(&file)?;
        let format = match self.format {
            Some(format) => format,
            None => Format::find(&file, &source)?,
        };
        let plan = Plan::check(source, format, self.collection, self.id.as_ref())?;
        let client = connect(target).await?;
        let mut progress = Progress::new(plan.documents());
        let batches = Batches {
            prepared: plan.prepare()?,
            size: self.batch,
            held: None,
        };
        let mut commits = stream::iter(batches)
            .map(|batch| async {
                let writes = batch?;
                let documents = u64::try_from(writes.len()).unwrap_or(u64::MAX);
                client.commit(CommitRequest::of(writes)).await?;
                Ok::<u64, Failure>(documents)
            })
            .buffer_unordered(COMMITS_IN_FLIGHT);
        while let Some(committed) = commits.next().await {
            match committed {
                Ok(documents) => progress.advance(documents),
                Err(Failure::Request(source)) => {
                    let written = progress.stop();
                    return Err(Failure::ImportStopped {
                        into: plan.destination(),
                        written,
                        source,
                    });
                }
                Err(other) => return Err(other),
            }
        }
        drop(commits);
        client.close().await;
        tell(progress.finish(&plan.destination(), plan.repeats()));
        Ok(())
    }
}

/// Documents in groups that go into one commit each.
struct Batches<I> {
    prepared: I,
    size: usize,
    /// The first of the next group.
    held: Option<Prepared>,
}

impl<I: Iterator<Item = Result<Prepared, ImportError>>> Iterator for Batches<I> {
    type Item = Result<Vec<Write>, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut writes = Vec::with_capacity(self.size);
        let mut bytes = 0;
        while writes.len() < self.size {
            let prepared = match self.held.take().map(Ok).or_else(|| self.prepared.next()) {
                Some(Ok(prepared)) => prepared,
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            };
            bytes += prepared.data.as_bytes().len();
            if bytes > BATCH_BYTES_MAX && !writes.is_empty() {
                self.held = Some(prepared);
                break;
            }
            writes.push(Write::set(prepared.path, prepared.data));
        }
        (!writes.is_empty()).then_some(Ok(writes))
    }
}
