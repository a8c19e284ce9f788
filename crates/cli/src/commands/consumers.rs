//! `wellspring consumers` and `wellspring delete-consumer`

use clap::Args;
use wellspring_types::Sequence;
use wellspring_types::consumer::{ConsumerName, ConsumerState, ConsumersQuery};
use wellspring_types::limits::PAGE_DOCUMENTS_MAX;

use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::{Output, tell};

/// List the consumers: subscriptions with a name, whose position the server keeps.
#[derive(Debug, Args)]
#[command(after_help = "\
One a line: its name, whose changes it is sent, through which sequence everything is acknowledged and how
far that is behind, how many take part now and how many commits they have not acknowledged.

Examples:
  wellspring consumers
  wellspring tail orders --consumer mailer --from beginning   # makes one
  wellspring delete-consumer mailer")]
pub(crate) struct Consumers {}

/// Delete a consumer, with its position. Those who take part in it are ended.
#[derive(Debug, Args)]
pub(crate) struct DeleteConsumer {
    /// Its name.
    name: ConsumerName,
}

impl Consumers {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let client = connect(target).await?;
        let mut output = Output::new();
        let mut query = ConsumersQuery {
            limit: PAGE_DOCUMENTS_MAX,
            cursor: None,
        };
        loop {
            let page = client.consumers(query.clone()).await?;
            for consumer in &page.consumers {
                output.line(line(consumer, page.seq))?;
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

impl DeleteConsumer {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let client = connect(target).await?;
        client.delete_consumer(self.name.clone()).await?;
        tell(format!("deleted the consumer {}", self.name));
        client.close().await;
        Ok(())
    }
}

fn line(consumer: &ConsumerState, seq: Sequence) -> String {
    let filter = consumer.view.filter.as_ref();
    let filter = filter.map_or(String::new(), |filter| format!(" where {filter}"));
    let ConsumerState {
        name,
        collections,
        position,
        subscriptions,
        unacked,
        ..
    } = consumer;
    let behind = seq.0.saturating_sub(position.0);
    format!(
        "{name}\t{collections}{filter}\tat {position}, {behind} behind\t{subscriptions} take part, {unacked} unacknowledged"
    )
}
