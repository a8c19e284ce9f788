//! Which core runs what: the server has one, the load generator another, so that neither takes the
//! other's time and a figure does not depend on where the system happens to put them.

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A core, by the system's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Core(usize);

/// The first two cores that this process may use: for the server, and for the load generator.
pub(crate) fn two() -> Result<[Core; 2]> {
    let allowed = sched_getaffinity(None).context("asking for the cores")?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    match (cores.next(), cores.next()) {
        (Some(first), Some(second)) => Ok([Core(first), Core(second)]),
        _ => anyhow::bail!("a race needs two cores"),
    }
}

/// Keeps this thread, and whatever it starts, on the core.
pub(crate) fn pin_this_thread(core: Core) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core.0);
    sched_setaffinity(None, &set).context("pinning to a core")
}

/// Lets this process, and whatever it starts, have as many open files as the system allows.
pub(crate) fn raise_open_files(wanted: u64) -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("raising the limit of open files")?;
    let is_enough = limit.maximum.is_none_or(|maximum| maximum >= wanted);
    ensure!(
        is_enough,
        "{wanted} open files are needed, {:?} allowed",
        limit.maximum
    );
    Ok(())
}
