//! `wellspring export --all`: a whole database at rest.

use std::path::{Path, PathBuf};

use wellspring_engine::{Database, Options};
use wellspring_types::json::write_string;
use wellspring_types::query::Query;
use wellspring_types::{At, Document};

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
    let (count, collections) = written?;
    closed?;
    tell(format_args!(
        "exported {} of {collections} collections as of {}",
        documents(count),
        database.visible()
    ));
    Ok(())
}

async fn write(
    database: &Database,
    file: PathBuf,
    at: Option<At>,
) -> Result<(u64, usize), Failure> {
    let at = at.unwrap_or(At::Sequence(database.visible()));
    let collections = database.collections();
    let mut sink = Sink::open(Some(file))?;
    let mut written = 0;
    for collection in &collections {
        let mut query = Some(Query {
            at: Some(at.clone()),
            ..whole(collection.clone(), None, None)
        });
        while let Some(asked) = query.take() {
            let page = database.query(asked.clone()).await?;
            for document in &page.documents {
                sink.line(&line(document))?;
                written += 1;
                if written % TELL_EVERY == 0 {
                    tell(format_args!("{}, in {collection}", documents(written)));
                }
            }
            query = page.cursor.map(|cursor| Query {
                cursor: Some(cursor),
                ..asked
            });
        }
    }
    sink.finish()?;
    Ok((written, collections.len()))
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
