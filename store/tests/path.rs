//! From the spool into a real embedded ClickHouse.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{embedded, incident, passage, review, store, violation};
use stopline_store::{
    Endpoint, Store,
    queries::TableName,
    ship::{ShipOptions, Shipper},
    spool::{Spool, SpoolLimits},
};
use stopline_types::{Event, RuleKind, Verdict};

#[tokio::test(flavor = "multi_thread")]
async fn events_go_from_the_spool_to_their_tables() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let store = store(chdb.endpoint()).await;
    assert_eq!(store.migrate().await.unwrap(), 0, "a second migration finds nothing to do");
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    let shipper = Shipper::start(spool.clone(), &store, ShipOptions::default()).unwrap();

    let act = violation("cam-1", 5.0, RuleKind::RedLight);
    let mut events: Vec<Event> = (0..100).map(|n| passage("cam-1", f64::from(n), Some("59S106865"))).collect();
    events.push(Event::Violation(Box::new(act.clone())));
    events.push(Event::Review(review(&act, 1, Verdict::Confirmed)));
    events.push(incident("cam-1", 7.0));
    assert_eq!(spool.append(&events).unwrap().stored, events.len());
    assert!(shipper.drain(Duration::from_secs(30)), "{:?}", shipper.stats());
    let stats = shipper.stats();
    assert_eq!(stats.rows["passages"], 100);
    assert_eq!((stats.rows["violations"], stats.rows["reviews"], stats.rows["incidents"]), (1, 1, 1));
    assert_eq!(stats.dead_letters, 0);
    shipper.stop();
    chdb.stop();
}

/// A CA, and a proxy that speaks TLS with a certificate of that CA in front of a plain port. Gives the CA in PEM and the
/// proxy's port.
async fn tls_proxy(to: String) -> (String, u16) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, to) = (acceptor.clone(), to.clone());
            tokio::spawn(async move {
                // A client that does not trust us breaks off.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut plain = tokio::net::TcpStream::connect(to).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut stream, &mut plain).await);
            });
        }
    });
    (pem, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_private_ca_is_reached_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let (pem, port) = tls_proxy(chdb.endpoint().url.strip_prefix("http://").unwrap().to_owned()).await;
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let secure = Endpoint {
        url: format!("https://localhost:{port}"),
        ca_file: Some(ca_file.clone()),
        ..chdb.endpoint().clone()
    };
    let tables = store(&secure).await;
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    let shipper = Shipper::start(spool.clone(), &tables, ShipOptions::default()).unwrap();
    spool.append(&[passage("cam-1", 1.0, None)]).unwrap();
    assert!(shipper.drain(Duration::from_secs(60)), "{:?}", shipper.stats());
    assert_eq!(tables.ids(TableName::Passages).await.unwrap().len(), 1);
    shipper.stop();

    // Who is not of that CA is not believed; what is no certificate is refused at once.
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    std::fs::write(&ca_file, other).unwrap();
    let refused = Store::connect(&secure).unwrap().version().await.unwrap_err();
    assert!(format!("{refused:?}").contains("InvalidCertificate"), "{refused:?}");
    std::fs::write(&ca_file, "no certificate").unwrap();
    let refused = Store::connect(&secure).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("ca.pem: holds no certificate"), "{refused}");
    let gone = Endpoint { ca_file: Some(dir.path().join("gone.pem")), ..secure.clone() };
    assert!(Store::connect(&gone).map(|_| ()).unwrap_err().to_string().contains("gone.pem"));
    let plain = Endpoint { url: chdb.endpoint().url.clone(), ..secure };
    assert!(Store::connect(&plain).map(|_| ()).unwrap_err().to_string().contains("http"));
    chdb.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_no_table_should_hold_go_to_dead_letters() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let store = store(chdb.endpoint()).await;
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    let now: stopline_types::UtcUs = std::time::SystemTime::now().into();
    let dated = |name: &str, days: f64| {
        let Event::Passage(mut event) = passage(name, 1.0, None) else { panic!("a passage") };
        event.utc = now.plus_s(days * 86_400.0);
        Event::Passage(event)
    };
    let mut long = review(&violation("cam-1", 1.0, RuleKind::Speed), 1, Verdict::Rejected);
    long.note = "x".repeat(600 << 10);
    let events =
        [dated("cam-1", 0.0), dated("cam-2", 3.0), dated("cam-3", 900_000.0), Event::Review(long), dated("cam-4", 0.5)];
    spool.append(&events).unwrap();
    let shipper = Shipper::start(spool, &store, ShipOptions::default()).unwrap();
    assert!(shipper.drain(Duration::from_secs(60)), "{:?}", shipper.stats());
    assert_eq!((shipper.stats().rows["passages"], shipper.stats().dead_letters), (2, 3));
    shipper.stop();
    let kept = store.dead_letters(10).await.unwrap();
    let mut causes: Vec<_> = kept.iter().map(|letter| (letter.camera.as_str(), letter.cause.as_str())).collect();
    causes.sort_unstable();
    assert_eq!(causes, [("cam-1", "oversized"), ("cam-2", "time"), ("cam-3", "time")]);
    let long = kept.iter().find(|letter| letter.cause == "oversized").unwrap();
    assert!(long.body.len() > 600 << 10 && long.reason.contains("expected at most"), "{}", long.reason);
    chdb.stop();
}
