//! One group that is being read.

use bytes::Bytes;
use wellspring_types::{Sequence, Timestamp};

use crate::error::{Damage, DamageKind, GroupFault, Malformed, ReadError};
use crate::files::LogFile;
use crate::group::{self, GroupHeader};
use crate::index::Span;
use crate::record::{
    self, CommitRecord, Cursor, Fault, Wanted, find_commit, read_commit, skim_commit,
};
use crate::segment::Salt;
use crate::window::{Found, Framed, Window};

/// A group whose records are taken one by one.
#[derive(Debug)]
pub(super) struct OpenGroup {
    header: GroupHeader,
    /// The last commit, as the header says.
    last: Sequence,
    offset: u64,
    body: Bytes,
    at: usize,
    left: u32,
}

impl OpenGroup {
    /// The group at `offset`, which must hold `sequence`.
    pub(super) fn read(
        window: &mut Window,
        file: &LogFile,
        salt: Salt,
        (offset, sequence): (u64, Sequence),
    ) -> Result<OpenGroup, ReadError> {
        let Framed { header, body, .. } = framed(window, file, salt, offset)?;
        match header.last() {
            Some(last) if header.first <= sequence && sequence <= last => Ok(OpenGroup {
                header,
                last,
                offset,
                body: Bytes::copy_from_slice(body),
                at: 0,
                left: header.count,
            }),
            _ => {
                let last = Sequence(sequence.0.saturating_sub(1));
                let what = DamageKind::GroupOrder {
                    found: header.first,
                    last,
                };
                Err(damage(file, offset, what))
            }
        }
    }

    pub(super) fn last(&self) -> Sequence {
        self.last
    }

    pub(super) fn checksum(&self) -> u32 {
        self.header.checksum
    }

    pub(super) fn previous_checksum(&self) -> u32 {
        self.header.previous_checksum
    }

    /// Where the next group begins.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.header.group_bytes() as u64
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The next record that is wanted; `None` when there are no more in this group.
    pub(super) fn next(
        &mut self,
        file: &LogFile,
        wanted: Wanted,
    ) -> Result<Option<CommitRecord>, ReadError> {
        self.next_as::<CommitRecord>(file, wanted)
    }

    /// The same, in this form.
    pub(super) fn next_as<T: Read>(
        &mut self,
        file: &LogFile,
        wanted: Wanted,
    ) -> Result<Option<T>, ReadError> {
        let mut cursor = Cursor::new(&self.body, self.at);
        while self.left > 0 {
            self.left -= 1;
            let at = cursor.at();
            let read = T::read(&mut cursor, &self.body, wanted);
            self.at = cursor.at();
            match read {
                Ok(None) => {}
                Ok(Some(record)) if record.sequence() <= self.last => return Ok(Some(record)),
                Ok(Some(_)) => {
                    return Err(self.damage(
                        file,
                        Fault {
                            at,
                            what: Malformed::Order,
                        },
                    ));
                }
                Err(fault) => return Err(self.damage(file, fault)),
            }
        }
        Ok(None)
    }

    fn damage(&self, file: &LogFile, fault: Fault) -> ReadError {
        record_damage(file, self.offset, fault)
    }
}

/// A form in which records are read.
pub(super) trait Read: Sized {
    /// The record at the cursor, if it is wanted.
    fn read(cursor: &mut Cursor<'_>, body: &Bytes, wanted: Wanted) -> Result<Option<Self>, Fault>;

    fn sequence(&self) -> Sequence;
}

impl Read for CommitRecord {
    fn read(cursor: &mut Cursor<'_>, body: &Bytes, wanted: Wanted) -> Result<Option<Self>, Fault> {
        read_commit(cursor, body, wanted)
    }

    fn sequence(&self) -> Sequence {
        self.sequence
    }
}

impl Read for record::Found {
    fn read(cursor: &mut Cursor<'_>, _body: &Bytes, wanted: Wanted) -> Result<Option<Self>, Fault> {
        find_commit(cursor, wanted)
    }

    fn sequence(&self) -> Sequence {
        self.sequence
    }
}

/// The time of the first commit of a group.
pub(super) fn first_time(
    window: &mut Window,
    file: &LogFile,
    salt: Salt,
    span: Span,
) -> Result<Timestamp, ReadError> {
    let Framed { body, .. } = framed(window, file, salt, span.offset)?;
    match skim_commit(&mut Cursor::new(body, 0), |_collection| {}) {
        Ok((_sequence, time)) => Ok(time),
        Err(fault) => Err(record_damage(file, span.offset, fault)),
    }
}

fn framed<'a>(
    window: &'a mut Window,
    file: &LogFile,
    salt: Salt,
    offset: u64,
) -> Result<Framed<'a>, ReadError> {
    let fault = match window.group(file, offset, salt)? {
        Found::Group(framed) => return Ok(framed),
        Found::Fault(fault) => fault,
        Found::End => GroupFault::CutShort,
    };
    Err(damage(file, offset, DamageKind::Group(fault)))
}

fn record_damage(file: &LogFile, group: u64, fault: Fault) -> ReadError {
    let within = group::HEADER_BYTES + fault.at;
    damage(file, group + within as u64, DamageKind::Record(fault.what))
}

pub(super) fn damage(file: &LogFile, offset: u64, what: DamageKind) -> ReadError {
    ReadError::Damaged(Damage {
        file: file.path().to_path_buf(),
        offset,
        what,
    })
}
