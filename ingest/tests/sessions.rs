//! Ways to reach a camera: UDP, Basic, IPv6, TLS; and how often a wrong password is tried.
#![allow(clippy::unwrap_used)]

mod common;

use std::{path::Path, time::Duration};

use common::{PASSWORD, PATIENCE, Server, gate, password_file, proxy::Proxy, start, streams, until};
use stopline_ingest::{Devices, SessionFault, config::Streams, handoff::Hub, probe::probe};
use stopline_types::{CameraState, StreamRole};

/// Frames come and are decoded.
async fn works(streams: Streams) {
    let hub = Hub::new();
    let camera = start(streams, hub.mailbox(&gate(), 1.0));
    let seen = until(&camera, "frames", |s| s.state == CameraState::Online && s.counters.frames_decoded > 5).await;
    // Whoever joins a live encoder sees up to a group (five frames here) before the first key frame.
    assert!(seen.counters.frames_undecodable < 5 && seen.counters.reconnects == 0, "{seen:?}");
    assert_eq!(camera.panics(), 0);
    camera.stop().await;
}

async fn fault(streams: Streams) -> SessionFault {
    let answer = probe(&gate(), &streams, &Devices::default(), PATIENCE).await.remove(&StreamRole::Main).unwrap();
    let error = answer.unwrap_err();
    assert!(error.to_string().starts_with("camera gate, main stream rtsp"), "{error}");
    error.fault
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_basic_and_the_sixth_version() {
    let server = Server::start(0, true);
    let dir = tempfile::tempdir().unwrap();
    let password = password_file(&dir, PASSWORD);
    let udp = serde_json::json!({"main": {"url": server.sub, "transport": "udp"}});
    works(streams(udp, Some(&password))).await;

    let basic = Server::odd(&["--basic", &format!("viewer:{PASSWORD}"), "/cam=h264"]);
    let json = serde_json::json!({"main": {"url": format!("rtsp://127.0.0.1:{}/cam", basic.port)}});
    works(streams(json.clone(), Some(&password))).await;
    let wrong = fault(streams(json, Some(&password_file(&dir, "sai-mat-khau")))).await;
    assert_eq!(wrong, SessionFault::WrongLogin { user: "viewer".into() });

    let six = Server::odd(&["--bind", "::1", "/cam=h264"]);
    works(streams(serde_json::json!({"main": {"url": format!("rtsp://[::1]:{}/cam", six.port)}}), None)).await;
}

/// An authority and a certificate of its for 127.0.0.1, as files: the authority's, and certificate with key.
fn certificates(dir: &Path) -> (String, String) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let (ca_file, server_file) = (dir.join("ca.pem"), dir.join("camera.pem"));
    std::fs::write(&ca_file, ca_pem).unwrap();
    std::fs::write(&server_file, leaf.pem() + &key.serialize_pem()).unwrap();
    (ca_file.display().to_string(), server_file.display().to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_an_authority_of_ones_own() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ca, certificate) = certificates(dir.path());
    let (other_ca, _) = certificates(other.path());
    let server = Server::odd(&["--tls", &certificate, "/cam=h264"]);
    let url = format!("rtsps://127.0.0.1:{}/cam", server.port);
    works(streams(serde_json::json!({"main": {"url": url}, "ca_file": ca}), None)).await;

    let unknown = fault(streams(serde_json::json!({"main": {"url": url}, "ca_file": other_ca}), None)).await;
    assert!(matches!(&unknown, SessionFault::Tls { .. }), "{unknown}");
    let named = serde_json::json!({"main": {"url": url}, "ca_file": ca, "tls_name": "other.example"});
    let named = fault(streams(named, None)).await;
    assert!(matches!(&named, SessionFault::Tls { reason, .. } if reason.contains("other.example")), "{named}");
    let plain = Server::odd(&["/cam=h264"]);
    let url = format!("rtsps://127.0.0.1:{}/cam", plain.port);
    let plain = fault(streams(serde_json::json!({"main": {"url": url}, "ca_file": ca}), None)).await;
    assert!(matches!(plain, SessionFault::Tls { .. } | SessionFault::NoAnswer { .. }), "{plain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_tried_once_for_all_streams_of_a_device() {
    let server = Server::start(0, true);
    let proxy = Proxy::start(server.port).await;
    let dir = tempfile::tempdir().unwrap();
    let json = serde_json::json!({"main": {"url": proxy.url("gate/main")}, "sub": {"url": proxy.url("gate/sub")}});
    let hub = Hub::new();
    let camera = start(streams(json, Some(&password_file(&dir, "sai-mat-khau"))), hub.mailbox(&gate(), 1.0));
    let barred = until(&camera, "the refusal", |s| s.state == CameraState::Suspended).await;
    assert!(barred.reason.contains("user name or password is wrong"), "{}", barred.reason);
    assert!(!barred.reason.contains("sai-mat-khau"));
    // Longer than any pause after another fault.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(proxy.connections(), 1, "of two streams, one asked, once");
    camera.stop().await;
}
