//! `wellspring export`

use std::path::PathBuf;

use clap::Args;
use wellspring_protocol::json::reply::document_body;
use wellspring_types::query::Query;
use wellspring_types::{At, CollectionPath, Filter};

use super::export_all;
use super::pages::{Pages, whole};
use super::sink::Sink;
use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::{documents, tell};

/// Read a whole collection, or a whole database, as of one moment.
#[derive(Debug, Args)]
#[command(after_help = "\
Writes one document a line, with its envelope (path, version, times, data). `wellspring import`
recognises it. All pages are exact as of one sequence, whatever is written meanwhile.

With --all, all collections, nested ones too, as of one sequence: a line has path and data, and no
more. `wellspring import --all` makes the same documents of it, in any database. With --data it reads
a database that no server has open.

Examples:
  wellspring export rooms rooms.ndjson
  wellspring export --all dump.ndjson
  wellspring export --all dump.ndjson --data ./wellspring-data")]
pub(crate) struct Export {
    /// The collection, such as `rooms`.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    collection: Option<CollectionPath>,
    /// The file to write, replaced when it exists; without it, or for `-`: standard output.
    #[arg(conflicts_with = "all")]
    file: Option<PathBuf>,
    /// Every collection, into this file; without it, or for `-`: to standard output.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "-",
        conflicts_with = "filter"
    )]
    all: Option<PathBuf>,
    /// With --all, the directory of a database at rest.
    #[arg(long, value_name = "DIR", requires = "all")]
    data: Option<PathBuf>,
    /// Only documents that match this filter, such as `{"open":true}`.
    #[arg(long = "where", value_name = "JSON", value_parser = Filter::parse)]
    filter: Option<Filter>,
    /// As of a sequence, a time like 2026-11-24T09:00:00Z, or a token.
    #[arg(long, value_name = "WHEN")]
    at: Option<At>,
}

impl Export {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let (file, collection) = match (self.all, self.data, self.collection) {
            (Some(file), Some(data), _) => return export_all::at_rest(&data, file, self.at).await,
            (Some(file), None, _) => return export_all::served(target, file, self.at).await,
            (_, _, Some(collection)) => (self.file, collection),
            // The command line asks for one or the other.
            (_, _, None) => return Ok(()),
        };
        let mut sink = Sink::open(file)?;
        let client = connect(target).await?;
        let query = Query {
            at: self.at,
            ..whole(collection.clone(), self.filter, None)
        };
        let mut pages = Pages::new(&client, query);
        let (mut written, mut seq) = (0_u64, 0);
        while let Some(page) = pages.next().await? {
            for document in &page.documents {
                sink.line(&document_body(document))?;
                written += 1;
            }
            seq = page.seq.0;
        }
        sink.finish()?;
        client.close().await;
        tell(format_args!(
            "exported {} of {collection} as of {seq}",
            documents(written)
        ));
        Ok(())
    }
}
