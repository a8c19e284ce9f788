//! Where an export goes.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::failure::Failure;
use crate::output::Output;

/// Where the lines go.
pub(super) enum Sink {
    Output(Output),
    /// A file, which takes its name when it is whole: an export that fails leaves the one before.
    File {
        path: PathBuf,
        file: BufWriter<File>,
        /// Its name until then; `None` for what is no regular file, such as a pipe.
        unfinished: Option<TempPath>,
    },
}

impl Sink {
    /// The file of this name; standard output for `-` or none.
    pub(super) fn open(file: Option<PathBuf>) -> Result<Sink, Failure> {
        match file {
            Some(path) if path.as_os_str() != "-" => {
                // What a link names is replaced, not the link.
                let path = fs::canonicalize(&path).unwrap_or(path);
                let wrong = |source| Failure::Write {
                    path: path.clone(),
                    source,
                };
                let (file, unfinished) = create(&path).map_err(wrong)?;
                let file = BufWriter::new(file);
                Ok(Sink::File {
                    path,
                    file,
                    unfinished,
                })
            }
            _ => Ok(Sink::Output(Output::new())),
        }
    }

    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        match self {
            Sink::Output(output) => output.line(line),
            Sink::File { path, file, .. } => {
                writeln!(file, "{line}").map_err(|source| Failure::Write {
                    path: path.clone(),
                    source,
                })
            }
        }
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Sink::Output(mut output) => output.flush(),
            Sink::File {
                path,
                file,
                unfinished,
            } => finish(file, unfinished, &path).map_err(|source| Failure::Write { path, source }),
        }
    }
}

fn create(path: &Path) -> io::Result<(File, Option<TempPath>)> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Ok((File::create(path)?, None));
    }
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let unfinished = tempfile::Builder::new()
        .prefix(".wellspring-export-")
        .permissions(Permissions::from_mode(0o666)) // less what the umask takes
        .tempfile_in(directory)?;
    let (file, unfinished) = unfinished.into_parts();
    Ok((file, Some(unfinished)))
}

fn finish(mut file: BufWriter<File>, unfinished: Option<TempPath>, path: &Path) -> io::Result<()> {
    file.flush()?;
    let Some(unfinished) = unfinished else {
        return Ok(());
    };
    file.get_ref().sync_all()?;
    Ok(unfinished.persist(path)?)
}
