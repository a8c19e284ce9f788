//! Which web pages may talk to the server.
//!
//! A browser sends along the origin of the page that a request comes from (RFC 6454). Without this
//! check any page that a user visits could use a server on the user's own machine.

use http::HeaderMap;
use http::header::{HOST, HeaderValue, ORIGIN};
use url::{Host, Url};

use crate::config::Config;

/// A web origin: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(Url);

/// The origins that are allowed.
#[derive(Clone, Debug)]
pub(crate) struct OriginPolicy {
    allowed: Vec<Origin>,
    loopback: Loopback,
}

/// Whether pages from this machine are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loopback {
    /// Only those whose origins are listed.
    Refused,
    /// Their origins are allowed. A server that others cannot reach is asked for by a loopback
    /// name only: a page whose host name was made to resolve to this machine (DNS rebinding)
    /// counts as of the same origin in the browser, and this is what tells it apart.
    Allowed,
    /// Their origins are allowed, and the server may be asked for by any name.
    AllowedFromAnywhere,
}

impl Origin {
    /// `None` if the text is not the origin of an `http` or `https` page.
    pub(crate) fn parse(text: &str) -> Option<Origin> {
        let url = Url::parse(text).ok()?;
        let is_web = matches!(url.scheme(), "http" | "https");
        // Only an origin is equal to its own serialization: no path, user or query.
        let plain = url.origin().ascii_serialization() == text.trim_end_matches('/');
        (is_web && plain).then_some(Origin(url))
    }

    fn is_loopback(&self) -> bool {
        self.0.host().is_some_and(|host| is_loopback(&host))
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// What a request's headers say about the page it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// No page, or one of the same origin.
    Anyone,
    /// A page of an allowed origin.
    Page(HeaderValue),
    /// A page that is not allowed.
    Foreign,
}

impl OriginPolicy {
    pub(crate) fn new(config: &Config) -> OriginPolicy {
        let loopback = match (config.dev, config.listen.ip().is_loopback()) {
            (false, _) => Loopback::Refused,
            (true, true) => Loopback::Allowed,
            (true, false) => Loopback::AllowedFromAnywhere,
        };
        let allowed = config
            .allowed_origins
            .iter()
            .filter_map(|text| Origin::parse(text));
        OriginPolicy {
            allowed: allowed.collect(),
            loopback,
        }
    }

    /// For the port for operators, which is for no pages but those of this machine; where others
    /// can reach it, for none.
    pub(crate) fn of_operators(config: &Config) -> OriginPolicy {
        let loopback = if config.admin.ip().is_loopback() {
            Loopback::Allowed
        } else {
            Loopback::Refused
        };
        OriginPolicy {
            allowed: Vec::new(),
            loopback,
        }
    }

    /// Judges a request by its headers and by the authority of its URI (HTTP/2 has no `Host`).
    pub(crate) fn judge(&self, headers: &HeaderMap, uri: &http::Uri) -> From {
        // All of them: which one a proxy or a client meant is not for us to guess.
        let hosts = headers.get_all(HOST).iter();
        let hosts = hosts.map(|host| host.to_str().unwrap_or_default());
        let mut hosts = hosts.chain(uri.host());
        if self.loopback == Loopback::Allowed && hosts.any(|host| !is_this_machine(host)) {
            return From::Foreign;
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => From::Anyone,
            (Some(origin), None) if self.allows(origin) => From::Page(origin.clone()),
            _ => From::Foreign,
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let Some(origin) = origin.to_str().ok().and_then(Origin::parse) else {
            return false;
        };
        let trusted = self.loopback != Loopback::Refused && origin.is_loopback();
        trusted || self.allowed.contains(&origin)
    }
}

/// Whether a `Host` header asks for this machine by a loopback name or by any address.
fn is_this_machine(host: &str) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}/")) else {
        return false;
    };
    match url.host() {
        Some(Host::Domain(name)) => is_loopback(&Host::Domain(name)),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(loopback: Loopback) -> OriginPolicy {
        OriginPolicy {
            allowed: vec![Origin::parse("https://app.example").unwrap()],
            loopback,
        }
    }

    fn judge(policy: &OriginPolicy, host: &str, origin: &str) -> From {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if !origin.is_empty() {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        policy.judge(&headers, &http::Uri::from_static("/"))
    }

    #[test]
    fn only_listed_origins_are_allowed() {
        let policy = policy(Loopback::Refused);
        for allowed in ["https://app.example", "https://app.example:443"] {
            // A browser never writes the default port; the second is the same origin all the same.
            let expected = allowed == "https://app.example";
            assert_eq!(
                judge(&policy, "x", allowed) != From::Foreign,
                expected,
                "{allowed}"
            );
        }
        for foreign in [
            "http://app.example",
            "https://app.example.evil.example",
            "null",
        ] {
            assert_eq!(judge(&policy, "x", foreign), From::Foreign, "{foreign}");
        }
        assert_eq!(judge(&policy, "x", "http://localhost:5173"), From::Foreign);
        assert_eq!(judge(&policy, "x", ""), From::Anyone);
    }

    #[test]
    fn dev_mode_allows_loopback_origins() {
        let policy = policy(Loopback::Allowed);
        for origin in [
            "http://localhost:5173",
            "http://127.0.0.1:1",
            "http://[::1]:9",
            "https://a.localhost",
        ] {
            assert_ne!(
                judge(&policy, "127.0.0.1:7654", origin),
                From::Foreign,
                "{origin}"
            );
        }
        for origin in [
            "http://evil.example",
            "http://localhost.evil.example",
            "file://",
            "null",
        ] {
            assert_eq!(
                judge(&policy, "127.0.0.1:7654", origin),
                From::Foreign,
                "{origin}"
            );
        }
    }

    #[test]
    fn a_rebound_host_name_is_refused_on_loopback() {
        let local = policy(Loopback::Allowed);
        assert_eq!(judge(&local, "evil.example:7654", ""), From::Foreign);
        assert_eq!(judge(&local, "localhost:7654", ""), From::Anyone);
        assert_eq!(judge(&local, "[::1]:7654", ""), From::Anyone);
        assert_eq!(
            judge(&policy(Loopback::AllowedFromAnywhere), "db.example", ""),
            From::Anyone
        );
        let judge = |hosts: &[&[u8]], uri| {
            let host = |text: &&[u8]| (HOST, HeaderValue::from_bytes(text).unwrap());
            let mut headers = HeaderMap::new();
            headers.extend(hosts.iter().map(host));
            local.judge(&headers, &http::Uri::from_static(uri))
        };
        assert_eq!(judge(&[], "/"), From::Anyone);
        assert_eq!(judge(&[b"localhost"], "http://localhost/"), From::Anyone);
        let second: &[&[u8]] = &[b"localhost", b"evil.example"];
        assert_eq!(judge(second, "/"), From::Foreign);
        assert_eq!(
            judge(&[b"evil.example"], "http://localhost/"),
            From::Foreign
        );
        assert_eq!(
            judge(&[b"localhost"], "http://evil.example/"),
            From::Foreign
        );
        assert_eq!(judge(&[b"evil\xff"], "/"), From::Foreign);
    }
}
