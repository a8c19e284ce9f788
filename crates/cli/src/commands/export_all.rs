//! `wellspring export --all`: a whole database at rest.

use std::path::{Path, PathBuf};

use wellspring_engine::{Database, Options};
use wellspring_types::json::write_string;
use wellspring_types::query::Query;
use wellspring_types::{At, Document, Sequence};

use super::export::Sink;
use super::pages::whole;
use crate::failure::Failure;
use crate::output::{documents, tell};

/// Documents between two lines that tell how far it has come.
const TELL_EVERY: u64 = 100_000;

/// Writes every document of the database, as of one sequence: nobody commits meanwhile, as the
/// directory is locked, and every page is asked for as of the same.
pub(super) async fn run(data_dir: &Path, file: PathBuf, at: Option<At>) -> Result<(), Failure> {
    if !data_dir.join("META").exists() {
        let data_dir = data_dir.to_owned();
        return Err(Failure::NoDatabase { data_dir });
    }
    let mut options = Options::new(data_dir);
    // What is there is read, and nothing else is begun.
    options.snapshot_log_bytes_min = u64::MAX;
    let database = Database::open(options, &mut |_progress| {})?;
    let written = write(&database, file, at).await;
    let closed = database.close().await;
    let Written {
        documents: count,
        collections,
        seq,
    } = written?;
    closed?;
    let collections = match collections {
        1 => "1 collection".to_owned(),
        count => format!("{count} collections"),
    };
    tell(format_args!(
        "exported {} of {collections} as of {seq}",
        documents(count)
    ));
    Ok(())
}

/// What was written.
struct Written {
    documents: u64,
    /// Those that have a document in it.
    collections: u64,
    /// As of which sequence.
    seq: Sequence,
}

async fn write(database: &Database, file: PathBuf, at: Option<At>) -> Result<Written, Failure> {
    let visible = database.visible();
    let at = at.unwrap_or(At::Sequence(visible));
    let mut sink = Sink::open(Some(file))?;
    let mut written = Written {
        documents: 0,
        collections: 0,
        seq: visible,
    };
    for collection in database.collections() {
        let before = written.documents;
        let mut query = Some(Query {
            at: Some(at.clone()),
            ..whole(collection.clone(), None, None)
        });
        while let Some(asked) = query.take() {
            let page = database.query(asked.clone()).await?;
            written.seq = page.seq;
            for document in &page.documents {
                sink.line(&line(document))?;
                written.documents += 1;
                if written.documents.is_multiple_of(TELL_EVERY) {
                    tell(format_args!(
                        "{}, in {collection}",
                        documents(written.documents)
                    ));
                }
            }
            query = page.cursor.map(|cursor| Query {
                cursor: Some(cursor),
                ..asked
            });
        }
        written.collections += u64::from(written.documents > before);
    }
    sink.finish()?;
    Ok(written)
}

/// Path and data: what is the same in every database that has the document.
fn line(document: &Document) -> String {
    let mut line = String::from("{\"path\":");
    write_string(&mut line, document.path.as_str());
    line.push_str(",\"data\":");
    line.push_str(document.data.as_str());
    line.push('}');
    line
}
