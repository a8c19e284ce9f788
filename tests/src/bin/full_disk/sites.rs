//! Where the disk was full, from what the server says of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use wellspring_types::{Value, json};

/// How the system says that a disk is full.
const FULL: &str = "No space left on device";

/// How often each site was hit.
pub(crate) type Sites = BTreeMap<String, u64>;

/// Counts the sites in a server's log, which has an object a line, and the report of an end that was
/// not a good one.
pub(crate) fn count(log: &Path) -> Result<Sites> {
    let mut sites = Sites::new();
    for line in fs::read_to_string(log)?.lines() {
        if line.contains(FULL) {
            let site = site(line).with_context(|| format!("not a line of a log: {line}"))?;
            *sites.entry(site).or_default() += 1;
        }
    }
    Ok(sites)
}

fn site(line: &str) -> Option<String> {
    if let Some(report) = line.strip_prefix("error: ") {
        let (what, which) = report.split_once(": ")?;
        let which = which.split(':').next()?;
        return Some(format!("{what}: {which}"));
    }
    let event = json::parse_message(line.as_bytes()).ok()?;
    let event = event.as_object()?;
    if event.get("target")?.as_str()?.starts_with("sled") {
        return Some("store, as sled says".to_owned());
    }
    let fields = event.get("fields")?.as_object()?;
    let field = |name| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let (message, error) = (field("message"), field("error"));
    // The operation: "cannot write to /…".
    let what = error.split(" /").next()?;
    Some(match message {
        "the log cannot be written; read-only until reopened" => match error {
            _ if error.contains(".seg.tmp") => format!("log, a new segment: {what}"),
            _ => format!("log, an append: {what}"),
        },
        "cannot keep a segment's index" => format!("log, the index of a segment: {what}"),
        "the log is kept as it is: no snapshot, or no room made" => format!("snapshot: {what}"),
        "the store failed; read-only until reopened" => "store".to_owned(),
        "the store does not open; it is built again from the log" => "store, opened".to_owned(),
        "the store was dropped without being closed" => "store, closed".to_owned(),
        "a commit could not be judged: the store cannot be read"
        | "the store could not be read; start the server again" => "store, read".to_owned(),
        "META still names the failed store" => "META, when the store failed".to_owned(),
        // The report that follows counts.
        "the database was not opened" => "opening".to_owned(),
        other => other.to_owned(),
    })
}
