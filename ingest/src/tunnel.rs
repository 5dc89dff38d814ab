//! `rtsps://`: RTSP inside TLS (RFC 7826 section 19.2), which the RTSP library does not speak.
//!
//! The TLS connection ends in this process; the library talks to a loopback socket whose other end is that connection.
//! The socket takes one connection and is then closed.

use std::{net::SocketAddr, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::{connect::SessionFault, secret::StreamUrl};

/// Whose certificates are believed, and which name they have to show.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Trust {
    /// The authorities of `ca_file` (PEM) alone, or the system's. `name`: what the certificate must be for, if that is
    /// not the host of the address.
    pub(crate) fn new(ca_file: Option<&Path>, name: Option<&str>, url: &StreamUrl) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match ca_file {
            Some(path) => {
                for certificate in certificates_of(path)? {
                    roots.add(certificate).map_err(|e| format!("{}: not a usable certificate: {e}", path.display()))?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
        }
        if roots.is_empty() {
            return Err(match ca_file {
                Some(path) => format!("{}: holds no certificate; expected PEM", path.display()),
                None => "this machine knows no certificate authorities; give streams.ca_file".to_owned(),
            });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = name.map_or_else(|| url.host(), str::to_owned);
        let name = ServerName::try_from(name.clone()).map_err(|_| format!("{name:?} is no name or address"))?;
        Ok(Self { config: Arc::new(config), name })
    }
}

fn certificates_of(path: &Path) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, String> {
    use rustls::pki_types::pem::PemObject;
    let read = rustls::pki_types::CertificateDer::pem_file_iter(path);
    let read = read.and_then(Iterator::collect);
    read.map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Connects to `url` and gives the loopback address that leads there.
pub(crate) async fn open(url: &StreamUrl, trust: &Trust) -> Result<SocketAddr, SessionFault> {
    let host = url.host_port();
    let unreachable = |e: std::io::Error| SessionFault::Unreachable { host: host.clone(), reason: e.to_string() };
    let camera = TcpStream::connect((url.host(), url.port())).await.map_err(unreachable)?;
    let connector = TlsConnector::from(Arc::clone(&trust.config));
    let camera = connector
        .connect(trust.name.clone(), camera)
        .await
        .map_err(|e| SessionFault::Tls { host: host.clone(), reason: e.to_string() })?;
    let inside = |e: std::io::Error| SessionFault::Broken { reason: format!("no loopback socket for TLS: {e}") };
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.map_err(inside)?;
    let address = listener.local_addr().map_err(inside)?;
    tokio::spawn(async move {
        // Nobody comes if opening is given up meanwhile.
        let Ok(Ok((library, _))) = tokio::time::timeout(crate::connect::CONNECT_TIMEOUT, listener.accept()).await
        else {
            return;
        };
        drop(listener);
        let (mut from_library, mut to_library) = tokio::io::split(library);
        let (mut from_camera, mut to_camera) = tokio::io::split(camera);
        // Ends when either side closes; the session notices that by itself, so the error says nothing new.
        tokio::select! {
            _ = tokio::io::copy(&mut from_library, &mut to_camera) => {}
            _ = tokio::io::copy(&mut from_camera, &mut to_library) => {}
        }
    });
    Ok(address)
}
