//! HTTPS to a ClickHouse server and to a store of evidence: the system's roots, or a private CA where one is given.

use std::{path::Path, sync::Arc, time::Duration};

use clickhouse::Client;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{client::legacy, client::legacy::connect::HttpConnector, rt::TokioExecutor};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::StoreError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// Shorter than ClickHouse's own 3 s, so that we never send on a connection it is just closing.
const IDLE: Duration = Duration::from_secs(2);

/// Opens connections.
pub(crate) type Connector = HttpsConnector<HttpConnector>;

/// A client that trusts the system's roots or, if given, only what `ca_file` (PEM) holds.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<Client, StoreError> {
    let connector = connector(ca_file, false)?;
    let http = legacy::Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector);
    Ok(Client::with_http_client(http))
}

/// As [`client`], for any request; `plain`: without TLS, and then no certificate is asked for.
pub(crate) fn connector(ca_file: Option<&Path>, plain: bool) -> Result<Connector, StoreError> {
    let refused = |reason: String| StoreError::Tls(reason);
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let named = |reason: &dyn std::fmt::Display| StoreError::Tls(format!("{}: {reason}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| named(&error))? {
                let certificate = certificate.map_err(|error| named(&error))?;
                roots.add(certificate).map_err(|error| named(&error))?;
            }
            if roots.is_empty() {
                return Err(named(&"holds no certificate in PEM"));
            }
        }
        None if plain => {}
        None => {
            let found = rustls_native_certs::load_native_certs();
            let (usable, _unusable) = roots.add_parsable_certificates(found.certs);
            if usable == 0 {
                return Err(refused("the system has no root certificates; give the server's CA in ca_file".into()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connector = HttpConnector::new();
    connector.set_keepalive(Some(TCP_KEEPALIVE));
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.enforce_http(false);
    let builder = HttpsConnectorBuilder::new().with_tls_config(config);
    let builder = if plain { builder.https_or_http() } else { builder.https_only() };
    Ok(builder.enable_http1().wrap_connector(connector))
}
