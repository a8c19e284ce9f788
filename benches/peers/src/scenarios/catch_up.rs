//! One consumer reads all that was written before it came.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::timeout;

use super::listening::Heard;
use super::tally::Tally;
use super::writing::{Topics, Until, Written, open, write};
use super::{Figures, Measured, real, settle};
use crate::document::{Topic, now_micros};
use crate::process::Usage;

const WRITERS: u32 = 64;
/// Who is slower than that is read fewer changes of.
const FILL_MAX: Duration = Duration::from_secs(25);
/// The same is read several times: it takes a tenth of a second.
const PASSES: usize = 3;
const SILENCE_MAX: Duration = Duration::from_secs(5);

pub(super) async fn measure(server: Measured<'_>, changes: u32) -> Result<Figures> {
    let writers = open(server, WRITERS).await?;
    let end_micros = now_micros() + u64::try_from(FILL_MAX.as_micros()).unwrap_or(u64::MAX);
    let written = write(writers, Topics::All, &Until::either(end_micros, changes)).await?;
    settle().await;
    let mut rates = Vec::new();
    let mut figures = Figures::default();
    let before = Usage::of(server.id)?;
    for _ in 0..PASSES {
        let (heard, seconds) = pass(server, &written).await?;
        rates.push(real(heard.events.len()) / seconds);
        Tally::of(&[heard], &written.counts).note_wrong(&mut figures);
    }
    let server_cpu_s = Usage::of(server.id)?.server_cpu_s - before.server_cpu_s;
    rates.sort_by(f64::total_cmp);
    figures.set("changes", real(written.acknowledged.len()));
    figures.set("changes_per_s", rates[PASSES / 2]);
    figures.set("changes_per_s_best", rates[PASSES - 1]);
    figures.set(
        "server_cpu_us_per_change",
        server_cpu_s * 1e6 / real(written.acknowledged.len() * PASSES),
    );
    Ok(figures)
}

/// Reads everything once: what came, and in how many seconds, subscribing included.
async fn pass(server: Measured<'_>, written: &Written) -> Result<(Heard, f64)> {
    let start = Instant::now();
    let mut subscriber = server.driver.replay().await?;
    let mut events = Vec::with_capacity(written.acknowledged.len());
    while events.len() < written.acknowledged.len() {
        // Who falls silent has lost the rest, and it is counted so.
        let Ok(received) = timeout(SILENCE_MAX, subscriber.receive(&mut events)).await else {
            break;
        };
        received?;
    }
    let heard = Heard {
        topic: Topic::All,
        events,
    };
    Ok((heard, start.elapsed().as_secs_f64()))
}
