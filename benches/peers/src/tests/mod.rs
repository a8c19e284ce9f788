//! The load generator against servers in this process, on any free port and every core.

mod driven;
