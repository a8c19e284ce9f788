//! `wellspring export --all`: a whole database, of a server or at rest.

use std::path::{Path, PathBuf};

use wellspring_client::Client;
use wellspring_engine::{Database, Options};
use wellspring_types::json::write_string;
use wellspring_types::listing::{CollectionsPage, CollectionsQuery};
use wellspring_types::query::{Page, Query};
use wellspring_types::{At, CollectionPath, Document, Sequence};

use super::pages::{whole, whole_listing};
use super::sink::Sink;
use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::{documents, tell};

/// Documents between two lines that tell how far it has come.
const TELL_EVERY: u64 = 100_000;

/// Writes every document that a server has.
pub(super) async fn served(target: &Target, file: PathBuf, at: Option<At>) -> Result<(), Failure> {
    let source = Source::Server(connect(target).await?);
    let exported = write(&source, file, at).await;
    if let Source::Server(client) = source {
        client.close().await;
    }
    exported?.tell();
    Ok(())
}

/// Writes every document of a database that nobody has open.
pub(super) async fn at_rest(data_dir: &Path, file: PathBuf, at: Option<At>) -> Result<(), Failure> {
    if !data_dir.join("META").exists() {
        let data_dir = data_dir.to_owned();
        return Err(Failure::NoDatabase { data_dir });
    }
    let mut options = Options::new(data_dir);
    // What is there is read, and nothing else is begun.
    options.snapshot_log_bytes_min = u64::MAX;
    let database = Database::open(options, &mut |_progress| {})?;
    let exported = write(&Source::AtRest(database.clone()), file, at).await;
    let closed = database.close().await;
    let exported = exported?;
    closed?;
    exported.tell();
    Ok(())
}

/// Where the documents are.
enum Source {
    Server(Client),
    AtRest(Database),
}

impl Source {
    async fn collections(&self, query: CollectionsQuery) -> Result<CollectionsPage, Failure> {
        Ok(match self {
            Source::Server(client) => client.collections(query).await?,
            Source::AtRest(database) => database.collections(&query)?,
        })
    }

    async fn page(&self, query: Query) -> Result<Page, Failure> {
        Ok(match self {
            Source::Server(client) => client.query(query).await?,
            Source::AtRest(database) => database.query(query).await?,
        })
    }
}

/// What has been written.
#[derive(Default)]
struct Exported {
    documents: u64,
    /// Those in which there was a document.
    collections: u64,
    seq: Sequence,
}

impl Exported {
    fn tell(&self) {
        let collections = match self.collections {
            1 => "1 collection".to_owned(),
            count => format!("{count} collections"),
        };
        tell(format_args!(
            "exported {} of {collections} as of {}",
            documents(self.documents),
            self.seq
        ));
    }
}

/// Writes every document of every collection as of one sequence, whatever is committed meanwhile.
async fn write(source: &Source, file: PathBuf, at: Option<At>) -> Result<Exported, Failure> {
    let mut listing = whole_listing(None);
    let mut listed = source.collections(listing.clone()).await?;
    let mut sink = Sink::open(Some(file))?;
    let mut exported = Exported {
        seq: listed.seq,
        ..Exported::default()
    };
    // No collection of the listing's sequence, or of an earlier one, is missing from its pages.
    let mut at = at.unwrap_or(At::Sequence(listed.seq));
    loop {
        for collection in listed.collections {
            let written = exported.documents;
            let done = write_collection(source, &mut sink, collection, &at, &mut exported).await;
            done.map_err(|error| stopped(error, exported.documents))?;
            // A time may stand for a later sequence when it is asked for again.
            at = At::Sequence(exported.seq);
            exported.collections += u64::from(exported.documents > written);
        }
        listing.cursor = listed.cursor;
        if listing.cursor.is_none() {
            break;
        }
        let next = source.collections(listing.clone()).await;
        listed = next.map_err(|error| stopped(error, exported.documents))?;
    }
    sink.finish()?;
    Ok(exported)
}

async fn write_collection(
    source: &Source,
    sink: &mut Sink,
    collection: CollectionPath,
    at: &At,
    exported: &mut Exported,
) -> Result<(), Failure> {
    let mut query = Query {
        at: Some(at.clone()),
        ..whole(collection, None, None)
    };
    loop {
        let page = source.page(query.clone()).await?;
        exported.seq = page.seq;
        for document in &page.documents {
            sink.line(&line(document))?;
            exported.documents += 1;
            if exported.documents.is_multiple_of(TELL_EVERY) {
                let (written, collection) = (documents(exported.documents), &query.collection);
                tell(format_args!("{written}, in {collection}"));
            }
        }
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            return Ok(());
        }
    }
}

/// A server's refusal in the middle leaves a file as it was.
fn stopped(error: Failure, written: u64) -> Failure {
    match error {
        Failure::Request(source) => Failure::ExportStopped {
            written: documents(written),
            source,
        },
        error => error,
    }
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
