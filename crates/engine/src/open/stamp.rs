//! Under which boot and mount the store was opened.
//!
//! sled does not sync what it writes, so after a crash its files can be trusted only while the
//! page cache that they were written to is still there: the same boot of the machine, the same
//! mount, the same directory.

use std::fs;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags};

/// Where and when a store's directory was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The kernel's random id of this boot.
    pub boot_id: [u8; 16],
    /// Id of the mount, which the kernel does not use again before the next boot.
    pub mount_id: u64,
    /// Inode of the directory.
    pub inode: u64,
}

impl Stamp {
    /// The stamp of a directory now; `None` where the system cannot tell, and then nothing
    /// unclean is trusted.
    pub(crate) fn of(directory: &Path) -> Option<Stamp> {
        // STATX_MNT_ID_UNIQUE (Linux 6.8): ids of the older STATX_MNT_ID are used again after an
        // unmount, so that a copy mounted in the same place could pass for the original.
        let unique_mount_id = StatxFlags::from_bits_retain(0x4000);
        let wanted = StatxFlags::INO | unique_mount_id;
        let status = rustix::fs::statx(CWD, directory, AtFlags::empty(), wanted).ok()?;
        let known = StatxFlags::from_bits_retain(status.stx_mask);
        if !known.contains(wanted) {
            return None;
        }
        Some(Stamp {
            boot_id: boot_id()?,
            mount_id: status.stx_mnt_id,
            inode: status.stx_ino,
        })
    }
}

fn boot_id() -> Option<[u8; 16]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.trim().split('-').collect();
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}
