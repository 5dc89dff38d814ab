//! Evidence packages: written, found sound, and every kind of tampering named.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use common::violation;
use stopline_store::evidence::{
    Device, EvidenceError, Fault, Manifest, Package, PackageFile, PublicKey, Signer, Source, Trust, VerifyError,
    Writer, verify,
};
use stopline_types::{EvidenceRef, RuleKind, Violation};

const DAY_S: f64 = 86_400.0;

struct World {
    dir: tempfile::TempDir,
    root: PathBuf,
    packages: Vec<EvidenceRef>,
}

impl World {
    fn package(&self, at: usize) -> PathBuf {
        self.root.join(&self.packages[at].path)
    }

    fn writer(&self) -> Writer {
        Writer::new(&self.root, Signer::open_or_create(&self.dir.path().join("keys")).unwrap()).unwrap()
    }

    fn violations() -> Vec<Violation> {
        (0..4).map(|n| violation("cam-1", f64::from(n) * DAY_S / 2.0, RuleKind::RedLight)).collect()
    }

    /// Four packages of one camera on two days, one of another.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("evidence");
        let mut this = Self { dir, root, packages: Vec::new() };
        let writer = this.writer();
        let mut all = Self::violations();
        all.push(violation("cam-2", 0.0, RuleKind::Speed));
        for violation in &all {
            this.packages.push(write(&writer, violation, this.dir.path()));
        }
        drop(writer);
        this
    }

    fn fault(&self) -> (PathBuf, Fault) {
        match verify(&self.root, None) {
            Err(VerifyError::Fault { path, fault }) => (path, fault),
            other => panic!("expected a fault, found {other:?}"),
        }
    }
}

fn write(writer: &Writer, violation: &Violation, dir: &Path) -> EvidenceRef {
    let clip = dir.join("clip-in.mp4");
    fs::write(&clip, vec![7; 100_000]).unwrap();
    let device = Device { name: "Speed meter X".into(), serial: "0042".into(), certificate: None };
    let file = |name: &str, source| PackageFile { name: name.into(), source };
    let evidence = writer
        .write(&Package {
            violation,
            site: "Ngã tư Lý Thường Kiệt",
            device: Some(&device),
            files: vec![
                file("act.jpg", Source::Bytes(violation.id.to_string().into_bytes())),
                file("clip.mp4", Source::Path(clip.clone())),
            ],
        })
        .unwrap();
    assert!(clip.exists(), "the source stays");
    evidence
}

fn manifest(package: &Path) -> Manifest {
    serde_json::from_slice(&fs::read(package.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn sound_evidence_passes() {
    let world = World::new();
    let report = verify(&world.root, None).unwrap();
    assert_eq!((report.packages, report.files, report.trust), (5, 10, Trust::Root));
    assert_eq!(report.bytes, 5 * (100_000 + 32));
    assert_eq!(report.chains.values().copied().collect::<Vec<_>>(), [4, 1]);

    let first = manifest(&world.package(0));
    let act = &World::violations()[0];
    assert_eq!(first.violation, *act);
    assert_eq!((first.chain.number, &first.chain.previous_sha256), (1, &None));
    assert_eq!(manifest(&world.package(1)).chain.previous_sha256.as_ref(), Some(&world.packages[0].manifest_sha256));
    assert_eq!(first.time, act.moments.act.time);
    assert_eq!(world.packages[0].path, format!("cam-1/2026/11/21/{}", act.id));
    assert_eq!(world.packages[0].files, ["act.jpg", "clip.mp4"]);

    // One package: in its place, with a key given, and taken elsewhere.
    assert_eq!(verify(&world.package(1), None).unwrap().trust, Trust::Root);
    let key = PublicKey::read(&world.dir.path().join("keys/public.pem")).unwrap();
    assert_eq!(verify(&world.package(1), Some(&key)).unwrap().trust, Trust::Given);
    let taken = world.dir.path().join("taken");
    fs::rename(world.package(1), &taken).unwrap();
    let report = verify(&taken, None).unwrap();
    assert_eq!((report.packages, report.trust, report.key_id), (1, Trust::Package, key.id()));
    assert!(matches!(verify(world.dir.path(), None), Err(VerifyError::NothingThere { .. })));
}

#[test]
fn openssl_agrees() {
    let world = World::new();
    let openssl = Command::new("openssl")
        .current_dir(world.package(0))
        .args(["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin"])
        .args(["-in", "manifest.json", "-sigfile", "manifest.sig"])
        .output();
    match openssl {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => eprintln!("skipped: openssl: {error}"),
    }
}

#[test]
fn every_tampering_with_a_package_is_named() {
    let flip = |path: PathBuf| {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    type Case = (&'static str, Box<dyn Fn(&Path)>, fn(&Fault) -> bool);
    let cases: [Case; 12] = [
        (
            "a flipped bit",
            Box::new(move |p| flip(p.join("clip.mp4"))),
            |f| matches!(f, Fault::FileHash { name, .. } if name == "clip.mp4"),
        ),
        (
            "a longer file",
            Box::new(|p| fs::write(p.join("act.jpg"), [0; 33]).unwrap()),
            |f| matches!(f, Fault::FileSize { name, expected: 32, found: 33 } if name == "act.jpg"),
        ),
        (
            "a missing file",
            Box::new(|p| fs::remove_file(p.join("clip.mp4")).unwrap()),
            |f| matches!(f, Fault::FileMissing { name } if name == "clip.mp4"),
        ),
        (
            "an added file",
            Box::new(|p| fs::write(p.join("more.jpg"), "x").unwrap()),
            |f| matches!(f, Fault::FileExtra { name } if name == "more.jpg"),
        ),
        (
            "an added folder",
            Box::new(|p| fs::create_dir(p.join("more")).unwrap()),
            |f| matches!(f, Fault::FileExtra { name } if name == "more"),
        ),
        (
            "an edited manifest",
            Box::new(|p| {
                let path = p.join("manifest.json");
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.contains("59S106865"));
                fs::write(path, text.replace("59S106865", "59S106866")).unwrap();
            }),
            |f| matches!(f, Fault::SignatureWrong { .. }),
        ),
        ("no manifest", Box::new(|p| fs::remove_file(p.join("manifest.json")).unwrap()), |f| {
            matches!(f, Fault::ManifestMissing)
        }),
        ("no signature", Box::new(|p| fs::remove_file(p.join("manifest.sig")).unwrap()), |f| {
            matches!(f, Fault::SignatureMissing)
        }),
        ("a short signature", Box::new(|p| fs::write(p.join("manifest.sig"), "x").unwrap()), |f| {
            matches!(f, Fault::SignatureMalformed { found: 1 })
        }),
        ("a flipped signature", Box::new(move |p| flip(p.join("manifest.sig"))), |f| {
            matches!(f, Fault::SignatureWrong { .. })
        }),
        ("no key", Box::new(|p| fs::remove_file(p.join("public.pem")).unwrap()), |f| {
            matches!(f, Fault::KeyFile { .. })
        }),
        (
            "everything gone",
            Box::new(|p| fs::read_dir(p).unwrap().for_each(|e| fs::remove_file(e.unwrap().path()).unwrap())),
            |f| matches!(f, Fault::ManifestMissing),
        ),
    ];
    for (what, tamper, named) in cases {
        let world = World::new();
        let package = world.package(2);
        tamper(&package);
        let (path, fault) = world.fault();
        assert_eq!(path, package, "{what}");
        assert!(named(&fault), "{what}: {fault}");
    }
}

#[test]
fn every_tampering_with_the_chain_is_named() {
    // Two packages swapped.
    let world = World::new();
    let (a, b, aside) = (world.package(0), world.package(1), world.root.join("aside"));
    fs::rename(&a, &aside).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&aside, &b).unwrap();
    let (path, fault) = world.fault();
    assert!([&a, &b].contains(&&path), "{path:?}");
    assert!(matches!(fault, Fault::Field { field: "violation.id", .. }), "{fault}");

    // Moved to another camera.
    let world = World::new();
    let moved = world.root.join("cam-2").join(world.packages[3].path.strip_prefix("cam-1/").unwrap());
    fs::create_dir_all(moved.parent().unwrap()).unwrap();
    fs::rename(world.package(3), &moved).unwrap();
    fs::remove_dir_all(world.root.join("cam-1")).unwrap();
    assert!(matches!(world.fault().1, Fault::Field { field: "violation.camera", .. }));

    // Cut in the middle, and at the end.
    let world = World::new();
    fs::remove_dir_all(world.package(1)).unwrap();
    assert!(matches!(world.fault().1, Fault::ChainNumber { expected: 2, found: 3, .. }));
    let world = World::new();
    fs::remove_dir_all(world.package(3)).unwrap();
    assert!(matches!(world.fault().1, Fault::ChainEnd { expected: 4, found: 3, .. }));

    // The chain's state removed or edited.
    let state = |world: &World| world.root.join("cam-1/chain.json");
    let world = World::new();
    fs::remove_file(state(&world)).unwrap();
    assert!(matches!(world.fault().1, Fault::ChainState { .. }));
    let world = World::new();
    let text = fs::read_to_string(state(&world)).unwrap();
    fs::write(state(&world), text.replace("\"number\": 4", "\"number\": 3")).unwrap();
    assert!(matches!(world.fault().1, Fault::ChainState { .. }));

    // Strangers.
    let world = World::new();
    fs::write(world.root.join("cam-1/2026/note.txt"), "x").unwrap();
    assert!(matches!(world.fault().1, Fault::FileExtra { name } if name == "note.txt"));
    let world = World::new();
    fs::write(world.root.join("note.txt"), "x").unwrap();
    assert!(matches!(world.fault().1, Fault::FileExtra { name } if name == "note.txt"));
}

#[test]
fn a_link_that_does_not_follow_is_named() {
    let world = World::new();
    // The holder of the key writes another history of two packages and puts its second in place of ours.
    let forged = world.dir.path().join("forged");
    let signer = Signer::open_or_create(&world.dir.path().join("keys")).unwrap();
    let writer = Writer::new(&forged, signer).unwrap();
    let acts = World::violations();
    write(&writer, &Violation { confidence: 0.1, ..acts[0].clone() }, world.dir.path());
    let second = write(&writer, &acts[1], world.dir.path());
    fs::remove_dir_all(world.package(1)).unwrap();
    fs::rename(forged.join(second.path), world.package(1)).unwrap();
    let (path, fault) = world.fault();
    assert_eq!(path, world.package(1));
    assert!(matches!(fault, Fault::ChainLink { number: 2, .. }), "{fault}");
}

#[test]
fn another_key_is_noticed() {
    let world = World::new();
    let stranger = Signer::open_or_create(&world.dir.path().join("other-keys")).unwrap();
    let found = verify(&world.root, Some(&stranger.public_key()));
    assert!(matches!(found, Err(VerifyError::Fault { .. })), "{found:?}");
    assert!(matches!(Writer::new(&world.root, stranger), Err(EvidenceError::OtherKey { .. })));
}

#[test]
fn a_chain_goes_on_under_a_new_key_and_a_key_nobody_vouches_for_is_named() {
    let world = World::new();
    let keys = world.dir.path().join("keys");
    let first = PublicKey::read(&keys.join("public.pem")).unwrap();
    let second = Signer::change(&keys).unwrap().public_key();
    let third = Signer::change(&keys).unwrap().public_key();
    assert!(first != second && second != third);
    assert_eq!(fs::metadata(keys.join("signing-key.pem")).unwrap().permissions().mode() & 0o777, 0o600);
    let writer = world.writer();
    let fifth = write(&writer, &violation("cam-1", 5.0, RuleKind::StopLine), world.dir.path());
    let link = manifest(&world.root.join(&fifth.path));
    assert_eq!((link.chain.number, &link.key_id), (5, &third.id()));
    assert_eq!(link.chain.previous_sha256.as_ref(), Some(&world.packages[3].manifest_sha256), "the chain goes on");

    // Whichever key one holds, all of it is sound: the folder's own, the first, and the one that signed nothing.
    for trusted in [None, Some(&first), Some(&second), Some(&third)] {
        let report = verify(&world.root, trusted).unwrap();
        assert_eq!((report.packages, report.chains.values().sum::<u64>()), (6, 6));
    }
    assert_eq!(verify(&world.package(0), Some(&third)).unwrap().packages, 1);
    let stranger = Signer::open_or_create(&world.dir.path().join("other-keys")).unwrap().public_key();
    assert!(verify(&world.root, Some(&stranger)).is_err());

    // Without the word of the old key nothing leads to it: the first link is named.
    let list = world.root.join("keys.json");
    let good = fs::read_to_string(&list).unwrap();
    let first_link = |fault: &Fault| matches!(fault, Fault::KeyUnknown { number: 1, found, trusted } if *found == first.id() && *trusted == third.id());
    for (what, list_says) in [
        ("gone", None),
        (
            "the first change left out",
            Some({
                let mut changes: serde_json::Value = serde_json::from_str(&good).unwrap();
                changes.as_array_mut().unwrap().remove(0);
                changes.to_string()
            }),
        ),
        (
            "signatures of others",
            Some({
                let mut changes: serde_json::Value = serde_json::from_str(&good).unwrap();
                for key in ["by_old", "by_new"] {
                    changes[0][key] = changes[1][key].clone();
                }
                changes.to_string()
            }),
        ),
    ] {
        match &list_says {
            Some(text) => fs::write(&list, text).unwrap(),
            None => fs::remove_file(&list).unwrap(),
        }
        // The chain of the camera that the new key never wrote for ends in an unknown signature; its packages are looked at
        // only after that, so it is left out here.
        let aside = world.dir.path().join("cam-2");
        fs::rename(world.root.join("cam-2"), &aside).unwrap();
        let (path, fault) = world.fault();
        assert!(first_link(&fault) && path == world.package(0), "{what}: {fault}");
        fs::rename(&aside, world.root.join("cam-2")).unwrap();
        assert!(verify(&world.root, None).is_err(), "{what}");
    }
    fs::write(&list, good).unwrap();
    verify(&world.root, None).unwrap();
    // A writer with a key that does not come after the folder's is refused, with one that does goes on.
    drop(writer);
    let stranger = Signer::open_or_create(&world.dir.path().join("other-keys")).unwrap();
    assert!(matches!(Writer::new(&world.root, stranger), Err(EvidenceError::OtherKey { .. })));
    let writer = world.writer();
    write(&writer, &violation("cam-2", 6.0, RuleKind::StopLine), world.dir.path());
    assert_eq!(verify(&world.root, None).unwrap().packages, 7);
}

#[test]
fn keys_are_private_and_stay() {
    let dir = tempfile::tempdir().unwrap();
    let id = Signer::open_or_create(dir.path()).unwrap().public_key().id();
    assert_eq!(Signer::open_or_create(dir.path()).unwrap().public_key().id(), id);
    assert_eq!(PublicKey::read(&dir.path().join("public.pem")).unwrap().id(), id);
    assert_eq!(id.len(), 16);
    let private = dir.path().join("signing-key.pem");
    assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&private, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Signer::open_or_create(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("600"), "{refused}");
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&private, "nonsense").unwrap();
    assert!(matches!(Signer::open_or_create(dir.path()), Err(EvidenceError::Key { .. })));
}

#[test]
fn writing_again_changes_nothing_and_chains_go_on() {
    let world = World::new();
    let act = &World::violations()[1];
    let before = fs::read(world.package(1).join("manifest.json")).unwrap();
    let writer = world.writer();
    assert_eq!(write(&writer, act, world.dir.path()), world.packages[1]);
    assert_eq!(fs::read(world.package(1).join("manifest.json")).unwrap(), before);
    let fifth = write(&writer, &violation("cam-1", 5.0, RuleKind::StopLine), world.dir.path());
    let chain = manifest(&world.root.join(fifth.path)).chain;
    assert_eq!((chain.number, chain.previous_sha256), (5, Some(world.packages[3].manifest_sha256.clone())));
    assert!(matches!(
        Writer::new(&world.root, Signer::open_or_create(&world.dir.path().join("keys")).unwrap()),
        Err(EvidenceError::InUse { .. })
    ));
    verify(&world.root, None).unwrap();
}

#[test]
fn the_end_of_the_chain_is_found_after_a_crash() {
    let world = World::new();
    let state = world.root.join("cam-1/chain.json");
    fs::remove_file(&state).unwrap();
    // Worst case, no chain.json at all: the packages tell.
    let writer = world.writer();
    let next = write(&writer, &violation("cam-1", 9.0, RuleKind::StopLine), world.dir.path());
    assert_eq!(manifest(&world.root.join(next.path)).chain.number, 5);
    verify(&world.root, None).unwrap();
    drop(writer);

    // A package that was begun and never got its place is forgotten, and its number used again.
    fs::create_dir_all(world.root.join(".unfinished/abc")).unwrap();
    let writer = world.writer();
    assert!(!world.root.join(".unfinished/abc").exists());
    let next = write(&writer, &violation("cam-1", 10.0, RuleKind::StopLine), world.dir.path());
    assert_eq!(manifest(&world.root.join(next.path)).chain.number, 6);
    verify(&world.root, None).unwrap();
}

#[test]
fn names_that_cannot_stand_in_a_package_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::new(&dir.path().join("root"), Signer::open_or_create(dir.path()).unwrap()).unwrap();
    let act = violation("cam-1", 1.0, RuleKind::RedLight);
    for name in ["", "../x", "a/b", "manifest.json", "public.pem", ".hidden", "Ảnh.jpg"] {
        let files = vec![PackageFile { name: name.into(), source: Source::Bytes(vec![]) }];
        let refused = writer.write(&Package { violation: &act, site: "", device: None, files });
        assert!(matches!(refused, Err(EvidenceError::FileName { .. })), "{name:?}");
    }
    let gone = vec![PackageFile { name: "clip.mp4".into(), source: Source::Path("/nowhere/clip.mp4".into()) }];
    let refused = writer.write(&Package { violation: &act, site: "", device: None, files: gone });
    assert!(refused.unwrap_err().to_string().contains("/nowhere/clip.mp4"));
    assert!(verify(&dir.path().join("root"), None).unwrap().packages == 0, "a failed package leaves nothing");
}
