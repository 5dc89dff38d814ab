//! How cameras and the path behind them are doing.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderName, header},
    response::IntoResponse,
};
use stopline_types::CameraStatus;

use crate::{
    Health,
    app::App,
    problem::Problem,
    request::{SignedIn, Within, camera_id},
};

/// Every camera with its state.
#[utoipa::path(get, path = "/cameras", tag = "cameras", responses((status = 200, body = Vec<CameraStatus>)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _signed_in: SignedIn,
    within: Within,
) -> Result<Json<Vec<CameraStatus>>, Problem> {
    let mut cameras = app.ask(app.backend.cameras()).await?;
    cameras.retain(|status| within.has(&status.camera));
    Ok(Json(cameras))
}

/// A camera's latest picture; the header `X-Captured-At` says when it was taken.
#[utoipa::path(get, path = "/cameras/{camera}/image", tag = "cameras",
    params(("camera" = String, Path, description = "the camera")),
    responses(
        (status = 200, description = "the picture", content_type = "image/jpeg"),
        (status = 404, description = "no such camera, or no picture of it", body = Problem),
    ))]
pub(crate) async fn image(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(camera): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let camera = camera_id("camera", &camera)?;
    within.need(&camera)?;
    app.note(&account, "camera_viewed", camera.as_str(), "").await?;
    let image = app.ask(app.backend.camera_image(camera)).await?;
    let headers = [
        (header::CONTENT_TYPE, "image/jpeg".to_owned()),
        (HeaderName::from_static("x-captured-at"), image.utc.to_string()),
    ];
    Ok((headers, image.jpeg))
}

/// How the path from camera to table is doing.
#[utoipa::path(get, path = "/health", tag = "cameras", responses((status = 200, body = Health)))]
pub(crate) async fn health(State(app): State<Arc<App>>, _signed_in: SignedIn) -> Result<Json<Health>, Problem> {
    Ok(Json(app.ask(app.backend.health()).await?))
}
