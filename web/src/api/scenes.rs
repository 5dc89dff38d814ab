//! A camera's scene: read for overlays, checked while it is drawn, kept.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    CameraInfo, SceneFault, Storage,
    app::App,
    problem::Problem,
    request::{Body, SignedIn, Within, camera_id},
};

/// Bytes of a scene at most.
pub(crate) const SCENE_MAX: usize = 256 * 1024;

/// A scene as the camera file writes it: lanes, stop lines, zones, signal heads, ground points, rules.
#[derive(Serialize, ToSchema)]
pub(crate) struct SceneView {
    /// The scene; null: the camera has none.
    #[schema(value_type = Object)]
    scene: Option<serde_json::Value>,
}

/// What is wrong with a scene.
#[derive(Serialize, ToSchema)]
pub(crate) struct SceneChecked {
    /// All of it; empty: nothing.
    faults: Vec<SceneFault>,
}

/// The scene of a camera, in pixels of its `frame_px`.
#[utoipa::path(get, path = "/cameras/{camera}/scene", tag = "cameras",
    params(("camera" = String, Path, description = "the camera")),
    responses((status = 200, body = SceneView), (status = 404, description = "no such camera", body = Problem)))]
pub(crate) async fn scene(
    State(app): State<Arc<App>>,
    _signed_in: SignedIn,
    within: Within,
    Path(camera): Path<String>,
) -> Result<Json<SceneView>, Problem> {
    let camera = camera_id("camera", &camera)?;
    within.need(&camera)?;
    Ok(Json(SceneView { scene: app.ask(app.backend.scene(camera)).await? }))
}

/// Say what is wrong with a scene, without keeping it.
#[utoipa::path(post, path = "/cameras/{camera}/scene/check", tag = "cameras", request_body = Object,
    params(("camera" = String, Path, description = "the camera")),
    responses((status = 200, body = SceneChecked), (status = 404, description = "no such camera", body = Problem)))]
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    _signed_in: SignedIn,
    within: Within,
    Path(camera): Path<String>,
    Body(scene): Body<serde_json::Value>,
) -> Result<Json<SceneChecked>, Problem> {
    let camera = camera_id("camera", &camera)?;
    within.need(&camera)?;
    Ok(Json(SceneChecked { faults: app.ask(app.backend.check_scene(camera, scene)).await? }))
}

/// Keep a scene in the camera's file and judge by it from now on. What was judged before keeps the version it was
/// judged by.
#[utoipa::path(put, path = "/cameras/{camera}/scene", tag = "cameras", request_body = Object,
    params(("camera" = String, Path, description = "the camera")),
    responses(
        (status = 200, description = "kept", body = SceneChecked),
        (status = 422, description = "it has faults; nothing was changed", body = SceneChecked),
        (status = 404, description = "no such camera", body = Problem),
    ))]
pub(crate) async fn keep(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(camera): Path<String>,
    Body(scene): Body<serde_json::Value>,
) -> Result<(StatusCode, Json<SceneChecked>), Problem> {
    let camera = camera_id("camera", &camera)?;
    within.need(&camera)?;
    app.note(&account, "scene_changed", camera.as_str(), "").await?;
    let faults = app.ask(app.backend.save_scene(camera, scene)).await?;
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, Json(SceneChecked { faults })))
}

/// Cameras with their places and devices, as far as the person may see them anywhere.
#[utoipa::path(get, path = "/sites", tag = "cameras", responses((status = 200, body = Vec<CameraInfo>)))]
pub(crate) async fn sites(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
) -> Result<Json<Vec<CameraInfo>>, Problem> {
    let mut infos = app.ask(app.backend.camera_infos()).await?;
    // Who gives roles must know all sites to give them at.
    let all = account.may(crate::Right::ManageUsers);
    infos.retain(|info| all || account.rights.values().any(|reach| reach.covers(&info.site)));
    Ok(Json(infos))
}

/// What lies on the disk and how fast it grows.
#[utoipa::path(get, path = "/storage", tag = "cameras", responses((status = 200, body = Storage)))]
pub(crate) async fn storage(State(app): State<Arc<App>>, _signed_in: SignedIn) -> Result<Json<Storage>, Problem> {
    Ok(Json(app.ask(app.backend.storage()).await?))
}
