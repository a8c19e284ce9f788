//! `docs/protocol.md` says what the code does.

#[test]
fn placeholder() {}
