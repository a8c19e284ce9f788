//! Where a server is.

use http::Uri;

use crate::error::ConnectError;

/// A server's address, from an `http://` (or `ws://`) URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Host name or IP address, an IPv6 address without its brackets.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// The `ws://` URL of the WebSocket endpoint.
    pub(crate) endpoint: String,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Address, ConnectError> {
        let invalid = || ConnectError::Address { url: url.into() };
        let uri: Uri = url.parse().map_err(|_reason| invalid())?;
        match uri.scheme_str() {
            Some("http" | "ws") => {}
            Some("https" | "wss") => return Err(ConnectError::TlsUnsupported { url: url.into() }),
            _ => return Err(invalid()),
        }
        let authority = uri.authority().ok_or_else(invalid)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(invalid());
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() {
            return Err(invalid());
        }
        let base = uri.path().trim_end_matches('/');
        let endpoint = format!("ws://{authority}{base}/v1/ws");
        Ok(Address {
            host,
            port: authority.port_u16().unwrap_or(80),
            endpoint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_urls_name_a_host_a_port_and_a_base() {
        let parse = |url| Address::parse(url).unwrap();
        let address = parse("http://127.0.0.1:7654");
        assert_eq!((address.host.as_str(), address.port), ("127.0.0.1", 7654));
        assert_eq!(address.endpoint, "ws://127.0.0.1:7654/v1/ws");
        assert_eq!(parse("http://db.example/").port, 80);
        assert_eq!(
            parse("ws://db.example/feeds/").endpoint,
            "ws://db.example/feeds/v1/ws"
        );
        let address = parse("http://[::1]:7654");
        assert_eq!(
            (address.host.as_str(), address.endpoint.as_str()),
            ("::1", "ws://[::1]:7654/v1/ws")
        );
    }

    #[test]
    fn what_is_not_such_a_url_is_refused() {
        for url in [
            "",
            "localhost",
            "localhost:7654",
            "ftp://a",
            "http://",
            "http://a:b@c",
            "http://a/?x=1",
        ] {
            assert!(
                matches!(Address::parse(url), Err(ConnectError::Address { .. })),
                "{url}"
            );
        }
        assert!(matches!(
            Address::parse("https://a"),
            Err(ConnectError::TlsUnsupported { .. })
        ));
    }
}
