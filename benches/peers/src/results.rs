//! What was measured, one JSON object a line: every measurement is kept, not only what tables show.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::scenarios::{Cell, Figures};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// Begins a run.
    Run(Run),
    Measured(Measurement),
}

/// What a run ran on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Its beginning, in seconds since 1970: the runs of a file are told apart by it.
    pub(crate) run: u64,
    /// The processor, the kernel, the file system.
    pub(crate) machine: String,
    /// What each program says of its version.
    pub(crate) versions: Vec<String>,
}

/// One peer in one cell of one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) run: u64,
    pub(crate) round: u32,
    pub(crate) peer: String,
    #[serde(flatten)]
    pub(crate) cell: Cell,
    pub(crate) outcome: Outcome,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Figures(Figures),
    Failed(String),
}

/// Adds lines to a file.
#[derive(Debug)]
pub(crate) struct Results {
    file: File,
}

impl Results {
    pub(crate) fn append(path: &Path) -> Result<Results> {
        let file = File::options().create(true).append(true).open(path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        Ok(Results { file })
    }

    pub(crate) fn add(&mut self, line: &Line) -> Result<()> {
        let text = serde_json::to_string(line)? + "\n";
        self.file
            .write_all(text.as_bytes())
            .context("writing a result")
    }
}

/// All lines of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("the line {line}"));
    text.lines().map(parse).collect()
}
