//! Standard output and standard error: the only writers to them.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anstream::AutoStream;

use crate::failure::Failure;

/// Standard output: buffered, and without colours where it is no terminal or `NO_COLOR` says so.
pub(crate) struct Output {
    stream: BufWriter<AutoStream<StdoutLock<'static>>>,
    is_terminal: bool,
}

impl Output {
    pub(crate) fn new() -> Output {
        let is_terminal = io::stdout().is_terminal();
        Output {
            stream: BufWriter::new(anstream::stdout().lock()),
            is_terminal,
        }
    }

    /// Whether a person reads it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes a line, which is seen after [`Output::flush`] at the latest.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.stream, "{line}").map_err(|source| Failure::Output { source })
    }

    /// Lets everything written be seen.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.stream
            .flush()
            .map_err(|source| Failure::Output { source })
    }

    /// Writes one line and lets it be seen.
    pub(crate) fn only_line(line: impl fmt::Display) -> Result<(), Failure> {
        let mut output = Output::new();
        output.line(line)?;
        output.flush()
    }
}

/// So many documents, in words.
pub(crate) fn documents(count: u64) -> String {
    match count {
        1 => "1 document".to_owned(),
        count => format!("{count} documents"),
    }
}

/// Tells a person something, on standard error.
pub(crate) fn tell(line: impl fmt::Display) {
    // With nobody there to read it, there is nobody to tell of that either.
    writeln!(anstream::stderr().lock(), "{line}").ok();
}
