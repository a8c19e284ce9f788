//! Where records go.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

#[derive(Debug)]
pub(super) struct Sink {
    target: Target,
    failed: Option<io::Error>,
}

#[derive(Debug)]
enum Target {
    File(BufWriter<File>),
    Memory { bytes: Vec<u8>, bytes_max: usize },
}

impl Sink {
    pub(super) fn file(path: &Path) -> io::Result<Sink> {
        Ok(Sink::new(Target::File(BufWriter::with_capacity(
            256 << 10,
            File::create(path)?,
        ))))
    }

    pub(super) fn memory(bytes_max: usize) -> Sink {
        Sink::new(Target::Memory {
            bytes: Vec::new(),
            bytes_max,
        })
    }

    fn new(target: Target) -> Sink {
        Sink {
            target,
            failed: None,
        }
    }

    pub(super) fn write(&mut self, line: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let written = match &mut self.target {
            Target::File(file) => file.write_all(line),
            Target::Memory { bytes, bytes_max } if bytes.len() + line.len() > *bytes_max => {
                Err(io::Error::new(
                    io::ErrorKind::OutOfMemory,
                    format!("the history is larger than {bytes_max} bytes"),
                ))
            }
            Target::Memory { bytes, .. } => {
                bytes.extend_from_slice(line);
                Ok(())
            }
        };
        self.failed = written.err();
    }

    pub(super) fn fail(&mut self, error: io::Error) {
        self.failed.get_or_insert(error);
    }

    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        if let Some(error) = &self.failed {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        match &mut self.target {
            Target::File(file) => file.flush().map(|()| Vec::new()),
            Target::Memory { bytes, .. } => Ok(bytes.clone()),
        }
    }
}
