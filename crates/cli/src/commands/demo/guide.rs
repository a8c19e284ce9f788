//! What to try while the demo runs.

/// Lines to paste, with the server's real address.
pub(super) fn guide(url: &str) -> String {
    let authority = url.trim_start_matches("http://");
    format!(
        r#"
Wellspring serves forty bike stations at {url}, and one of them changes every second.
Anyone on this machine may read and write. Try, in another terminal:

  the feed, as server-sent events
    curl -N -H 'Accept: text/event-stream' '{url}/v1/changes/stations?from=snapshot'
  only stations that run out of bikes
    curl -N -G -H 'Accept: application/x-ndjson' {url}/v1/changes/stations --data-urlencode 'where={{"bikes":{{"lt":3}}}}'
  a document, and a change of it
    curl {url}/v1/documents/stations/town-hall
    curl -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{{"bikes":9}}' {url}/v1/documents/stations/town-hall
  the same feed by gRPC, and by WebSocket
    grpcurl -plaintext -d '{{"collection":"stations","from":{{"snapshot":true}}}}' {authority} wellspring.v1.Changes/Subscribe
    (echo '{{"type":"hello"}}'; echo '{{"type":"subscribe","id":"s1","collection":"stations","from":{{"snapshot":true}}}}'; cat) | websocat ws://{authority}/v1/ws
  and with this program
    wellspring --server {url} tail stations --from snapshot
    wellspring --server {url} query stations --where '{{"district":"harbour"}}' --order-by -bikes

Ctrl-C ends it. Here is what changes:
"#
    )
}
