//! One segment, from its header to its end.

use bytes::Bytes;
use wellspring_types::Sequence;

use super::finding::{Finding, Findings};
use super::pass::Pass;
use super::{SegmentPart, is_missing};
use crate::error::{BackupFault, Damage, DamageKind, GroupFault, IoError, OpenError};
use crate::files::LogFile;
use crate::group::{self, GroupHeader, Link};
use crate::index::{self, SegmentIndex, Touched};
use crate::record::{Cursor, Wanted, read_commit};
use crate::recovery::later_group;
use crate::segment::{SegmentHeader, index_name, segment_name};
use crate::window::{Found, Window};

/// Bytes that are looked at in search of the end of a log.
const STEP_BYTES: usize = 256 << 10;

pub(super) struct SegmentPass<'p, 'a> {
    pass: &'p mut Pass<'a>,
    findings: &'p mut Findings,
    part: SegmentPart,
    /// The first commit of the segment after it.
    next: Option<Sequence>,
    file: LogFile,
    header: SegmentHeader,
    window: Window,
    index: SegmentIndex,
    touched: Touched,
    /// Of the bytes up to the end of the last group.
    checksum: u32,
    /// The segment as a backup would have it.
    first_time: Option<wellspring_types::Timestamp>,
    last_group: (u64, u32),
    is_whole: bool,
}

impl<'p, 'a> SegmentPass<'p, 'a> {
    /// Reads the header; `None`, if nothing more can be read.
    pub(super) fn open(
        pass: &'p mut Pass<'a>,
        part: &SegmentPart,
        next: Option<Sequence>,
        findings: &'p mut Findings,
    ) -> Result<Option<SegmentPass<'p, 'a>>, Finding> {
        let log = &pass.plan.log;
        let file = match log.open_read(&segment_name(part.first)) {
            Err(error) if is_missing(&error) && part.held.is_some() => {
                let file = error.file;
                return Err(backup_damage(file, 0, BackupFault::Missing).into());
            }
            opened => opened?,
        };
        let file = match part.held {
            Some(held) => {
                let file = file.limited(held.bytes);
                let (found, expected) = (file.bytes()?, held.bytes);
                if found != expected {
                    let fault = BackupFault::Length { found, expected };
                    findings.add(backup_damage(file.path().to_path_buf(), found, fault));
                }
                file
            }
            None => file,
        };
        let header = match SegmentHeader::read(&file, pass.plan.epoch, part.first) {
            Ok(header) => header,
            Err(error) => {
                let last = next.map(|next| Sequence(next.0 - 1));
                let last = last.or(part.held.map(|held| held.last));
                let commits = last.filter(|last| *last >= part.first);
                let commits = commits.map(|last| part.first..=last);
                match error {
                    OpenError::Damaged(damage) => pass.damaged(damage, commits, findings),
                    other => {
                        findings.add(other);
                        pass.lose();
                    }
                }
                pass.link = None;
                return Ok(None);
            }
        };
        let bytes = header.encode();
        Ok(Some(SegmentPass {
            index: SegmentIndex::new(bytes.len() as u64),
            checksum: crc32c::crc32c(&bytes),
            part: *part,
            next,
            file,
            header,
            window: Window::default(),
            touched: Touched::default(),
            first_time: None,
            last_group: (0, header.link.checksum),
            is_whole: true,
            pass,
            findings,
        }))
    }

    pub(super) fn run(&mut self) {
        self.follow();
        self.pass.link = Some(self.header.link);
        self.pass.position = self.header.link.last;
        self.pass.advance(self.index.end());
        if let Err(error) = self.groups() {
            self.findings.add(error);
            self.lose();
            self.pass.link = None;
            return;
        }
        match (self.part.held, self.next) {
            (Some(held), _) => self.check_held(&held),
            (None, Some(_)) => self.check_index(),
            (None, None) => {}
        }
    }

    fn damage(&self, offset: u64, what: DamageKind) -> Damage {
        let file = self.file.path().to_path_buf();
        Damage { file, offset, what }
    }

    fn lose(&mut self) {
        self.is_whole = false;
        self.pass.lose();
    }

    /// Checks that the segment goes on where the one before it ends.
    fn follow(&mut self) {
        let (Some(link), header) = (self.pass.link, self.header.link) else {
            return;
        };
        if link == header {
            return;
        }
        let before = { self.pass.plan.segments.iter() }.rfind(|part| part.first < self.part.first);
        let before = before.map_or(self.part.first, |before| before.first);
        let is_gap = link.last != header.last;
        let file = self.pass.plan.log.dir().join(segment_name(before));
        if is_gap && let Some(held) = self.part.held {
            // A backup says so itself.
            debug_assert_eq!(held.first, self.part.first);
            let (last, next) = (link.last, self.part.first);
            let file = self.file.path().to_path_buf();
            self.findings.add(Finding::Gap { file, last, next });
            return self.pass.lose();
        }
        let what = match is_gap {
            false => DamageKind::SegmentEnd,
            true => DamageKind::SegmentGap {
                last: link.last,
                next: self.part.first,
            },
        };
        let offset = self.pass.end_of_last;
        let commits = (link.last < header.last).then(|| link.last.next()..=header.last);
        let damage = Damage { file, offset, what };
        self.pass.damaged(damage, commits, self.findings);
    }

    /// Reads all groups, those behind damaged ones too.
    fn groups(&mut self) -> Result<(), IoError> {
        let mut at = self.index.end();
        loop {
            let salt = self.header.salt;
            let (header, body, checksum) = match self.window.group(&self.file, at, salt)? {
                Found::Group(group) => {
                    let checksum = crc32c::crc32c_append(self.checksum, group.bytes);
                    (group.header, Bytes::copy_from_slice(group.body), checksum)
                }
                Found::End => return self.end(at, None),
                Found::Fault(fault) => match later_group(&self.file, at + 1, salt)? {
                    Some(later) => {
                        self.skip(at, later, fault)?;
                        at = later;
                        continue;
                    }
                    None => return self.end(at, Some(fault)),
                },
            };
            self.checksum = checksum;
            self.group(at, header, &body);
            let bytes = header.group_bytes() as u64;
            self.pass.advance(bytes);
            at += bytes;
            self.pass.end_of_last = at;
        }
    }

    /// There is a group behind what is none.
    fn skip(&mut self, at: u64, later: u64, fault: GroupFault) -> Result<(), IoError> {
        let what = DamageKind::GroupBeforeAnother { fault, later };
        let mut window = Window::default();
        let found = match window.group(&self.file, later, self.header.salt)? {
            Found::Group(group) => Some(group.header),
            Found::Fault(_) | Found::End => None,
        };
        let last = self.pass.link.map_or(Sequence::ZERO, |link| link.last);
        let commits = { found.as_ref() }
            .filter(|found| found.first > last.next())
            .map(|found| last.next()..=Sequence(found.first.0 - 1));
        self.is_whole = false;
        self.pass
            .damaged(self.damage(at, what), commits, self.findings);
        // What is read now is chained to what could not be read.
        self.pass.link = None;
        self.pass.advance(later - at);
        Ok(())
    }

    fn group(&mut self, at: u64, header: GroupHeader, body: &Bytes) {
        let link = match self.pass.link {
            Some(link) => link,
            // Of the time before nothing is known but that it was not later.
            None => Link {
                last: Sequence(header.first.0.saturating_sub(1)),
                last_time: self.header.link.last_time,
                checksum: header.previous_checksum,
            },
        };
        if let Err(what) = header.follows(link) {
            self.is_whole = false;
            self.pass
                .damaged(self.damage(at, what), None, self.findings);
        }
        self.last_group = (at, header.checksum);
        let before = Link {
            last: Sequence(header.first.0.saturating_sub(1)),
            ..link
        };
        self.pass.position = before.last;
        self.touched.clear();
        let touched = &mut self.touched;
        let after = group::skim(header, body, before, |collection| touched.touch(collection));
        match after {
            Ok(after) => {
                self.pass.link = Some(after);
                self.records(at, header, body);
            }
            Err(fault) => {
                let within = (group::HEADER_BYTES + fault.at) as u64;
                let damage = self.damage(at + within, DamageKind::Record(fault.what));
                let last = header.last().unwrap_or(header.first);
                self.is_whole = false;
                self.pass
                    .damaged(damage, Some(header.first..=last), self.findings);
                self.pass.position = last;
                self.pass.link = Some(Link {
                    last,
                    checksum: header.checksum,
                    ..link
                });
            }
        }
        let bytes = header.group_bytes() as u64;
        self.index.push(header.first, bytes, &mut self.touched);
    }

    fn records(&mut self, at: u64, header: GroupHeader, body: &Bytes) {
        let mut cursor = Cursor::new(body, 0);
        let wanted = Wanted {
            from: header.first,
            collection: None,
        };
        for _ in 0..header.count {
            // It was gone through just before: nothing can be wrong.
            let Ok(Some(record)) = read_commit(&mut cursor, body, wanted) else {
                return;
            };
            self.first_time.get_or_insert(record.time);
            self.pass
                .commit((self.file.path(), at), &record, self.findings);
        }
    }

    /// There is no further group.
    fn end(&mut self, at: u64, fault: Option<GroupFault>) -> Result<(), IoError> {
        let last = self.pass.position;
        self.pass.end_of_last = at;
        let is_last = self.next.is_none() && self.part.held.is_none();
        if !is_last {
            let Some(fault) = fault else {
                if self.part.held.is_some_and(|held| last < held.last) {
                    // Its length tells why.
                    self.lose();
                    self.pass.link = None;
                }
                return Ok(());
            };
            let through = match (self.part.held, self.next) {
                (Some(held), _) => held.last,
                (None, next) => Sequence(next.map_or(0, |next| next.0 - 1)),
            };
            let commits = (through > last).then(|| last.next()..=through);
            let damage = self.damage(at, DamageKind::Group(fault));
            self.is_whole = false;
            self.pass.damaged(damage, commits, self.findings);
            // What the segment lacks is told: the next one need not follow it.
            self.pass.link = None;
            return Ok(());
        }
        if last < self.pass.plan.witnessed {
            let file = self.file.path().to_path_buf();
            self.pass.head_lost(file, at, self.findings);
            return Ok(());
        }
        let (file, bytes) = (self.file.path().to_path_buf(), self.left_over(at)?);
        if bytes > 0 {
            self.findings.add(Finding::Torn {
                file,
                offset: at,
                bytes,
                last,
            });
        }
        Ok(())
    }

    /// Bytes behind the last group, up to the last that is not zero.
    fn left_over(&self, from: u64) -> Result<u64, IoError> {
        let mut step = vec![0; STEP_BYTES];
        let (mut start, mut end) = (from, from);
        loop {
            let read = self.file.read_at(start, &mut step)?;
            if let Some(last) = step[..read].iter().rposition(|&byte| byte != 0) {
                end = start + last as u64 + 1;
            }
            if read < step.len() {
                return Ok(end - from);
            }
            start += read as u64;
        }
    }

    /// Compares the index beside a full segment with what the segment has.
    fn check_index(&mut self) {
        let name = index_name(self.part.first);
        let file = self.pass.plan.log.dir().join(&name);
        let found = match self.pass.plan.log.read_whole(&name) {
            Ok(Some(found)) => found,
            Ok(None) => return self.findings.add(Finding::NoIndex { file }),
            Err(error) => return self.findings.add(error),
        };
        let offset = match self.pass.link.filter(|_| self.is_whole) {
            Some(link) => {
                let made = index::encode(&self.header, &self.index, link);
                if made == found {
                    return;
                }
                let mut pairs = made.iter().zip(&found);
                pairs
                    .position(|(made, found)| made != found)
                    .unwrap_or(made.len().min(found.len()))
            }
            // It may well be right about what is wrong in the segment.
            None if index::decode(&found, &self.header).is_some() => return,
            None => 0,
        };
        self.findings.add(Damage {
            file,
            offset: offset as u64,
            what: DamageKind::Index,
        });
    }

    /// Compares what was read with what the manifest of a backup says.
    fn check_held(&mut self, held: &crate::backup::BackupSegment) {
        if !self.is_whole {
            return;
        }
        let link = self.pass.link.unwrap_or(self.header.link);
        let found = (self.index.end(), self.checksum, link);
        let holds = held.last >= held.first;
        let fits = found == (held.bytes, held.checksum, held.link())
            && (!holds || self.last_group.0 == held.last_group())
            && { self.first_time }.is_none_or(|time| time == held.first_time);
        if !fits {
            let file = self.file.path().to_path_buf();
            self.findings
                .add(backup_damage(file, 0, BackupFault::Checksum));
        }
    }
}

fn backup_damage(file: std::path::PathBuf, offset: u64, fault: BackupFault) -> Damage {
    Damage {
        file,
        offset,
        what: DamageKind::Backup(fault),
    }
}
