//! `stopline read-plates`: number plates in pictures, one answer a picture.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use stopline_detect::plate::{PlateEye, PlateFound};
use stopline_types::{BgrImage, BoxPx, PlateRead, SizePx};

use super::{say, say_json};
use crate::{Outcome, WrongUse, cli::ReadPlatesArgs, config::EngineConfig, engine::detection};

/// One picture. `error` is there when it could not be read.
#[derive(Serialize)]
struct Picture<'a> {
    file: &'a str,
    plates: Vec<Plate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// One plate in a picture.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plate {
    #[serde(flatten)]
    pub read: PlateRead,
    /// In pixels of the picture.
    #[serde(rename = "box")]
    pub bbox: BoxPx,
}

pub(crate) fn run(args: &ReadPlatesArgs) -> anyhow::Result<Outcome> {
    let config = EngineConfig::load(&args.config.dir)?;
    let mut eye = eye(&config)?;
    let mut all_read = true;
    for path in &args.images {
        let file = &*path.to_string_lossy();
        let (plates, error) = match plates_of(&mut eye, path) {
            Ok(plates) => (plates, None),
            Err(error) => {
                all_read = false;
                tracing::error!("{error:#}");
                (Vec::new(), Some(format!("{error:#}")))
            }
        };
        if args.json {
            say_json(&Picture { file, plates, error })?;
        } else if error.is_none() {
            say(format!("{file}: {}", in_words(&plates)))?;
        }
    }
    Ok(Outcome::of(all_read))
}

/// What reads plates, or why nothing does.
pub(crate) fn eye(config: &EngineConfig) -> anyhow::Result<PlateEye> {
    let why = "plates are not read: [plates] read = false, or the model manifest names no plate models";
    detection::plate_eye(config)?.ok_or_else(|| WrongUse(why.into()).into())
}

/// The plates of a picture file, likeliest first.
pub(crate) fn plates_of(eye: &mut PlateEye, path: &Path) -> anyhow::Result<Vec<Plate>> {
    let picture = load(path)?;
    let found = eye.look_closely(&picture).with_context(|| path.display().to_string())?;
    Ok(found.into_iter().filter_map(|found| plate(eye, found)).collect())
}

fn plate(eye: &PlateEye, found: PlateFound) -> Option<Plate> {
    Some(Plate { read: eye.judge(&[found.look], None)?, bbox: found.bbox })
}

/// A JPEG or PNG file as pixels.
pub(crate) fn load(path: &Path) -> anyhow::Result<BgrImage> {
    let open = || image::ImageReader::open(path)?.with_guessed_format();
    let reader = open().with_context(|| path.display().to_string())?;
    let decoded = reader.decode().with_context(|| format!("{}: expected a JPEG or PNG picture", path.display()))?;
    let rgb = decoded.into_rgb8();
    let size = SizePx { w: rgb.width(), h: rgb.height() };
    let mut data = rgb.into_raw();
    data.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
    Ok(BgrImage { size, data })
}

fn in_words(plates: &[Plate]) -> String {
    if plates.is_empty() {
        return "no plate".to_owned();
    }
    plates.iter().map(|plate| shown(Some(&plate.read))).collect::<Vec<_>>().join(", ")
}

/// A plate in a table: as written, with a question mark where it is not sure.
pub(crate) fn shown(plate: Option<&PlateRead>) -> String {
    plate.map_or_else(String::new, |plate| {
        let display = if plate.display.is_empty() { &plate.text } else { &plate.display };
        if plate.sure { display.clone() } else { format!("{display} ?") }
    })
}
