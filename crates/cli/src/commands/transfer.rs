//! How far copying or reading files has come: a bar on a terminal, else nothing until the end.

use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

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

    /// So many bytes of so many are done.
    pub(crate) fn tell(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
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
