//! `wellspring export`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use wellspring_protocol::json::reply::document_body;
use wellspring_types::query::Query;
use wellspring_types::{At, CollectionPath, Filter};

use super::pages::{Pages, whole};
use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::{Output, documents, tell};

/// Read a whole collection, as of one moment.
#[derive(Debug, Args)]
#[command(after_help = "\
Writes one document a line, with its envelope (path, version, times, data). `wellspring import`
recognises it. All pages are exact as of one sequence, whatever is written meanwhile.")]
pub(crate) struct Export {
    /// The collection, such as `rooms`.
    collection: CollectionPath,
    /// The file to write, replaced when it exists; without it, or for `-`: standard output.
    file: Option<PathBuf>,
    /// Only documents that match this filter, such as `{"open":true}`.
    #[arg(long = "where", value_name = "JSON", value_parser = Filter::parse)]
    filter: Option<Filter>,
    /// As of a sequence, a time like 2026-11-24T09:00:00Z, or a token.
    #[arg(long, value_name = "WHEN")]
    at: Option<At>,
}

impl Export {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let mut sink = match self.file {
            Some(path) if path.as_os_str() != "-" => Sink::create(path)?,
            _ => Sink::Output(Output::new()),
        };
        let client = connect(target).await?;
        let query = Query {
            at: self.at,
            ..whole(self.collection.clone(), self.filter, None)
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
            "exported {} of {} as of {seq}",
            documents(written),
            self.collection
        ));
        Ok(())
    }
}

/// Where the lines go.
enum Sink {
    Output(Output),
    File {
        path: PathBuf,
        file: BufWriter<File>,
    },
}

impl Sink {
    fn create(path: PathBuf) -> Result<Sink, Failure> {
        match File::create(&path) {
            Ok(file) => Ok(Sink::File {
                path,
                file: BufWriter::new(file),
            }),
            Err(source) => Err(Failure::Write { path, source }),
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        match self {
            Sink::Output(output) => output.line(line),
            Sink::File { path, file } => {
                writeln!(file, "{line}").map_err(|source| Failure::Write {
                    path: path.clone(),
                    source,
                })
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Sink::Output(mut output) => output.flush(),
            Sink::File { path, mut file } => file
                .flush()
                .and_then(|()| file.get_ref().sync_all())
                .map_err(|source| Failure::Write { path, source }),
        }
    }
}
