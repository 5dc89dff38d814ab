//! The routes below `/api`. Each is registered together with its OpenAPI description.

mod audit_log;
mod cameras;
mod cases;
pub(crate) mod decide;
mod evidence;
mod live;
mod login;
mod passages;
mod reasons;
mod statistics;

use std::sync::Arc;

use axum::{Json, Router, routing::get};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::App, problem::Problem};

#[derive(OpenApi)]
#[openapi(info(
    title = "stopline",
    description = "Violations, passages, figures and cameras. Sign in first: the session travels in a cookie. Requests \
                   that change something need the header X-Stopline-Request. Errors are problem details (RFC 9457).",
    version = env!("CARGO_PKG_VERSION"),
    license(name = "Apache-2.0", identifier = "Apache-2.0")
))]
struct Description;

fn described() -> OpenApiRouter<Arc<App>> {
    let routes = OpenApiRouter::new()
        .routes(routes!(login::login))
        .routes(routes!(login::login_by_link))
        .routes(routes!(login::logout))
        .routes(routes!(login::me))
        .routes(routes!(cases::list))
        .routes(routes!(cases::one))
        .routes(routes!(decide::decide))
        .routes(routes!(evidence::file))
        .routes(routes!(reasons::list))
        .routes(routes!(passages::list))
        .routes(routes!(statistics::counts))
        .routes(routes!(statistics::traffic))
        .routes(routes!(cameras::list))
        .routes(routes!(cameras::image))
        .routes(routes!(cameras::health))
        .routes(routes!(live::events))
        .routes(routes!(audit_log::list));
    OpenApiRouter::with_openapi(Description::openapi()).nest("/api", routes)
}

pub(crate) fn router(app: &Arc<App>) -> Router {
    let (router, description) = described().split_for_parts();
    router
        .route("/api/openapi.json", get(move || std::future::ready(Json(description))))
        .route("/api/{*rest}", axum::routing::any(nothing_here))
        .method_not_allowed_fallback(|| std::future::ready(Problem::method_not_allowed()))
        .with_state(app.clone())
}

pub(crate) fn openapi_json() -> String {
    described().into_openapi().to_pretty_json().unwrap_or_default()
}

async fn nothing_here() -> Problem {
    Problem::not_found("The API has no such address; /api/openapi.json lists what there is.")
}
