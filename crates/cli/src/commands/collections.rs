//! `wellspring collections`

use clap::Args;
use wellspring_types::DocumentPath;

use super::pages::whole_listing;
use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::Output;

/// List the collections.
#[derive(Debug, Args)]
#[command(after_help = "\
One path a line, in the order of their bytes: every collection that was ever written to, nested ones
too, whether or not a document is left in it.

Examples:
  wellspring collections
  wellspring collections --below rooms/42")]
pub(crate) struct Collections {
    /// Only those below this document, such as `rooms/42`, at any depth.
    #[arg(long, value_name = "DOCUMENT")]
    below: Option<DocumentPath>,
}

impl Collections {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let client = connect(target).await?;
        let mut output = Output::new();
        let mut query = whole_listing(self.below);
        loop {
            let page = client.collections(query.clone()).await?;
            for collection in &page.collections {
                output.line(collection)?;
            }
            query.cursor = page.cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        output.flush()?;
        client.close().await;
        Ok(())
    }
}
