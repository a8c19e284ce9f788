//! Reading a segment from its header to its end.

use crate::error::{Damage, DamageKind, GroupFault, IoError, OpenError, ReadError};
use crate::files::LogFile;
use crate::group::{self, Link};
use crate::index::{SegmentIndex, Touched};
use crate::segment::{self, SegmentHeader};
use crate::window::{Found, Window};

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error(transparent)]
    Io(#[from] IoError),
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> OpenError {
        match failure {
            Failure::Damage(damage) => OpenError::Damaged(damage),
            Failure::Io(error) => OpenError::Io(error),
        }
    }
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> ReadError {
        match failure {
            Failure::Damage(damage) => ReadError::Damaged(damage),
            Failure::Io(error) => ReadError::Io(error),
        }
    }
}

/// The groups of a segment up to the first place where none is.
pub(super) struct Scan {
    pub(super) index: SegmentIndex,
    pub(super) link: Link,
    /// Why there is none at the end of `index`; `None`: the file ends there.
    pub(super) fault: Option<GroupFault>,
}

/// Reads the groups up to the first place where none is. A group that is one, by its checksum,
/// and does not belong where it stands is damage: no crash does that.
pub(super) fn scan(file: &LogFile, header: &SegmentHeader) -> Result<Scan, Failure> {
    let mut window = Window::default();
    let mut touched = Touched::default();
    let mut index = SegmentIndex::new(segment::HEADER_BYTES as u64);
    let mut link = header.link;
    loop {
        let offset = index.end();
        let damage = |offset, what| {
            Failure::Damage(Damage {
                file: file.path().to_path_buf(),
                offset,
                what,
            })
        };
        let group = match window.group(file, offset, header.salt)? {
            Found::End => {
                return Ok(Scan {
                    index,
                    link,
                    fault: None,
                });
            }
            Found::Fault(fault) => {
                return Ok(Scan {
                    index,
                    link,
                    fault: Some(fault),
                });
            }
            Found::Group(group) => group,
        };
        group
            .header
            .follows(link)
            .map_err(|what| damage(offset, what))?;
        touched.clear();
        link = group::skim(group.header, group.body, link, |collection| {
            touched.touch(collection)
        })
        .map_err(|fault| {
            let within = group::HEADER_BYTES + fault.at;
            damage(offset + within as u64, DamageKind::Record(fault.what))
        })?;
        index.push(
            group.header.first,
            group.header.group_bytes() as u64,
            &mut touched,
        );
    }
}

/// Reads a segment that is not the last: all of it must be groups. Returns what the next segment
/// follows.
pub(crate) fn scan_full(
    file: &LogFile,
    header: &SegmentHeader,
) -> Result<(SegmentIndex, Link), Failure> {
    let Scan { index, link, fault } = scan(file, header)?;
    match fault {
        None => Ok((index, link)),
        Some(fault) => {
            let what = DamageKind::Group(fault);
            let damage = Damage {
                file: file.path().to_path_buf(),
                offset: index.end(),
                what,
            };
            Err(damage.into())
        }
    }
}
