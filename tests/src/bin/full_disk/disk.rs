//! A small disk whose free space and free inodes are set at will.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use wellspring_testkit::random::Random;

/// What a disk has while nothing is wrong with it.
const BYTES: u64 = 512 << 20;
const INODES: u64 = 100_000;
/// A page, by which a tmpfs counts.
const PAGE_BYTES: u64 = 4096;

/// A tmpfs, mounted until this is dropped.
pub(crate) struct Disk {
    mounted_at: PathBuf,
    /// Where its content goes if the test panics.
    kept_at: PathBuf,
}

/// What is left free.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Free {
    /// So many bytes, and inodes enough.
    Bytes(u64),
    /// So many inodes, and bytes enough: files that are there can grow, and new ones not be made.
    Inodes(u64),
}

impl Free {
    /// Little enough that something is bound to fail.
    pub(crate) fn any(random: &mut Random) -> Free {
        match random.below(8) {
            0 => Free::Bytes(0),
            1 | 2 => Free::Bytes(random.below(16) * PAGE_BYTES),
            3 | 4 => Free::Bytes(random.below(1 << 20)),
            5 => Free::Bytes(random.below(4 << 20)),
            _ => Free::Inodes(random.below(4)),
        }
    }
}

impl Disk {
    /// Mounts one in a directory, which is made.
    pub(crate) fn mount(at: &Path, kept_at: PathBuf) -> Result<Disk> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={BYTES},nr_inodes={INODES},mode=700");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at))
        .context("a tmpfs cannot be mounted: this needs root")?;
        Ok(Disk {
            mounted_at: at.to_owned(),
            kept_at,
        })
    }

    /// Leaves so much free, from now on. What is written meanwhile may take some of it: then that
    /// much more is there.
    pub(crate) fn shrink(&self, free: Free) -> Result<()> {
        loop {
            let status = rustix::fs::statvfs(&self.mounted_at)?;
            let used_bytes = (status.f_blocks - status.f_bfree) * status.f_frsize;
            let used_inodes = status.f_files - status.f_ffree;
            let (bytes, inodes) = match free {
                Free::Bytes(free) => ((used_bytes + free).next_multiple_of(PAGE_BYTES), INODES),
                Free::Inodes(free) => (BYTES, used_inodes + free),
            };
            // Refused where more is used by now.
            if self.resize(bytes, inodes).is_ok() {
                return Ok(());
            }
        }
    }

    /// All space and inodes are there again.
    pub(crate) fn grow(&self) -> Result<()> {
        self.resize(BYTES, INODES)
    }

    fn resize(&self, bytes: u64, inodes: u64) -> Result<()> {
        let options = format!("remount,size={bytes},nr_inodes={inodes}");
        run(Command::new("mount")
            .args(["-o", &options])
            .arg(&self.mounted_at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let copy = Command::new("cp")
                .arg("-a")
                .args([&self.mounted_at, &self.kept_at])
                .status();
            eprintln!("the disk is copied to {}: {copy:?}", self.kept_at.display());
        }
        // Lazily, as a process may still be about to end.
        let unmounted = run(Command::new("umount").arg("--lazy").arg(&self.mounted_at));
        if let Err(error) = unmounted {
            eprintln!("{error:#}");
        }
    }
}

fn run(command: &mut Command) -> Result<()> {
    let ran = command.output()?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{command:?}: {said}");
    Ok(())
}
