//! What the demo shows: the built-in clips, a clip of the user's, or the user's cameras.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    clip::streamable,
    fixtures,
    simulator::{Clips, Simulator},
};
use crate::{
    WrongUse,
    cli::DemoArgs,
    score::{Floor, Truth},
};

const SIMULATED_USER: &str = "stopline";
/// Simulated cameras of each built-in scene, at least, and of a clip of the user's.
const CAMERAS_EACH: u16 = 2;
const CAMERAS_OF_A_CLIP: u16 = 4;

/// What is shown.
pub(super) struct Input {
    /// One line for people: what it is and where it comes from.
    pub says: String,
    /// The clips whose truth is known.
    pub known: Vec<Known>,
    /// True when the clips are known to hold passages and violations, so that their absence is a failure.
    pub must_find: bool,
    cameras: Vec<Shown>,
    /// Text of the engine's settings: the sections between the clips' cameras.
    settings: String,
}

/// A clip whose truth is known.
pub(super) struct Known {
    pub name: String,
    pub truth: Truth,
    pub floor: Floor,
    /// Ids of the cameras that show it.
    pub cameras: Vec<String>,
}

/// One camera.
struct Shown {
    id: String,
    source: Source,
    /// The camera file whose scene applies.
    scene: Option<PathBuf>,
    /// Told after its name where several show the same.
    number: Option<usize>,
}

enum Source {
    Clip { main: PathBuf, sub: Option<PathBuf> },
    Camera(String),
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
        let urls: Vec<String> = args.camera.iter().filter(|url| !url.is_empty()).cloned().collect();
        match &args.clip {
            _ if !urls.is_empty() => Ok(Self::of_cameras(args, urls)),
            Some(clip) if !clip.is_file() => Err(WrongUse(format!("{}: no such clip", clip.display())).into()),
            Some(clip) => Self::of_clip(args, clip),
            None => Self::built_in(args),
        }
    }

    fn of_cameras(args: &DemoArgs, urls: Vec<String>) -> Self {
        let says = format!("{} camera(s) of yours", urls.len());
        let cameras = urls.into_iter().enumerate().map(|(i, url)| Shown {
            id: format!("camera-{}", i + 1),
            source: Source::Camera(url),
            scene: args.scene.clone(),
            number: Some(i + 1),
        });
        Self { says, known: vec![], must_find: false, cameras: cameras.collect(), settings: String::new() }
    }

    fn of_clip(args: &DemoArgs, clip: &Path) -> anyhow::Result<Self> {
        let known = known_clip(&args.repository.join("config/examples"), clip)?;
        let scene = args.scene.clone().or(known.as_ref().map(|(scene, _)| scene.clone()));
        let with = match &scene {
            Some(scene) => format!("with the scene of {}", scene.display()),
            None => "without a scene: passages only, no violations (draw one and give SCENE=camera.toml)".to_owned(),
        };
        let says = format!("your clip {}, {with}", clip.display());
        let stem =
            scene.as_ref().map_or("clip".into(), |scene| scene.file_stem().unwrap_or_default().to_string_lossy());
        let ids: Vec<_> = (1..=args.cameras.unwrap_or(CAMERAS_OF_A_CLIP)).map(|i| format!("{stem}-{i}")).collect();
        let known = match known {
            Some((_, truth)) if truth.is_file() => {
                let (name, truth) = (stem.to_string(), Truth::load(&truth)?);
                vec![Known { name, truth, floor: Floor::default(), cameras: ids.clone() }]
            }
            _ => vec![],
        };
        let cameras = ids.into_iter().enumerate().map(|(i, id)| Shown {
            id,
            source: Source::Clip { main: clip.to_owned(), sub: None },
            scene: scene.clone(),
            number: Some(i + 1),
        });
        let cameras = cameras.collect();
        Ok(Self { says, known, must_find: false, cameras, settings: String::new() })
    }

    fn built_in(args: &DemoArgs) -> anyhow::Result<Self> {
        let scenes = fixtures::scenes(&args.repository)?;
        let (mut known, mut cameras, mut clips, mut settings) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        for views in scenes {
            let together = fixtures::settings(&views);
            if let Some(file) = &together {
                settings += &fs::read_to_string(file).with_context(|| file.display().to_string())?;
            }
            let each = usize::from(args.cameras.unwrap_or(CAMERAS_EACH)).div_ceil(views.len());
            for view in views {
                clips.push(format!("{} ({:.0} s)", view.name, view.truth.duration_s));
                // The first keeps the camera file's name, so that one camera's settings may name another.
                let id = |i: usize| if i == 1 { view.name.clone() } else { format!("{}-{i}", view.name) };
                let ids: Vec<_> = (1..=each).map(id).collect();
                cameras.extend(ids.iter().enumerate().map(|(i, id)| Shown {
                    id: id.clone(),
                    source: Source::Clip { main: view.main.clone(), sub: view.sub.clone() },
                    scene: Some(args.scene.clone().unwrap_or_else(|| view.camera_file.clone())),
                    number: (each > 1).then_some(i + 1),
                }));
                let (name, floor) = (view.name, view.floors.live);
                let truth = if together.is_some() { view.truth.with_section() } else { view.truth };
                known.push(Known { name, truth, floor, cameras: ids });
            }
        }
        let says = format!(
            "{}, rendered by this project's own scripts, in a loop, with exact truth; no real person or vehicle is in it",
            clips.join(", ")
        );
        Ok(Self { says, known, must_find: true, cameras, settings })
    }

    /// Writes the camera files into `dir` and starts the simulated cameras, if any.
    pub(super) fn prepare(&self, args: &DemoArgs, dir: &Path) -> anyhow::Result<Option<Simulator>> {
        let cameras = dir.join("cameras");
        fs::create_dir_all(&cameras).with_context(|| cameras.display().to_string())?;
        for old in fs::read_dir(&cameras)? {
            fs::remove_file(old?.path())?;
        }
        fs::write(dir.join("stopline.toml"), &self.settings).with_context(|| dir.display().to_string())?;
        let (mut clips, mut made): (Vec<Clips>, Option<(&Path, PathBuf)>) = (Vec::new(), None);
        for shown in &self.cameras {
            match &shown.source {
                Source::Camera(url) => write_camera(&cameras, shown, url, None, None)?,
                Source::Clip { main, sub } => {
                    let streamed = match &made {
                        Some((of, streamed)) if *of == main.as_path() => streamed.clone(),
                        _ => streamable(main, dir)?,
                    };
                    made = Some((main, streamed.clone()));
                    clips.push(Clips { id: shown.id.clone(), main: streamed, sub: sub.clone() });
                }
            }
        }
        if clips.is_empty() {
            return Ok(None);
        }
        let password = random_password()?;
        let secret = dir.join("simulator.password");
        write_secret(&secret, &password)?;
        let simulator = Simulator::start(&args.repository, &clips, (SIMULATED_USER, password.as_str()))?;
        for shown in &self.cameras {
            let streams = simulator.cameras.get(&shown.id).with_context(|| format!("{}: not simulated", shown.id))?;
            write_camera(&cameras, shown, &streams.main, streams.sub.as_deref(), Some(&secret))?;
        }
        Ok(Some(simulator))
    }
}

/// The example's camera file with another id and other addresses.
fn write_camera(
    cameras: &Path,
    shown: &Shown,
    main: &str,
    sub: Option<&str>,
    secret: Option<&Path>,
) -> anyhow::Result<()> {
    let mut table = match &shown.scene {
        Some(scene) => fs::read_to_string(scene)
            .with_context(|| scene.display().to_string())?
            .parse::<toml::Table>()
            .with_context(|| scene.display().to_string())?,
        None => toml::Table::new(),
    };
    let text = |text: &str| toml::Value::String(text.to_owned());
    let name = table.get("name").and_then(toml::Value::as_str).unwrap_or(&shown.id);
    let name = shown.number.map_or(name.to_owned(), |number| format!("{name} ({number})"));
    table.insert("id".into(), text(&shown.id));
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
    let file = cameras.join(format!("{}.toml", shown.id));
    write_secret(&file, &toml::to_string(&table)?)
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
