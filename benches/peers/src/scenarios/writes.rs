//! Acknowledged writes.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::writing::{Topics, Until, open, write};
use super::{Figures, Measured, percentile, real};
use crate::document::now_micros;
use crate::process::Usage;

/// How long, after writers have come up to speed.
pub(super) const SHORT: Duration = Duration::from_secs(3);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
const WARM_UP: Duration = Duration::from_millis(500);

pub(super) async fn measure(server: Measured<'_>, writers: u32, span: Duration) -> Result<Figures> {
    let writers = open(server, writers).await?;
    let from_micros = now_micros() + micros(WARM_UP);
    let to_micros = from_micros + micros(span);
    let usage = async {
        sleep(WARM_UP).await;
        let before = Usage::of(server.id)?;
        sleep(span).await;
        anyhow::Ok((before, Usage::of(server.id)?))
    };
    let until = Until::time(to_micros);
    let (written, usage) = tokio::join!(write(writers, Topics::All, &until), usage);
    let (written, (before, after)) = (written?, usage?);

    let times = written.sorted_micros(from_micros, to_micros);
    let seconds = span.as_secs_f64();
    let mut figures = Figures::default();
    figures.set("writes_per_s", real(times.len()) / seconds);
    figures.set("acknowledged_p50_us", percentile(&times, 50));
    figures.set("acknowledged_p99_us", percentile(&times, 99));
    figures.set(
        "flushes_per_write",
        real(after.flushes - before.flushes) / real(times.len()),
    );
    figures.set(
        "server_cores",
        (after.server_cpu_s - before.server_cpu_s) / seconds,
    );
    figures.set(
        "generator_cores",
        (after.generator_cpu_s - before.generator_cpu_s) / seconds,
    );
    Ok(figures)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
