//! `wellspring delete`

use clap::Args;
use wellspring_types::write::{CommitRequest, Precondition, Write};
use wellspring_types::{DocumentPath, Sequence};

use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::Output;

/// Remove a document.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The document, such as `rooms/42`.
    path: DocumentPath,
    /// Only if the document is at this version.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
}

impl Delete {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let client = connect(target).await?;
        let mut write = Write::delete(self.path.clone());
        if let Some(version) = self.if_version {
            write = write.only_if(Precondition::Version(Sequence(version)));
        }
        let result = client.commit(CommitRequest::of(vec![write])).await?;
        client.close().await;
        Output::only_line(format_args!("{} was deleted at {}", self.path, result.seq))
    }
}
