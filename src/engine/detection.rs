//! Puts the detector together: library, model, one session for each worker.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use stopline_detect::{
    inference::{Detector, DetectorOptions, Known, PlateLocator, PlateReader, Runtime, SparingDetector},
    law::Catalogue,
    models::Manifest,
    plate::{Grammar, PlateEye},
    scene::Scene,
};
use stopline_ingest::{AnalysePlan, CropRequest};
use stopline_types::SizePx;

use crate::config::EngineConfig;

/// The manifest this binary was built with.
pub(crate) fn manifest() -> anyhow::Result<Manifest> {
    Manifest::parse(include_str!("../../models/manifest.toml"), Path::new("models/manifest.toml"))
        .context("the built-in model manifest")
}

/// The law catalogue this binary was built with.
pub(crate) fn law() -> anyhow::Result<Arc<Catalogue>> {
    let text = include_str!("../../config/law/violations.csv");
    let catalogue = Catalogue::parse(Path::new("config/law/violations.csv"), text);
    Ok(Arc::new(catalogue.context("the built-in law catalogue")?))
}

/// `count` detectors of the configured model.
pub(crate) fn detectors(config: &EngineConfig, count: usize) -> anyhow::Result<Vec<Detector>> {
    let manifest = manifest()?;
    let model = manifest.get(&config.detector.model)?.locate(std::slice::from_ref(&config.models_dir))?;
    let runtime = Runtime::load(&config.onnxruntime)?;
    let options = DetectorOptions { threads: 1, max_batch: config.detector.max_batch, ..Default::default() };
    (0..count).map(|_| Ok(Detector::new(&runtime, &model, options)?)).collect()
}

/// The same as they look at streams: sparing, if configured, what did not change. They share what is known of each camera.
pub(crate) fn sparing(config: &EngineConfig, detectors: Vec<Detector>) -> (Vec<SparingDetector>, Arc<Known>) {
    let known = Arc::new(Known::default());
    let sparing = |detector: Detector| match config.detector.spare {
        true => SparingDetector::new(detector, Arc::clone(&known)),
        false => detector.into(),
    };
    (detectors.into_iter().map(sparing).collect(), known)
}

/// What reads plates; `None` where the configuration says no, or no model of the manifest does.
pub(crate) fn plate_eye(config: &EngineConfig) -> anyhow::Result<Option<PlateEye>> {
    let manifest = manifest()?;
    let Some(models) = manifest.plates().filter(|_| config.plates.read) else { return Ok(None) };
    let locate =
        |name: &str| Ok::<_, anyhow::Error>(manifest.get(name)?.locate(std::slice::from_ref(&config.models_dir))?);
    let runtime = Runtime::load(&config.onnxruntime)?;
    let locator = PlateLocator::new(&runtime, &locate(&models.locator)?)?;
    let reader = PlateReader::new(&runtime, &locate(&models.reader)?)?;
    let grammar = Grammar::built_in().context("the built-in plate grammar")?;
    Ok(Some(PlateEye::new(locator, reader, Arc::new(grammar))))
}

/// What ingest has to deliver for this scene.
pub(crate) fn plan(fit: SizePx, max_fps: f64, scene: Option<&Scene>) -> AnalysePlan {
    let crops = scene
        .map(Scene::crop_requests)
        .unwrap_or_default()
        .into_iter()
        .map(|[x, y, w, h]| CropRequest { x, y, w, h })
        .collect();
    let region = scene.and_then(Scene::region_request).map(CropRequest::from);
    AnalysePlan { fit, max_fps, crops, region }
}
