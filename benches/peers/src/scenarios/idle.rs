//! What a subscriber that hears nothing costs in memory.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use super::listening::Listening;
use super::{Figures, Measured, real, settle};
use crate::document::Topic;
use crate::process::memory_kib;

/// What a server with new subscribers may still tidy up.
const REST: Duration = Duration::from_secs(1);

pub(super) async fn measure(server: Measured<'_>, subscribers: u32) -> Result<Figures> {
    settle().await;
    let before = memory_kib(server.id)?;
    let start = Instant::now();
    let listening = Listening::to(server, vec![Topic::All; subscribers as usize]).await?;
    let seconds = start.elapsed().as_secs_f64();
    sleep(REST).await;
    let after = memory_kib(server.id)?;
    drop(listening);
    let mut figures = Figures::default();
    let growth = real(after) - real(before);
    figures.set("memory_before_kib", real(before));
    figures.set("memory_after_kib", real(after));
    figures.set("kib_per_subscriber", growth / f64::from(subscribers));
    figures.set("connected_s", seconds);
    Ok(figures)
}
