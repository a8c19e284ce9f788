//! How commands reach their server.

use wellspring_client::Client;

use crate::arguments::Target;
use crate::failure::Failure;

/// Connects to the server that the command line names.
pub(crate) async fn connect(target: &Target) -> Result<Client, Failure> {
    let name = concat!("wellspring-cli/", env!("CARGO_PKG_VERSION"));
    let mut builder = Client::builder(&target.server).client_name(name);
    if let Some(access_token) = &target.access_token {
        builder = builder.access_token(access_token);
    }
    builder.connect().await.map_err(|source| Failure::Connect {
        server: target.server.clone(),
        source,
    })
}
