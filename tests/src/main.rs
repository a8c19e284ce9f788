//! Index of the tests over real sockets.

