//! What to try while the demo runs.

use std::path::Path;

/// Lines to paste, with the server's real address.
pub(super) fn guide(url: &str) -> String {
    let authority = url.trim_start_matches("http://");
    let program = program();
    format!(
        r#"
Wellspring serves forty bike stations at {url}, and one of them changes every second.
Anyone on this machine may read and write. Try, in another terminal:

  the feed, as server-sent events
    curl -N -H 'Accept: text/event-stream' '{url}/v1/changes/stations?from=snapshot'
  only stations with fewer than three bikes: one that gets more leaves by a delete
    curl -N -G -H 'Accept: application/x-ndjson' {url}/v1/changes/stations -d from=snapshot --data-urlencode 'where={{"bikes":{{"lt":3}}}}'
  a document, and a change of it
    curl {url}/v1/documents/stations/town-hall
    curl -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{{"bikes":9}}' {url}/v1/documents/stations/town-hall
  the same feed by gRPC, and by WebSocket
    grpcurl -plaintext -d '{{"collection":"stations","from":{{"snapshot":true}}}}' {authority} wellspring.v1.Changes/Subscribe
    (echo '{{"type":"hello"}}'; echo '{{"type":"subscribe","id":"s1","collection":"stations","from":{{"snapshot":true}}}}'; cat) | websocat ws://{authority}/v1/ws
  and with this program
    {program} --server {url} tail stations --from snapshot
    {program} --server {url} query stations --where '{{"district":"harbour"}}' --order-by -bikes

Ctrl-C ends it. Here is what changes:
"#
    )
}

/// How this program is called from another terminal: by its name where it was found by it, and else
/// (`cargo run`) by its file.
fn program() -> String {
    let by_name = std::env::args_os().next().is_none_or(|called| {
        Path::new(&called)
            .parent()
            .is_none_or(|directory| directory.as_os_str().is_empty())
    });
    match std::env::current_exe() {
        Ok(file) if !by_name => quoted(&file.display().to_string()),
        _ => "wellspring".to_owned(),
    }
}

/// A word that a shell reads as this text.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_pasted_as_one_word() {
        assert_eq!(quoted("/a-b/target/release/x"), "/a-b/target/release/x");
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
    }
}
