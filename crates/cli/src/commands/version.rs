//! `wellspring version`

use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run() -> Result<(), Failure> {
    Output::only_line(concat!("wellspring ", env!("CARGO_PKG_VERSION")))
}
