//! `wellspring get`

use clap::Args;
use wellspring_protocol::json::reply::document_body;
use wellspring_types::{At, DocumentPath};

use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::Output;

/// Read a document.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The document, such as `rooms/42`.
    path: DocumentPath,
    /// Print the envelope too: path, version and times.
    #[arg(long)]
    envelope: bool,
    /// As of a sequence, a time like 2026-11-24T09:00:00Z, or a token.
    #[arg(long, value_name = "WHEN")]
    at: Option<At>,
}

impl Get {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let client = connect(target).await?;
        let path = self.path.clone();
        let found = match self.at {
            None => client.get(path).await?,
            Some(at) => client.get_at(path, at).await?,
        };
        client.close().await;
        let Some(document) = found else {
            return Err(Failure::NotFound { path: self.path });
        };
        if self.envelope {
            Output::only_line(document_body(&document))
        } else {
            Output::only_line(document.data.as_str())
        }
    }
}
