//! Many subscribers, each of another room, and writers of random rooms: each document is wanted by one.

use std::time::Duration;

use anyhow::Result;

use super::listening::Listening;
use super::tally::Tally;
use super::writing::{Topics, Until, open, write};
use super::{Figures, Measured, percentile, real};
use crate::document::{ROOMS, Topic, now_micros};
use crate::process::Usage;

const WRITERS: u32 = 16;
const SPAN: Duration = Duration::from_secs(3);

pub(super) async fn measure(server: Measured<'_>) -> Result<Figures> {
    let listening = Listening::to(server, (0..ROOMS).map(Topic::Room).collect()).await?;
    let writers = open(server, WRITERS).await?;
    let start_micros = now_micros();
    let end_micros = start_micros + u64::try_from(SPAN.as_micros()).unwrap_or(u64::MAX);
    let before = Usage::of(server.id)?;
    let written = write(writers, Topics::RandomRooms, &Until::time(end_micros)).await?;
    let seconds = real(now_micros() - start_micros) / 1e6;
    listening.wait_for(written.acknowledged.len() as u64).await;
    let after = Usage::of(server.id)?;
    let tally = Tally::of(&listening.end().await?, &written.counts);

    let times = written.sorted_micros(0, u64::MAX);
    let server_cpu_s = after.server_cpu_s - before.server_cpu_s;
    let mut figures = Figures::default();
    figures.set("writes_per_s", real(times.len()) / seconds);
    figures.set("acknowledged_p50_us", percentile(&times, 50));
    figures.set("acknowledged_p99_us", percentile(&times, 99));
    figures.set("writes_per_server_cpu_s", real(times.len()) / server_cpu_s);
    figures.set("server_cores", server_cpu_s / seconds);
    tally.note_wrong(&mut figures);
    tally.note_delays(&mut figures);
    Ok(figures)
}
