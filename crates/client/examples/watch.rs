//! Watches a collection: `cargo run -p wellspring-client --example watch -- rooms [TOKEN]`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use wellspring_client::types::ResumeToken;
use wellspring_client::{ChangeEvent, Client};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let collection = arguments.next().unwrap_or_else(|| "rooms".to_owned());
    let client = Client::connect("http://127.0.0.1:7654").await?;
    let builder = client.changes(collection.parse()?);
    let builder = match arguments.next() {
        Some(token) => builder.after(ResumeToken::new(&token)),
        None => builder.from_snapshot(),
    };
    let mut changes = builder.subscribe().await?;
    while let Some(event) = changes.next().await {
        match event? {
            ChangeEvent::Snapshot(snapshot) => {
                println!(
                    "{} documents as of {}",
                    snapshot.documents.len(),
                    snapshot.seq
                );
            }
            ChangeEvent::Commit(commit) => {
                for change in &commit.changes {
                    let data = change.data.as_ref().map_or("", |data| data.as_str());
                    println!("{} {:?} {} {data}", commit.seq, change.op, change.path);
                }
            }
            ChangeEvent::Reset { reason, .. } => println!("start over: {reason:?}"),
            _ => {}
        }
        // An application keeps this where it keeps what it made of the changes.
        if let Some(token) = changes.token() {
            println!("  go on after {token}");
        }
    }
    Ok(())
}
