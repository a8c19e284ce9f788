//! How far an import has come: a bar on a terminal, else a line now and then.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{documents, tell};

/// Documents between two lines where there is no terminal.
const LINE_EVERY: u64 = 100_000;

const TEMPLATE: &str = "{bar:40} {human_pos}/{human_len} {per_sec} {eta} left";

pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    began: Instant,
    total: u64,
    done: u64,
}

impl Progress {
    pub(crate) fn new(total: u64) -> Progress {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(TEMPLATE);
            ProgressBar::new(total)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Progress {
            bar,
            began: Instant::now(),
            total,
            done: 0,
        }
    }

    pub(crate) fn advance(&mut self, documents: u64) {
        let before = self.done;
        self.done += documents;
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None if before / LINE_EVERY < self.done / LINE_EVERY && self.done < self.total => {
                tell(format_args!("{} of {} documents", self.done, self.total));
            }
            None => {}
        }
    }

    /// Ends early; the documents that were written.
    pub(crate) fn stop(&self) -> u64 {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
        self.done
    }

    /// What to tell at the end.
    pub(crate) fn finish(&self, into: &str, repeats: u64) -> String {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        // Milliseconds are enough for a rate, and whole numbers for its division.
        let millis = self.began.elapsed().as_millis().max(1);
        let rate = u128::from(self.done) * 1000 / millis;
        let done = documents(self.done);
        let mut text = format!("imported {done} into {into} in {seconds:.1} s ({rate}/s)");
        if repeats > 0 {
            write!(
                text,
                "; rows replaced by a later one with the same id: {repeats}"
            )
            .ok();
        }
        text
    }
}
