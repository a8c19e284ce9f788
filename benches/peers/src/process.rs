//! What a server's processes took of the processor, of memory and of the disk, from `/proc`.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context as _, Result};

/// Ticks of the processor in a second, as Linux tells them to programs everywhere.
const TICKS_PER_SECOND: f64 = 100.0;

/// What was taken since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Seconds of a core, of the server's process and all that it has started.
    pub(crate) server_cpu_s: f64,
    /// Seconds of a core, of this program.
    pub(crate) generator_cpu_s: f64,
    /// Flushes that all disks have done, whoever asked.
    pub(crate) flushes: u64,
}

impl Usage {
    pub(crate) fn of(server: u32) -> Result<Usage> {
        let processes = processes()?;
        let cpu_s = |id: u32| processes.get(&id).map_or(0.0, |process| process.cpu_s);
        Ok(Usage {
            server_cpu_s: family(&processes, server).into_iter().map(cpu_s).sum(),
            generator_cpu_s: cpu_s(std::process::id()),
            flushes: flushes()?,
        })
    }
}

/// For how many seconds the load generator could have run, and something else had its core. It has one
/// thread, so that this is what others on the machine have cost it.
pub(crate) fn generator_waited_s() -> Result<f64> {
    let text =
        fs::read_to_string("/proc/self/schedstat").context("reading the scheduler's figures")?;
    // Time on the core, and time waited for it.
    let waited = text.split(' ').nth(1).context("the scheduler's figures")?;
    Ok(waited.parse::<f64>()? / 1e9)
}

/// The server's memory in KiB: the proportional shares of all its processes, so that what they
/// share counts once.
pub(crate) fn memory_kib(server: u32) -> Result<u64> {
    let mut sum = 0;
    for id in family(&processes()?, server) {
        // A process may end between the two looks.
        if let Ok(text) = fs::read_to_string(format!("/proc/{id}/smaps_rollup")) {
            sum += kib_of(&text, "Pss:").with_context(|| format!("the memory of process {id}"))?;
        }
    }
    Ok(sum)
}

fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

struct Process {
    parent: u32,
    cpu_s: f64,
}

fn processes() -> Result<HashMap<u32, Process>> {
    let mut processes = HashMap::new();
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{id}/stat"));
        if let Some(process) = stat.ok().as_deref().and_then(parse_stat) {
            processes.insert(id, process);
        }
    }
    Ok(processes)
}

/// See `proc_pid_stat(5)`; what precedes the last `)` holds the program's name, whatever is in it.
fn parse_stat(stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    // User and system time, and the same of children that have ended: PostgreSQL's sessions.
    let ticks = fields.get(11..15)?.iter().map(|ticks| ticks.parse::<f64>());
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        cpu_s: ticks.sum::<Result<f64, _>>().ok()? / TICKS_PER_SECOND,
    })
}

/// A process and all below it.
fn family(processes: &HashMap<u32, Process>, head: u32) -> Vec<u32> {
    let mut family = vec![head];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        let children = processes
            .iter()
            .filter(|(_, process)| process.parent == parent);
        family.extend(children.map(|(id, _)| *id));
        next += 1;
    }
    family
}

fn flushes() -> Result<u64> {
    let disks = fs::read_to_string("/proc/diskstats").context("reading /proc/diskstats")?;
    // See the kernel's `iostats`; older kernels do not count flushes.
    let counts = disks
        .lines()
        .filter_map(|line| line.split_whitespace().nth(18)?.parse::<u64>().ok());
    Ok(counts.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_with_its_time_and_memory() -> Result<()> {
        let id = std::process::id();
        let usage = Usage::of(id)?;
        assert!(usage.generator_cpu_s <= usage.server_cpu_s);
        assert!(memory_kib(id)? > 100);
        Ok(())
    }

    #[test]
    fn a_program_may_be_called_anything() {
        let stat = "7 (a) b (c) S 3 7 7 0 -1 0 0 0 0 0 100 50 20 30 20 0 1 0";
        let process = parse_stat(stat).expect("fields");
        assert_eq!((process.parent, process.cpu_s), (3, 2.0));
    }
}
