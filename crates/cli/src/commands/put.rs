//! `wellspring put`

use clap::Args;
use wellspring_types::write::{CommitRequest, Precondition, Write};
use wellspring_types::{Data, DocumentPath, Sequence};

use super::input::read_stdin;
use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::Output;

/// Create or replace a document.
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The document, such as `rooms/42`.
    path: DocumentPath,
    /// Its data, a JSON object; `-`: standard input.
    #[arg(default_value = "-")]
    data: String,
    #[command(flatten)]
    condition: Condition,
}

/// What must be true of a document before it is written.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
struct Condition {
    /// Only if the document is at this version.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    /// Only if the document exists.
    #[arg(long)]
    if_exists: bool,
    /// Only if there is no such document.
    #[arg(long)]
    if_absent: bool,
}

impl Condition {
    fn apply(&self, write: Write) -> Write {
        match self {
            Condition {
                if_version: Some(version),
                ..
            } => write.only_if(Precondition::Version(Sequence(*version))),
            Condition {
                if_exists: true, ..
            } => write.only_if(Precondition::Exists),
            Condition {
                if_absent: true, ..
            } => write.only_if(Precondition::Absent),
            _ => write,
        }
    }
}

impl Put {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let (what, text) = if self.data == "-" {
            ("standard input", read_stdin()?)
        } else {
            ("the argument", self.data.into_bytes())
        };
        let data = Data::parse(&text).map_err(|source| Failure::Data { what, source })?;
        let write = self.condition.apply(Write::set(self.path.clone(), data));
        let client = connect(target).await?;
        let result = client.commit(CommitRequest::of(vec![write])).await?;
        client.close().await;
        Output::only_line(format_args!("{} is at version {}", self.path, result.seq))
    }
}
