//! Checking a data directory at rest, or a backup: every byte of it, and whether log, snapshots,
//! store and floors say the same. Opening stops at the first thing that is wrong; this goes on and
//! tells all of it. Nothing in the directory is changed.
//!
//! ```
//! use wellspring_engine::verify::{VerifyOptions, verify};
//! use wellspring_engine::{Database, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let (data, scratch) = (directory.path().join("data"), directory.path().join("scratch"));
//! # std::fs::create_dir(&scratch)?;
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! let database = Database::open(Options::new(&data), &mut |_| {})?;
//! runtime.block_on(database.close())?;
//! # drop(database);
//! let report = verify(&data, &VerifyOptions::new(scratch), &mut |_| {})?;
//! assert!(report.findings.is_empty());
//! # Ok(())
//! # }
//! ```

mod error;
mod explain;
mod finding;
mod floors;
mod follower;
mod store;

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wellspring_log::{
    Backup, BackupError as FilesError, BackupOptions, DatabaseFiles, FileSystem, LocalFileSystem,
    VERIFY_DOCUMENTS_MAX, Verified,
};
use wellspring_types::{Epoch, Sequence};

pub use error::VerifyError;
pub use explain::Explanation;
pub use finding::{Finding, FloorFault};
pub use wellspring_log::{Severity, VerifyProgress};

use crate::backup::kept_meta;
use crate::open::{Meta, MetaError, RESTORING};
use follower::Follower;
use store::StoreCopy;

/// How something is checked.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// An empty directory, for a copy of the store: its files cannot be read without being changed.
    pub scratch: PathBuf,
    /// Bytes of the copy's cache.
    pub cache_bytes: u64,
    /// Documents that are kept in memory at a time, each of which takes about a hundred bytes.
    /// Where there are more, the log is read again for the others.
    pub documents_max: usize,
}

impl VerifyOptions {
    /// The defaults.
    #[must_use]
    pub fn new(scratch: impl Into<PathBuf>) -> VerifyOptions {
        VerifyOptions {
            scratch: scratch.into(),
            cache_bytes: 64 << 20,
            documents_max: VERIFY_DOCUMENTS_MAX,
        }
    }
}

/// What was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A data directory.
    Database,
    /// A backup.
    Backup,
}

/// What became of checking the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreChecked {
    /// There is none, as in a backup, or it is not used: it is built again by the next opening.
    Unused,
    /// It was not compared with the log, as something before is damaged or it could not be read.
    Skipped,
    /// All of it was read, and compared.
    Checked {
        /// Documents in it.
        documents: u64,
    },
}

/// What checking came to.
#[derive(Debug)]
pub struct Report {
    /// What was checked.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
    /// What was found, in the order in which files are read; empty if all is good.
    pub findings: Vec<Finding>,
    /// How many more there were than are listed.
    pub omitted: u64,
    /// The first commit in the log; zero without one.
    pub oldest: Sequence,
    /// The last commit that could be read; zero without one.
    pub head: Sequence,
    /// Commits that were read.
    pub commits: u64,
    /// Snapshots that were read.
    pub snapshots: u64,
    /// Documents that were read in them.
    pub documents: u64,
    /// What became of the store.
    pub store: StoreChecked,
    /// Bytes that were read, the store's apart.
    pub bytes: u64,
}

impl Report {
    /// The worst of what was found; `None` if nothing was.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(Finding::severity).max()
    }

    /// Whether bytes are not what they were.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.worst() >= Some(Severity::Derived)
    }

    /// Whether something could not be checked.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.severity() == Severity::Unreadable)
    }
}

/// Checks what is in `path`: a data directory that nobody has open, or a backup.
///
/// # Errors
/// If it is neither, or another process has the database open. Whatever is wrong with the files
/// themselves is in the report.
pub fn verify(
    path: &Path,
    options: &VerifyOptions,
    tell: &mut dyn FnMut(VerifyProgress),
) -> Result<Report, VerifyError> {
    let files: Arc<dyn FileSystem> = Arc::new(LocalFileSystem);
    let names = files.list(path).map_err(|source| VerifyError::Io {
        path: path.to_owned(),
        source,
    })?;
    let has = |name: &str| names.iter().any(|found| found == name);
    let checking = Checking {
        path,
        files,
        options,
        findings: Vec::new(),
    };
    if has(META) || has(RESTORING) {
        checking.database(tell)
    } else if has("manifest") {
        checking.backup(tell)
    } else if has("log") {
        // Without META it is no more than a log; without its manifest a backup is no more either.
        checking.database(tell)
    } else {
        Err(VerifyError::Neither {
            path: path.to_owned(),
        })
    }
}

const META: &str = "META";

struct Checking<'a> {
    path: &'a Path,
    files: Arc<dyn FileSystem>,
    options: &'a VerifyOptions,
    findings: Vec<Finding>,
}

impl Checking<'_> {
    fn database(mut self, tell: &mut dyn FnMut(VerifyProgress)) -> Result<Report, VerifyError> {
        let _lock = self.lock()?;
        if self
            .files
            .read(&self.path.join(RESTORING))
            .is_ok_and(|mark| mark.is_some())
        {
            let file = self.path.join(RESTORING);
            self.findings.push(Finding::RestoreUnfinished { file });
            // Of what is there nothing is whole before its end.
            return Ok(self.report(Kind::Database, Verified::default(), StoreChecked::Unused));
        }
        self.list(&["LOCK", META, "log", "store", "snapshots"], "META.tmp");
        let meta = self.meta();
        let copy = match &meta {
            Some(meta) => StoreCopy::open(self.path, meta, self.options, &mut self.findings),
            None => StoreCopy::unused(),
        };
        let witnessed = meta.as_ref().map_or(Sequence::ZERO, |meta| meta.witnessed);
        let Some(epoch) = self.epoch(meta.as_ref()) else {
            return Ok(self.report(Kind::Database, Verified::default(), StoreChecked::Skipped));
        };
        let files = self.database_files(epoch, witnessed.max(copy.applied()));
        let mut follower = Follower::new(copy, tell);
        let verified = files.verify(&mut follower);
        let store = follower.end(self.path, &verified, &mut self.findings);
        Ok(self.report(Kind::Database, verified, store))
    }

    fn backup(mut self, tell: &mut dyn FnMut(VerifyProgress)) -> Result<Report, VerifyError> {
        self.list(&["LOCK", "manifest", "log", "snapshots"], "manifest.tmp");
        let mut follower = Follower::new(StoreCopy::unused(), tell);
        let verified = match self.open_backup() {
            Ok(Some(backup)) => match backup.verify(self.options.documents_max, &mut follower) {
                Ok(verified) => verified,
                Err(error) => return Err(VerifyError::Backup(error)),
            },
            // What its files are can be told without it, though not whether they are all.
            Ok(None) => match DatabaseFiles::find_epoch(&self.path.join("log"), &self.files) {
                Some(epoch) => self
                    .database_files(epoch, Sequence::ZERO)
                    .verify(&mut follower),
                None => Verified::default(),
            },
            Err(error) => return Err(error),
        };
        follower.end_backup(&mut self.findings);
        Ok(self.report(Kind::Backup, verified, StoreChecked::Unused))
    }

    /// The backup, if its manifest is good.
    fn open_backup(&mut self) -> Result<Option<Backup>, VerifyError> {
        let file = self.path.join("manifest");
        let backup = match Backup::open(BackupOptions::new(self.path)) {
            Ok(backup) => backup,
            Err(error @ FilesError::Missing { .. }) => return Err(VerifyError::Backup(error)),
            Err(error) => {
                self.findings.push(Finding::Manifest { file, error });
                return Ok(None);
            }
        };
        if let Some(Err(error)) = backup.manifest().map(kept_meta) {
            let error = Box::new(error);
            self.findings.push(Finding::KeptMeta { file, error });
        }
        Ok(Some(backup))
    }

    fn database_files(&self, epoch: Epoch, witnessed: Sequence) -> DatabaseFiles {
        DatabaseFiles {
            log: self.path.join("log"),
            snapshots: self.path.join("snapshots"),
            file_system: Arc::clone(&self.files),
            epoch,
            witnessed,
            documents_max: self.options.documents_max,
        }
    }

    /// Sees to it that no server writes meanwhile. `None` where there is no lock: then there was
    /// never a server, or somebody has copied the directory without it.
    fn lock(&self) -> Result<Option<File>, VerifyError> {
        let path = self.path.join("LOCK");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(VerifyError::Io { path, source }),
        };
        // Shared: others may check at the same time, and a server waits for neither of them.
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Err(VerifyError::InUse {
                data_dir: self.path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(VerifyError::Io { path, source }),
        }
    }

    fn meta(&mut self) -> Option<Meta> {
        let file = self.path.join(META);
        match Meta::load(&*self.files, self.path) {
            Ok(Some(meta)) => return Some(meta),
            Ok(None) => self.findings.push(Finding::MetaMissing { file }),
            Err(MetaError::Io(source)) => self.findings.push(Finding::Unreadable { file, source }),
            Err(error) => self.findings.push(Finding::Meta { file, error }),
        }
        None
    }

    fn epoch(&self, meta: Option<&Meta>) -> Option<Epoch> {
        match meta {
            Some(meta) => Some(meta.log_epoch),
            None => DatabaseFiles::find_epoch(&self.path.join("log"), &self.files),
        }
    }

    /// Tells what is in the directory and does not belong there.
    fn list(&mut self, known: &[&str], left_over: &str) {
        let mut names: Vec<String> = match self.files.list(self.path) {
            Ok(names) => names,
            Err(source) => return self.unreadable(self.path.to_owned(), source),
        };
        names.sort_unstable();
        for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
            let file = self.path.join(name);
            self.findings.push(Finding::Files(match name == left_over {
                true => wellspring_log::Finding::LeftOver { file },
                false => wellspring_log::Finding::Stranger { file },
            }));
        }
    }

    fn unreadable(&mut self, file: PathBuf, source: io::Error) {
        self.findings.push(Finding::Unreadable { file, source });
    }

    fn report(self, kind: Kind, verified: Verified, store: StoreChecked) -> Report {
        let (of_files, omitted) = verified.findings.into_parts();
        let mut findings = self.findings;
        findings.extend(of_files.into_iter().map(Finding::Files));
        Report {
            kind,
            path: self.path.to_owned(),
            findings,
            omitted,
            oldest: verified.oldest,
            head: verified.head,
            commits: verified.commits,
            snapshots: verified.snapshots,
            documents: verified.documents,
            store,
            bytes: verified.bytes,
        }
    }
}
