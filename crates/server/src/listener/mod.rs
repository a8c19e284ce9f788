//! From a listening socket to HTTP requests: accept, count, detect the version, serve.

mod accept;
mod places;
mod progress;
mod serve;
mod sniff;
mod socket;

pub(crate) use accept::accept_all;
pub(crate) use places::Places;
pub(crate) use serve::Handler;
pub(crate) use socket::Socket;
