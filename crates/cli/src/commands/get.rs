//! `wellspring get`

use clap::Args;
use wellspring_protocol::json::reply::document_body;
use wellspring_types::DocumentPath;

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
}

impl Get {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let client = connect(target).await?;
        let found = client.get(self.path.clone()).await?;
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
