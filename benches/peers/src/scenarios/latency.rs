//! From write to subscriber, without a queue: the writer keeps a pace that everyone can keep.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep_until};

use super::listening::Listening;
use super::tally::Tally;
use super::writing::Counts;
use super::{Figures, Measured, percentile};
use crate::document::{Stamp, Topic, now_micros};

const DOCUMENTS: u32 = 2500;
const PACE: Duration = Duration::from_millis(2);

pub(super) async fn measure(server: Measured<'_>) -> Result<Figures> {
    let listening = Listening::to(server, vec![Topic::All]).await?;
    let mut writer = server.driver.writer().await?;
    let start = Instant::now();
    let mut acknowledged = Vec::new();
    for number in 0..DOCUMENTS {
        sleep_until(start + PACE * number).await;
        let sent_micros = now_micros();
        let stamp = Stamp {
            writer: 0,
            number,
            sent_micros,
        };
        writer.write(Topic::All, stamp).await?;
        acknowledged.push(now_micros() - sent_micros);
    }
    listening.wait_for(u64::from(DOCUMENTS)).await;
    let heard = listening.end().await?;
    let tally = Tally::of(&heard, &Counts::from([((0, Topic::All), DOCUMENTS)]));
    acknowledged.sort_unstable();
    let mut figures = Figures::default();
    tally.note_wrong(&mut figures);
    tally.note_delays(&mut figures);
    figures.set("acknowledged_p50_us", percentile(&acknowledged, 50));
    figures.set("acknowledged_p99_us", percentile(&acknowledged, 99));
    Ok(figures)
}
