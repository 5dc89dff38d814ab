//! Evidence copied into a bucket: against a real S3 server (s3s, a crate of its own, on files), which checks signatures.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use common::{eventually, violation};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use stopline_store::evidence::{
    Bucket, BucketConfig, Fault, Package, PackageFile, PublicKey, Signer, Source, Trust, VerifyError, Writer, verify,
    verify_bucket,
};
use stopline_types::{EvidenceRef, RuleKind, Violation};

/// A server on files of its own. Dropped, it is away.
struct Server {
    runtime: Option<tokio::runtime::Runtime>,
    port: u16,
    files: PathBuf,
}

impl Server {
    fn start(files: &Path, port: u16) -> Self {
        fs::create_dir_all(files.join("proofs")).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(files).unwrap());
        service.set_auth(SimpleAuth::from_single("stopline", "hunter2"));
        let service = service.build();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    drop(server.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self { runtime: Some(runtime), port, files: files.to_owned() }
    }

    fn config(&self) -> BucketConfig {
        BucketConfig {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            bucket: "proofs".into(),
            prefix: "thai-binh/gate".into(),
            region: "us-east-1".into(),
            access_key: "stopline".into(),
            secret_key: "hunter2".into(),
            ca_file: None,
        }
    }

    fn bucket(&self) -> Bucket {
        Bucket::new(self.config()).unwrap()
    }

    /// Where the server keeps an object.
    fn object(&self, path: &str) -> PathBuf {
        self.files.join("proofs/thai-binh/gate").join(path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_timeout(Duration::from_secs(5));
    }
}

struct World {
    dir: tempfile::TempDir,
    server: Server,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&dir.path().join("s3"), 0);
        Self { dir, server }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("evidence")
    }

    fn local(&self) -> Writer {
        Writer::new(&self.root(), Signer::open_or_create(&self.dir.path().join("keys")).unwrap()).unwrap()
    }

    fn copying(&self) -> Writer {
        self.local().copying_to(self.server.bucket()).unwrap()
    }

    fn fault(&self) -> (PathBuf, Fault) {
        match verify_bucket(self.server.bucket(), "", None) {
            Err(VerifyError::Fault { path, fault }) => (path, fault),
            other => panic!("expected a fault, found {other:?}"),
        }
    }
}

fn act(n: u32) -> Violation {
    violation("cam-1", f64::from(n) * 60.0, RuleKind::RedLight)
}

fn write(writer: &Writer, violation: &Violation) -> EvidenceRef {
    let file = |name: &str, bytes: &[u8]| PackageFile { name: name.into(), source: Source::Bytes(bytes.to_vec()) };
    let files = vec![file("act.jpg", violation.id.to_string().as_bytes()), file("clip.mp4", &[7; 300_000])];
    writer.write(&Package { violation, site: "Ngã tư", device: None, files }).unwrap()
}

#[test]
fn a_package_is_in_the_bucket_before_its_reference_is_given() {
    let world = World::new();
    let writer = world.copying();
    let written: Vec<_> = (0..3).map(|n| write(&writer, &act(n))).collect();
    for evidence in &written {
        for name in evidence.files.iter().map(String::as_str).chain(["manifest.json", "manifest.sig", "public.pem"]) {
            let copy = fs::read(world.server.object(&format!("{}/{name}", evidence.path))).unwrap();
            assert_eq!(copy, fs::read(world.root().join(&evidence.path).join(name)).unwrap(), "{name}");
        }
    }
    let copying = writer.copying().unwrap();
    assert_eq!((copying.waiting, copying.copied, copying.last_error.as_str()), (0, 3, ""));
    let both = [verify(&world.root(), None).unwrap(), verify_bucket(world.server.bucket(), "", None).unwrap()];
    assert_eq!(both[0], both[1]);
    assert_eq!((both[1].packages, both[1].files, both[1].trust), (3, 6, Trust::Root));
    let one = verify_bucket(world.server.bucket(), &written[1].path, None).unwrap();
    assert_eq!((one.packages, one.trust), (1, Trust::Root));
    let key = PublicKey::read(&world.dir.path().join("keys/public.pem")).unwrap();
    assert_eq!(verify_bucket(world.server.bucket(), "", Some(&key)).unwrap().trust, Trust::Given);
    // Under a new key the chain goes on there too.
    drop(writer);
    Signer::change(&world.dir.path().join("keys")).unwrap();
    let writer = world.copying();
    write(&writer, &act(3));
    assert_eq!(verify_bucket(world.server.bucket(), "", Some(&key)).unwrap().packages, 4);
    let nothing = verify_bucket(world.server.bucket(), "elsewhere", None);
    assert!(matches!(nothing, Err(VerifyError::NothingThere { .. })), "{nothing:?}");
}

#[test]
fn what_is_wrong_in_a_bucket_is_named() {
    let world = World::new();
    let writer = world.copying();
    let written: Vec<_> = (0..3).map(|n| write(&writer, &act(n))).collect();
    let object = |n: usize, name: &str| world.server.object(&format!("{}/{name}", written[n].path));
    let clip = object(1, "clip.mp4");
    let good = fs::read(&clip).unwrap();
    let mut bad = good.clone();
    bad[1000] ^= 1;
    fs::write(&clip, bad).unwrap();
    let (path, fault) = world.fault();
    assert_eq!(path, Path::new(&written[1].path));
    assert!(matches!(&fault, Fault::FileHash { name, .. } if name == "clip.mp4"), "{fault}");
    fs::remove_file(&clip).unwrap();
    assert!(matches!(world.fault().1, Fault::FileMissing { name } if name == "clip.mp4"));
    fs::write(&clip, good).unwrap();
    fs::write(object(2, "note.txt"), "x").unwrap();
    assert!(matches!(world.fault().1, Fault::FileExtra { name } if name == "note.txt"));
    fs::remove_dir_all(world.server.object(&written[2].path)).unwrap();
    assert!(matches!(world.fault().1, Fault::ChainEnd { expected: 3, found: 2, .. }));
    fs::remove_dir_all(world.server.object(&written[1].path)).unwrap();
    fs::remove_file(world.server.object("cam-1/chain.json")).unwrap();
    assert!(matches!(world.fault().1, Fault::ChainState { .. }));
}

#[test]
fn a_bucket_that_is_away_is_waited_for_and_nothing_is_forgotten() {
    let World { dir, server } = World::new();
    let (port, files) = (server.port, server.files.clone());
    let world = World { dir, server };
    // Written before there was a bucket.
    let early = world.local();
    write(&early, &act(0));
    drop(early);
    let config = world.server.config();
    let World { dir, server } = world;
    drop(server);
    let root = dir.path().join("evidence");
    let open = || Writer::new(&root, Signer::open_or_create(&dir.path().join("keys")).unwrap()).unwrap();
    let writer = open().copying_to(Bucket::new(config.clone()).unwrap()).unwrap();
    eventually("it is told", || !writer.copying().unwrap().last_error.is_empty());
    let error = writer.copying().unwrap().last_error;
    assert!(error.contains("proofs") && !error.contains("hunter2"), "{error}");
    // The package is here, and goes on.
    write(&writer, &act(1));
    verify(&root, None).unwrap();
    // Killed with two to copy, one of them never put into its place.
    drop(writer);
    fs::write(root.join(".to_copy/00000000000000000000000000000000"), "cam-1/2026/11/21/gone").unwrap();
    let server = Server::start(&files, port);
    let writer = open().copying_to(Bucket::new(config).unwrap()).unwrap();
    eventually("both are copied", || writer.copying().unwrap().copied == 2);
    assert_eq!(verify_bucket(server.bucket(), "", None).unwrap().packages, 2);
    write(&writer, &act(2));
    assert_eq!(verify_bucket(server.bucket(), "", None).unwrap().packages, 3);
}

#[test]
fn a_wrong_secret_is_a_clear_error() {
    let world = World::new();
    let wrong = BucketConfig { secret_key: "s3cret".into(), ..world.server.config() };
    assert!(!format!("{wrong:?} {wrong}").contains("s3cret"));
    let refused = verify_bucket(Bucket::new(wrong).unwrap(), "", None).unwrap_err().to_string();
    assert!(refused.contains("proofs") && !refused.contains("s3cret"), "{refused}");
    let no_ca = BucketConfig {
        endpoint: "https://127.0.0.1:1".into(),
        ca_file: Some("/nowhere/ca.pem".into()),
        ..world.server.config()
    };
    assert!(Bucket::new(no_ca).unwrap_err().to_string().contains("/nowhere/ca.pem"));
}
