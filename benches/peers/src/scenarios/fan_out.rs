//! One writer, as fast as it is acknowledged, and many who want everything.

use std::time::Duration;

use anyhow::Result;

use super::listening::Listening;
use super::tally::Tally;
use super::writing::{Topics, Until, open, write};
use super::{Figures, Measured, real};
use crate::document::{Topic, now_micros};
use crate::process::Usage;

/// Deliveries to make, so that a server is busy for longer than its time is counted in.
const DELIVERIES: u32 = 500_000;
const DOCUMENTS_MAX: u32 = 2000;
/// Who is slower than that stops at fewer documents.
const SPAN_MAX: Duration = Duration::from_secs(12);

pub(super) async fn measure(server: Measured<'_>, subscribers: u32) -> Result<Figures> {
    let listening = Listening::to(server, vec![Topic::All; subscribers as usize]).await?;
    let writers = open(server, 1).await?;
    let documents = DOCUMENTS_MAX.min(DELIVERIES / subscribers);
    let start_micros = now_micros();
    let end_micros = start_micros + u64::try_from(SPAN_MAX.as_micros()).unwrap_or(u64::MAX);
    let before = Usage::of(server.id)?;
    let until = Until::either(end_micros, documents);
    let written = write(writers, Topics::All, &until).await?;
    let all = written.acknowledged.len() as u64 * u64::from(subscribers);
    listening.wait_for(all).await;
    // Before the connections end, which costs a server as well.
    let after = Usage::of(server.id)?;
    let tally = Tally::of(&listening.end().await?, &written.counts);

    let seconds = real(tally.last_micros.saturating_sub(start_micros)) / 1e6;
    let server_cpu_s = after.server_cpu_s - before.server_cpu_s;
    let mut figures = Figures::default();
    figures.set(
        "deliveries_per_server_cpu_s",
        real(tally.delivered) / server_cpu_s,
    );
    figures.set("deliveries_per_s", real(tally.delivered) / seconds);
    figures.set("writes_per_s", real(written.acknowledged.len()) / seconds);
    figures.set("server_cpu_s", server_cpu_s);
    figures.set(
        "generator_cpu_s",
        after.generator_cpu_s - before.generator_cpu_s,
    );
    tally.note_wrong(&mut figures);
    tally.note_delays(&mut figures);
    Ok(figures)
}
