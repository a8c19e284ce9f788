//! Tables and pictures of what was measured.

mod chart;
mod columns;
mod goals;
mod seen;
mod show;
mod tables;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use self::seen::Seen;
use crate::results::Line;

const BEGIN: &str = "<!-- race: begin, written by `cargo xtask race` -->";
const END: &str = "<!-- race: end -->";

/// What there is to tell.
pub(crate) struct Report {
    seen: Seen,
}

impl Report {
    pub(crate) fn of(lines: Vec<Line>) -> Result<Report> {
        let seen = Seen::of(lines);
        if seen.cells().is_empty() {
            bail!("nothing was measured");
        }
        Ok(Report { seen })
    }

    /// Writes `figures.md` and the pictures, and the summary into a document that has a place for it.
    pub(crate) fn write(&self, output: &Path, document: Option<&Path>) -> Result<()> {
        fs::create_dir_all(output).context("making a directory for the report")?;
        let figures = output.join("figures.md");
        let goals = goals::table(&self.seen);
        let pictures = chart::draw_all(&self.seen, output)?;
        let text = format!(
            "{}\n{goals}\n{}",
            tables::preface(&self.seen),
            tables::all(&self.seen)
        );
        fs::write(&figures, text).with_context(|| format!("writing {}", figures.display()))?;
        eprintln!("{}", figures.display());
        if let Some(document) = document {
            let directory = output
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or(".");
            let pictures: Vec<String> = pictures
                .iter()
                .map(|picture| format!("![{}]({directory}/{})\n", picture.title, picture.file))
                .collect();
            let summary = format!(
                "{goals}\n{}\n{}",
                tables::headline(&self.seen),
                pictures.concat()
            );
            replace_block(document, &summary)?;
            eprintln!("{}", document.display());
        }
        Ok(())
    }
}

fn replace_block(path: &Path, block: &str) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) =
        parts.with_context(|| format!("{} has no place for it", path.display()))?;
    let block = block.trim_end();
    let text = format!("{before}{BEGIN}\n\n{block}\n\n{END}{after}");
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
