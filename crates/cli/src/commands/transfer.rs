//! How far copying files has come: a bar on a terminal, else nothing until the end.

use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use wellspring_engine::backup::BackupProgress;

const TEMPLATE: &str = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";

pub(crate) struct Transfer {
    bar: Option<ProgressBar>,
    began: Instant,
}

impl Transfer {
    pub(crate) fn new() -> Transfer {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(TEMPLATE);
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let began = Instant::now();
        Transfer { bar, began }
    }

    pub(crate) fn tell(&self, progress: BackupProgress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        }
    }

    /// Ends, and says how much it was and how long it took.
    pub(crate) fn finish(&self, bytes: u64) -> String {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.began.elapsed().as_secs_f64();
        format!("{} in {seconds:.1} s", HumanBytes(bytes))
    }
}
