//! How a client connects.

use std::time::Duration;

use crate::address::Address;
use crate::backoff::BackoffPolicy;
use crate::error::ConnectError;
use crate::{Client, connection};

/// Settings of a [`Client`], from [`Client::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct ClientBuilder {
    url: String,
    options: Options,
}

/// What the connection needs to know, whatever its address.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) client_name: Box<str>,
    pub(crate) access_token: Option<Box<str>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) feed_queue_bytes_max: usize,
    pub(crate) backoff: BackoffPolicy,
}

impl ClientBuilder {
    pub(crate) fn new(url: &str) -> ClientBuilder {
        ClientBuilder {
            url: url.to_owned(),
            options: Options {
                client_name: concat!("wellspring-rust/", env!("CARGO_PKG_VERSION")).into(),
                access_token: None,
                connect_timeout: Duration::from_secs(10),
                request_timeout: Duration::from_secs(30),
                feed_queue_bytes_max: 8 << 20,
                backoff: BackoffPolicy::default(),
            },
        }
    }

    /// What the client calls itself in its greeting, such as `notes/1.0`.
    pub fn client_name(mut self, name: &str) -> Self {
        self.options.client_name = name.into();
        self
    }

    /// The credentials to present.
    pub fn access_token(mut self, access_token: &str) -> Self {
        self.options.access_token = Some(access_token.into());
        self
    }

    /// How long one attempt to connect may take, the server's greeting included. 10 s unless told
    /// otherwise.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.connect_timeout = timeout;
        self
    }

    /// How long a commit, a get or a query may take, reconnecting and retries included. 30 s
    /// unless told otherwise.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request_timeout = timeout;
        self
    }

    /// How many bytes of messages are held for a feed that nobody reads, before it is paused on
    /// the server. 8 MiB unless told otherwise.
    pub fn feed_queue_bytes_max(mut self, bytes: usize) -> Self {
        self.options.feed_queue_bytes_max = bytes;
        self
    }

    /// How long to wait between attempts.
    pub fn backoff(mut self, policy: BackoffPolicy) -> Self {
        self.options.backoff = policy;
        self
    }

    /// Connects. One attempt is made, so that a wrong address shows at once; a connection that is
    /// lost later is made again for as long as the client lives.
    ///
    /// # Errors
    /// If the URL is not a server's, nobody answers there in time, or the server refuses.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the attempt.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let address = Address::parse(&self.url)?;
        let link = connection::connect(address, self.options).await?;
        Ok(Client::new(link))
    }
}
