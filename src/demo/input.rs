//! What the demo shows: the built-in clip, a clip of the user's, or the user's cameras.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{clip::streamable, simulator::Simulator};
use crate::{WrongUse, cli::DemoArgs, score::Truth};

const SIMULATED_USER: &str = "stopline";

/// What is shown.
pub(super) struct Input {
    /// One line for people: what it is and where it comes from.
    pub says: String,
    /// What really happens in it, if known.
    pub truth: Option<Truth>,
    /// True when the clip is known to hold passages and violations, so that their absence is a failure.
    pub must_find: bool,
    source: Source,
    scene: Option<PathBuf>,
}

enum Source {
    Clip { main: PathBuf, sub: Option<PathBuf> },
    Cameras(Vec<String>),
}

/// `clip.toml` of an example: the clip its scene was drawn for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownClip {
    /// SHA-256 of the clip, so that a renamed copy is still known.
    sha256: String,
    /// The camera file in `cameras/` whose scene applies.
    camera: String,
    /// Its truth, beside the clip.
    truth: String,
}

impl Input {
    pub(super) fn choose(args: &DemoArgs) -> anyhow::Result<Self> {
        let examples = args.repository.join("config/examples");
        let cameras: Vec<String> = args.camera.iter().filter(|url| !url.is_empty()).cloned().collect();
        if !cameras.is_empty() {
            let says = format!("{} camera(s) of yours", cameras.len());
            let (source, scene) = (Source::Cameras(cameras), args.scene.clone());
            return Ok(Self { says, truth: None, must_find: false, source, scene });
        }
        let Some(clip) = &args.clip else {
            let fixture = args.repository.join("fixtures/junction");
            let (main, sub) = (fixture.join("main.mp4"), fixture.join("sub.mp4"));
            if !main.is_file() {
                bail!("{} is missing; run the demo in the checkout or give --repository", main.display());
            }
            let scene = args.scene.clone().unwrap_or(examples.join("junction/cameras/junction.toml"));
            return Ok(Self {
                says: "a Vietnamese junction rendered by this project's own script, 15 s in a loop, with exact truth \
                       (fixtures/junction); no real person or vehicle is in it"
                    .to_owned(),
                truth: Some(Truth::load(&fixture.join("truth.json"))?),
                must_find: true,
                source: Source::Clip { main, sub: Some(sub) },
                scene: Some(scene),
            });
        };
        if !clip.is_file() {
            return Err(WrongUse(format!("{}: no such clip", clip.display())).into());
        }
        let known = known_clip(&examples, clip)?;
        let (known_scene, truth) = match known {
            Some((scene, truth)) if truth.is_file() => (Some(scene), Some(Truth::load(&truth)?)),
            Some((scene, _)) => (Some(scene), None),
            None => (None, None),
        };
        let scene = args.scene.clone().or(known_scene);
        let with = match &scene {
            Some(scene) => format!("with the scene of {}", scene.display()),
            None => "without a scene: passages only, no violations (draw one and give SCENE=camera.toml)".to_owned(),
        };
        let says = format!("your clip {}, {with}", clip.display());
        let source = Source::Clip { main: clip.clone(), sub: None };
        Ok(Self { says, must_find: false, truth, source, scene })
    }

    /// Writes the camera files into `dir` and starts the simulated cameras, if any.
    pub(super) fn prepare(&self, args: &DemoArgs, dir: &Path) -> anyhow::Result<Option<Simulator>> {
        let cameras = dir.join("cameras");
        fs::create_dir_all(&cameras).with_context(|| cameras.display().to_string())?;
        for old in fs::read_dir(&cameras)? {
            fs::remove_file(old?.path())?;
        }
        match &self.source {
            Source::Cameras(urls) => {
                for (i, url) in urls.iter().enumerate() {
                    let id = format!("camera-{}", i + 1);
                    self.write_camera(&cameras, &id, url, None, None)?;
                }
                Ok(None)
            }
            Source::Clip { main, sub } => {
                let password = random_password()?;
                let secret = dir.join("simulator.password");
                write_secret(&secret, &password)?;
                let stem = match &self.scene {
                    Some(scene) => scene.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
                    None => "clip".to_owned(),
                };
                let ids: Vec<_> = (1..=args.cameras).map(|i| format!("{stem}-{i}")).collect();
                let login = (SIMULATED_USER, password.as_str());
                let main = streamable(main, dir)?;
                let simulator = Simulator::start(&args.repository, &ids, &main, sub.as_deref(), login)?;
                for (id, streams) in &simulator.cameras {
                    self.write_camera(&cameras, id, &streams.main, streams.sub.as_deref(), Some(&secret))?;
                }
                Ok(Some(simulator))
            }
        }
    }

    /// The example's camera file with another id and other addresses.
    fn write_camera(
        &self,
        cameras: &Path,
        id: &str,
        main: &str,
        sub: Option<&str>,
        secret: Option<&Path>,
    ) -> anyhow::Result<()> {
        let mut table = match &self.scene {
            Some(scene) => fs::read_to_string(scene)
                .with_context(|| scene.display().to_string())?
                .parse::<toml::Table>()
                .with_context(|| scene.display().to_string())?,
            None => toml::Table::new(),
        };
        let text = |text: &str| toml::Value::String(text.to_owned());
        let name = table.get("name").and_then(toml::Value::as_str).unwrap_or(id);
        let number = id.rsplit('-').next().unwrap_or_default();
        let name = format!("{name} ({number})");
        table.insert("id".into(), text(id));
        table.insert("name".into(), text(&name));
        let stream = |url: &str| toml::Value::Table([("url".to_owned(), text(url))].into_iter().collect());
        let mut streams: toml::Table = [("main".to_owned(), stream(main))].into_iter().collect();
        if let Some(sub) = sub {
            streams.insert("sub".to_owned(), stream(sub));
        }
        table.insert("streams".into(), streams.into());
        table.remove("credentials");
        if let Some(secret) = secret {
            let secret = std::path::absolute(secret)?;
            let login = [("user", text(SIMULATED_USER)), ("password_file", text(&secret.to_string_lossy()))];
            let login: toml::Table = login.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            table.insert("credentials".into(), login.into());
        }
        // Addresses given on the command line may hold a password.
        let file = cameras.join(format!("{id}.toml"));
        write_secret(&file, &toml::to_string(&table)?)
    }
}

/// The scene and truth of `clip`, if an example was drawn for it.
fn known_clip(examples: &Path, clip: &Path) -> anyhow::Result<Option<(PathBuf, PathBuf)>> {
    let mut known = Vec::new();
    for entry in fs::read_dir(examples).with_context(|| examples.display().to_string())? {
        let dir = entry?.path();
        if let Ok(text) = fs::read_to_string(dir.join("clip.toml")) {
            let clip: KnownClip = toml::from_str(&text).with_context(|| dir.join("clip.toml").display().to_string())?;
            known.push((dir, clip));
        }
    }
    let sha256 = sha256_of(clip).with_context(|| clip.display().to_string())?;
    let found = known.into_iter().find(|(_, known)| known.sha256 == sha256);
    Ok(found.map(|(dir, known)| (dir.join("cameras").join(known.camera), clip.with_file_name(known.truth))))
}

fn sha256_of(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut block) = (fs::File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut block)? {
            0 => break,
            n => hash.update(&block[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn random_password() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system's random numbers: {e}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Readable by its owner alone.
fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
