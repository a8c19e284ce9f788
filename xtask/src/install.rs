//! What was installed, and what is missing.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result};

/// A file that says what was installed, written only after all of it was.
pub(crate) struct Stamp {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Stamp {
    pub(crate) fn is_there(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    /// Runs the steps of an installation; `install` is the advice if one of them fails.
    pub(crate) fn after(&self, steps: Vec<Command>, install: &str) -> Result<Option<String>> {
        for mut step in steps {
            let output = step.output();
            if !output.as_ref().is_ok_and(|output| output.status.success()) {
                return Ok(Some(format!(
                    "{step:?} failed; {install}\n{}",
                    errors_of(output)
                )));
            }
        }
        fs::write(&self.path, &self.text).context("noting what was installed")?;
        Ok(None)
    }
}

fn errors_of(output: std::io::Result<Output>) -> String {
    match output {
        Ok(output) => String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Advice where a program is not here.
pub(crate) fn absent(program: &str, install: &str) -> Option<String> {
    let found = Command::new(program).arg("--version").output();
    let there = found.is_ok_and(|output| output.status.success());
    (!there).then(|| format!("{program} is not here; {install}"))
}
