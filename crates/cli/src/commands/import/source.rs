//! Where rows are read from, twice.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::ImportError;
use crate::failure::Failure;

/// Standard input cannot be read twice, and is held in memory up to this many bytes.
const STDIN_BYTES_MAX: usize = 1 << 30;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// An input that can be opened again.
#[derive(Debug)]
pub(crate) enum Source {
    File(PathBuf),
    Memory(Vec<u8>),
}

impl Source {
    /// A file, or standard input for `-`.
    pub(crate) fn new(path: &Path) -> Result<Source, Failure> {
        if path != Path::new("-") {
            return Ok(Source::File(path.into()));
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(STDIN_BYTES_MAX).unwrap_or(u64::MAX) + 1;
        let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
        read.map_err(|source| Failure::Stdin { source })?;
        if bytes.len() > STDIN_BYTES_MAX {
            return Err(ImportError::StdinTooLarge {
                bytes_max: STDIN_BYTES_MAX,
            }
            .into());
        }
        Ok(Source::Memory(bytes))
    }

    /// Begins to read, after a byte order mark if there is one.
    pub(crate) fn open(&self) -> Result<Box<dyn BufRead + '_>, ImportError> {
        match self {
            Source::File(path) => {
                let failed = |source| ImportError::Read {
                    path: path.clone(),
                    source,
                };
                let mut file = File::open(path).map_err(failed)?;
                let mut start = Vec::new();
                let mark = u64::try_from(BYTE_ORDER_MARK.len()).unwrap_or_default();
                (&mut file)
                    .take(mark)
                    .read_to_end(&mut start)
                    .map_err(failed)?;
                if start != BYTE_ORDER_MARK {
                    file.seek(SeekFrom::Start(0)).map_err(failed)?;
                }
                Ok(Box::new(BufReader::with_capacity(256 << 10, file)))
            }
            Source::Memory(bytes) => Ok(Box::new(
                bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes),
            )),
        }
    }
}
