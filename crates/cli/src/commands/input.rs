//! What commands read besides their arguments.

use std::io::Read;
use std::path::Path;

use crate::failure::Failure;

/// The whole of a file, or of standard input for `-`.
pub(crate) fn read_all(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return read_stdin();
    }
    std::fs::read(path).map_err(|source| Failure::Read {
        path: path.into(),
        source,
    })
}

/// The whole of standard input.
pub(crate) fn read_stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    match std::io::stdin().lock().read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(source) => Err(Failure::Stdin { source }),
    }
}
